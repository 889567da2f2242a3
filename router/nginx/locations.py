"""Which `location` takes a request: nginx's precedence, as conditions in the order in which they are asked.

Source: ngx_http_core_module, "location", and ngx_http_core_find_location: the longest prefix is found first;
patterns are asked next, unless that prefix is written with `^~`; nested ones are asked within what took.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from router.nginx.directives import Directive
from router.nginx.pcre import to_re2
from router.table import Condition

PATH = "normalised"

_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """One location, or the server's own block where `directive` is a `server`: what a request finds there.

    `outer` are the blocks around it, the outermost first, from which directives are inherited.
    """

    directive: Directive
    outer: tuple[Directive, ...] = ()
    prefix: str = ""

    def last(self, name: str) -> Directive | None:
        """The directive of that name that holds here: the innermost block that has one."""
        for block in (self.directive, *reversed(self.outer)):
            found = block.last(name)
            if found is not None:
                return found
        return None


Taken = tuple[tuple[Condition, ...], Location]
"""What a request has to be like to come to a location."""


@dataclass(frozen=True, slots=True)
class _Level:
    """The locations directly in one block, by kind."""

    exact: list[Directive] = field(default_factory=list)
    prefixes: list[Directive] = field(default_factory=list)
    patterns: list[Directive] = field(default_factory=list)


def find_locations(server: Directive) -> list[Taken]:
    """All locations of a server in order, first match wins; raises NotCarried for a pattern.

    The last takes everything: the location `/`, or else the server itself. A `return` of the server's own is
    asked before any location.
    """
    if server.last("return") is not None:
        return [((), Location(directive=server))]
    found = list(_within(server, ()))
    if any(_prefix(each) == "/" for each in _level(server).prefixes):
        return found
    return [*found, ((), Location(directive=server))]


def _within(block: Directive, outer: tuple[Directive, ...]) -> Iterator[Taken]:
    level = _level(block)
    around = (*outer, block)
    for each in level.exact:
        text = each.args[-1]
        yield (_path(rf"\A{_literal(text)}\z"),), Location(directive=each, outer=around, prefix=text)
    longest_first = sorted(level.prefixes, key=lambda each: len(_prefix(each)), reverse=True)
    early = [each for each in longest_first if each.args[0] == "^~" or _definite(each)]
    first = [
        each
        for each in longest_first
        if each in early or any(_prefix(each).startswith(_prefix(one)) for one in early)
    ]
    for each in first:
        here = _begins(each)
        nested = [_and(here, taken) for taken in _within(each, around)]
        definite = _definite(each)
        yield from (taken for taken in nested if taken[1].directive in definite)
        if each.args[0] != "^~":
            yield from (_and(here, taken) for taken in _patterns(level, around))
        yield from (taken for taken in nested if taken[1].directive not in definite)
        yield (here,), Location(directive=each, outer=around, prefix=_prefix(each))
    yield from _patterns(level, around)
    for each in longest_first:
        if each not in first:
            here = _begins(each)
            yield from (_and(here, taken) for taken in _within(each, around))
            yield (here,), Location(directive=each, outer=around, prefix=_prefix(each))


def _definite(block: Directive) -> list[Directive]:
    """Nested locations that end the search: all but plain prefixes, after which outer patterns are asked."""
    level = _level(block)
    return [*level.exact, *level.patterns]


def _patterns(level: _Level, around: tuple[Directive, ...]) -> Iterator[Taken]:
    for each in level.patterns:
        here = _path(to_re2(each.args[1], caseless=each.args[0] == "~*"))
        yield from (_and(here, taken) for taken in _within(each, around))
        yield (here,), Location(directive=each, outer=around)


def _level(block: Directive) -> _Level:
    level = _Level()
    for each in block.all("location"):
        if each.args[0] == "=":
            level.exact.append(each)
        elif each.args[0] in ("~", "~*"):
            level.patterns.append(each)
        elif not each.args[0].startswith("@"):
            level.prefixes.append(each)
    return level


def _prefix(directive: Directive) -> str:
    return directive.args[-1]


def _begins(directive: Directive) -> Condition:
    return _path("^" + _literal(_prefix(directive)))


def _path(pattern: str) -> Condition:
    return Condition(kind=PATH, pattern=pattern)


def _literal(text: str) -> str:
    return "".join(_SPECIAL.sub(r"\\\g<0>", each) if each.isascii() else _bytes_of(each) for each in text)


def _bytes_of(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


def _and(here: Condition, taken: Taken) -> Taken:
    return (here, *taken[0]), taken[1]
