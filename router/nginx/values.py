"""What a text with variables can be, and when: nginx's `map`s and `set`s unfolded into decision lists.

A *decision list* is a list of cases, in order: the first whose conditions all hold for a request tells the
value. Its last case has no conditions. Source: ngx_http_map_module, ngx_http_core_module.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from router.nginx.directives import Directive
from router.nginx.pcre import NotCarried, to_re2, with_group
from router.table import Condition, HashKey

FACTS = {
    "uri": "normalised",
    "document_uri": "normalised",
    "request_uri": "target",
    "request_method": "method",
    "args": "query",
    "query_string": "query",
    "host": "host",
    "server_port": "port",
    "remote_addr": "client",
}
"""nginx's variables that are facts of a request, by what the table calls them."""

_NAMED = (("http_", "header"), ("cookie_", "cookie"), ("arg_", "argument"))
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_TWO = re.compile(r"\$\{?request_method\}?([:/ |,;])\$\{?(\w+)\}?")
_METHODS = re.compile(r"[A-Z|()?:]+")

MOST_CASES = 5000
"""Of one decision list: maps of maps multiply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case: under these conditions the value is `text`, or the fact `key` where that is not None.

    `place` is the directive that says so: a line of a map, say.
    """

    conditions: tuple[Condition, ...] = ()
    text: str = ""
    key: HashKey | None = None
    place: Directive | None = None


class Values:
    """The variables of one server: `maps` by the name of what they set, without its `$`."""

    __slots__ = ("_maps", "_set")

    def __init__(self, maps: Mapping[str, Directive], constants: Mapping[str, str] | None = None) -> None:
        self._maps = maps
        self._set = dict(constants or {})

    def setting(self, name: str, text: str) -> Values:
        """The same, with one more `set`."""
        return Values(self._maps, {**self._set, name: text})

    def cases(self, text: str, within: frozenset[str] = frozenset()) -> list[Case]:
        """The decision list of a text; raises NotCarried, with the reason."""
        found: list[Case] = [Case()]
        at = 0
        for variable in _VARIABLE.finditer(text):
            found = _joined(found, [Case(text=text[at : variable.start()])])
            found = _joined(found, self._variable(variable[1] or variable[2], within))
            at = variable.end()
        return _joined(found, [Case(text=text[at:])])

    def _variable(self, name: str, within: frozenset[str]) -> list[Case]:
        if name in within:
            raise NotCarried(f"${name} is made of itself")
        if name in self._set:
            return self.cases(self._set[name], within | {name})
        if name in self._maps:
            return self._map(self._maps[name], within | {name})
        fact = fact_of(name)
        if fact is None:
            raise NotCarried(f"${name} is no variable that the router knows")
        return [Case(key=fact)]

    def _map(self, directive: Directive, within: frozenset[str]) -> list[Case]:
        source = directive.args[0]
        found: list[Case] = []
        for case in self._source(source, within):
            for conditions, capture, line in _entries(directive, case):
                for value in self._value(line, capture, within):
                    every = case.conditions + conditions + value.conditions
                    found.append(replace(value, conditions=every, place=line))
            if len(found) > MOST_CASES:
                raise NotCarried(f"${within} has more than {MOST_CASES} cases")
        return found

    def _source(self, source: str, within: frozenset[str]) -> list[Case]:
        parts = _VARIABLE.findall(source)
        if len(parts) < 2:
            return self.cases(source, within)
        return [Case(text=source)]

    def _value(self, line: Directive, capture: Capture | None, within: frozenset[str]) -> list[Case]:
        text = line.args[0] if line.args else ""
        whole = _VARIABLE.fullmatch(text)
        name = (whole[1] or whole[2]) if whole else ""
        if capture is not None and name and (name.isdigit() or f"(?P<{name}>" in capture.pattern):
            return [Case(key=replace(capture.key, pattern=with_group(capture.pattern, name)))]
        if capture is not None and re.search(r"\$\d", text):
            raise NotCarried(f"`{text}` puts a captured part into a longer text")
        return self.cases(text, within)

    def key(self, text: str) -> tuple[HashKey, ...]:
        """The chain of keys that `hash TEXT` hashes; raises NotCarried."""
        whole = _VARIABLE.fullmatch(text)
        if whole is None:
            raise NotCarried(f"`{text}` is more than one variable")
        return tuple(self._chain(whole[1] or whole[2], frozenset()))

    def _chain(self, name: str, within: frozenset[str]) -> Iterator[HashKey]:
        if name in within:
            raise NotCarried(f"${name} is made of itself")
        if name not in self._maps:
            fact = fact_of(name)
            if fact is None:
                raise NotCarried(f"${name} is no variable that the router knows")
            yield fact
            return
        directive = self._maps[name]
        source = _VARIABLE.fullmatch(directive.args[0])
        fact = fact_of(source[1] or source[2]) if source else None
        if fact is None:
            raise NotCarried(f"${name} is a map of `{directive.args[0]}`, which is no single fact")
        empty: str | None = None
        otherwise = ""
        for conditions, capture, line in _entries(directive, Case(key=fact)):
            value = line.args[0] if line.args else ""
            if not conditions:
                otherwise = value
            elif capture is None and conditions[0].pattern == _exactly(""):
                empty = value
            elif capture is None:
                raise NotCarried(f"${name} has a value of its own for one text")
            else:
                yield _captured(value, capture, fact)
        whole_fact = _VARIABLE.fullmatch(otherwise)
        if whole_fact and fact_of(whole_fact[1] or whole_fact[2]) == fact:
            yield fact
        elif otherwise:
            raise NotCarried(f"${name} is `{otherwise}` for what no line takes")
        if empty:
            following = _VARIABLE.fullmatch(empty)
            if following is None or (not otherwise and not whole_fact):
                raise NotCarried(f"${name} is `{empty}` where `{directive.args[0]}` is empty")
            yield from self._chain(following[1] or following[2], within | {name})


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """A pattern that has been found in a fact."""

    key: HashKey
    pattern: str


def _captured(value: str, capture: Capture, fact: HashKey) -> HashKey:
    whole = _VARIABLE.fullmatch(value)
    name = (whole[1] or whole[2]) if whole else ""
    if name.isdigit() or (name and f"(?P<{name}>" in capture.pattern):
        return replace(fact, pattern=with_group(capture.pattern, name))
    if name and fact_of(name) == fact:
        return replace(fact, pattern=f"(?s)\\A(?:.*(?:{capture.pattern}).*)\\z")
    raise NotCarried(f"`{value}` is neither a part of what the pattern takes nor the whole")


def _joined(heads: list[Case], tails: list[Case]) -> list[Case]:
    """Each case of the first with each of the second, texts one behind the other."""
    found = []
    for head in heads:
        for tail in tails:
            if (head.key is not None and (tail.text or tail.key)) or (tail.key is not None and head.text):
                raise NotCarried("a fact of the request stands within a longer text")
            found.append(
                Case(
                    conditions=head.conditions + tail.conditions,
                    text=head.text + tail.text,
                    key=head.key or tail.key,
                    place=tail.place or head.place,
                )
            )
    return found


def fact_of(name: str) -> HashKey | None:
    """The fact that a variable of nginx is, None where it is none that the table knows."""
    if name in FACTS:
        return HashKey(kind=FACTS[name])
    for prefix, kind in _NAMED:
        if name.startswith(prefix) and len(name) > len(prefix):
            rest = name.removeprefix(prefix).lower()
            return HashKey(kind=kind, name=rest.replace("_", "-") if kind == "header" else rest)
    return None


Entry = tuple[tuple[Condition, ...], Capture | None, Directive]
"""What a line of a map asks for, what its pattern can capture, and the line."""


def _entries(directive: Directive, case: Case) -> Iterator[Entry]:
    """The lines of a map in the order in which they count, for one case of its source.

    Exact texts come first, in any case, then patterns in their order, then `default`: the one without
    conditions. For a source whose text is known only the line that takes it is given.
    """
    exact, patterns, default = [], [], None
    for line in directive.block or ():
        if line.name == "default":
            default = line
        elif line.name in ("hostnames", "volatile"):
            if line.name == "hostnames" and not line.args:
                raise NotCarried("`hostnames` in a map")
        elif line.name.startswith("~"):
            patterns.append(line)
        else:
            exact.append(line)
    otherwise = default or Directive(name="default", args=("",), source=directive.source)
    if case.key is None and not _VARIABLE.search(case.text):
        yield (), None, _constant(case.text, exact, patterns) or otherwise
        return
    asks = _Several(case.text) if case.key is None else _Single(case.key)
    for line in exact:
        yield asks.for_text(line.name.removeprefix("\\")), None, line
    for line in patterns:
        caseless = line.name.startswith("~*")
        try:
            conditions = asks.for_pattern(line.name[2 if caseless else 1 :], caseless=caseless)
        except NotCarried as error:
            raise NotCarried(f"{line.source}: `{line.name}`: {error}") from None
        capture = Capture(key=case.key, pattern=conditions[0].pattern) if case.key is not None else None
        yield conditions, capture, line
    yield (), None, otherwise


def _constant(text: str, exact: list[Directive], patterns: list[Directive]) -> Directive | None:
    for line in exact:
        if line.name.removeprefix("\\").lower() == text.lower():
            return line
    for line in patterns:
        caseless = line.name.startswith("~*")
        found = re.search(line.name[2 if caseless else 1 :], text, re.IGNORECASE if caseless else 0)
        if found:
            return line
    return None


def _exactly(text: str) -> str:
    """nginx looks texts up in any case."""
    quoted = "".join(re.escape(each) if each.isascii() else f"\\x{ord(each):02x}" for each in text)
    return f"(?i)\\A{quoted}\\z" if text else r"\A\z"


class _Single:
    """What lines of a map ask of a source that is one fact."""

    def __init__(self, key: HashKey) -> None:
        self._key = key

    def for_text(self, text: str) -> tuple[Condition, ...]:
        return (Condition(kind=self._key.kind, name=self._key.name, pattern=_exactly(text)),)

    def for_pattern(self, pattern: str, *, caseless: bool) -> tuple[Condition, ...]:
        written = to_re2(pattern, caseless=caseless)
        return (Condition(kind=self._key.kind, name=self._key.name, pattern=written),)


class _Several:
    """The same for `$request_method`, a character that no method has, and another fact."""

    def __init__(self, source: str) -> None:
        parts = _TWO.fullmatch(source)
        second = fact_of(parts[2]) if parts else None
        if parts is None or second is None:
            raise NotCarried(f"`{source}` is made of several facts, and the first is not the method alone")
        self._between = parts[1]
        self._second = _Single(second)

    def for_text(self, text: str) -> tuple[Condition, ...]:
        method, _, rest = text.partition(self._between)
        return (*_Single(HashKey(kind="method")).for_text(method), *self._second.for_text(rest))

    def for_pattern(self, pattern: str, *, caseless: bool) -> tuple[Condition, ...]:
        begin, between, rest = pattern.replace("\\" + self._between, self._between).partition(self._between)
        if not between or not begin.startswith("^") or not _METHODS.fullmatch(begin[1:]):
            raise NotCarried("the part for the method cannot be told from the rest")
        methods = _Single(HashKey(kind="method")).for_pattern(f"^(?:{begin[1:]})\\z", caseless=caseless)
        return (*methods, *self._second.for_pattern(f"^{rest}", caseless=caseless))
