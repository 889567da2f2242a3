"""PCRE patterns as nginx takes them, written as RE2 patterns that mean the same; or the reason why not.

Both search bytes. What differs is small and is all here: PCRE's `$` and `\\Z` also match before a last
line feed, `\\s` has the vertical tab, a group is named in three ways, and what needs backtracking has no RE2.
Source: pcre2pattern(3).
"""

from __future__ import annotations

import re

import re2

from router.routing.pattern import options

_END = r"(?:\n)?\z"
_AS_IT_IS = frozenset("dDwWbBAztnrfaxpP")
_SPACE = r"[\t\n\v\f\r ]"
_ESCAPES = {
    "s": _SPACE,
    "S": r"[^\t\n\v\f\r ]",
    "h": r"[\t \xa0]",
    "v": r"[\n\v\f\r\x85]",
    "N": r"[^\n]",
    "Z": _END,
    "e": r"\x1b",
}
_IN_CLASS = {"s": r"\t\n\v\f\r ", "h": r"\t \xa0", "v": r"\n\v\f\r\x85", "e": r"\x1b", "b": r"\x08"}
_NAME = re.compile(r"\(\?(?:P?<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')")
_FLAGS = re.compile(r"\(\?([a-zA-Z]*)(?:-([a-zA-Z]*))?([:)])")
_HEX = re.compile(r"\\x(?:[0-9A-Fa-f]{2}|\{[0-9A-Fa-f]{1,2}\})")
_COMMENT = re.compile(r"\(\?#[^)]*\)")
_COUNT = re.compile(r"\{\d+(,\d*)?\}")
_QUANTIFIER = re.compile(r"[*+?]|\{\d+(?:,\d*)?\}")
_POSIX = re.compile(r"\[:\^?[a-z]+:\]")


class NotCarried(Exception):
    """RE2 cannot say what the pattern says; the text tells why."""


def to_re2(pattern: str, *, caseless: bool = False) -> str:
    """The RE2 pattern; raises NotCarried with the part that it fails for."""
    written = ("(?i)" if caseless else "") + _Translation(pattern).run()
    try:
        re2.compile(written.encode("latin-1"), options())
    except (re2.error, UnicodeEncodeError) as error:
        raise NotCarried(f"RE2 does not take it: {error}") from None
    return written


def with_group(pattern: str, name: str) -> str:
    """The RE2 pattern with the group of that name, or number, as its only one; raises NotCarried."""
    numbers = re2.compile(pattern.encode("latin-1"), options(groups=True))
    wanted = int(name) if name.isdigit() else numbers.groupindex.get(name.encode("latin-1"), 0)
    if not 0 < wanted <= numbers.groups:
        raise NotCarried(f"the pattern has no group {name}")
    out, at, seen = [], 0, 0
    while at < len(pattern):
        step = _token(pattern, at)
        part = pattern[at : at + step]
        if part == "(" or part.startswith("(?P<"):
            seen += 1
            part = "(" if seen == wanted else "(?:"
        out.append(part)
        at += step
    return "".join(out)


def _token(pattern: str, at: int) -> int:
    """How many characters belong together at that place of an RE2 pattern."""
    if pattern[at] == "\\":
        return 2
    if pattern[at] == "[":
        return _class_end(pattern, at) - at
    if pattern.startswith("(?P<", at):
        return pattern.index(">", at) + 1 - at
    if pattern.startswith("(?", at):
        return 2
    return 1


def _class_end(pattern: str, at: int) -> int:
    """Behind the `]` that ends the class which begins at that place."""
    end = at + 1
    end += pattern.startswith("^", end)
    end += pattern.startswith("]", end)
    while end < len(pattern) and pattern[end] != "]":
        posix = _POSIX.match(pattern, end)
        if posix:
            end = posix.end()
        else:
            end += 2 if pattern[end] == "\\" else 1
    if end >= len(pattern):
        raise NotCarried("a class `[` without its `]`")
    return end + 1


class _Translation:
    """Walks one pattern from left to right."""

    __slots__ = ("_at", "_out", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._out: list[str] = []

    def run(self) -> str:
        """The whole of it."""
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == "\\":
                self._escape()
            elif character == "[":
                self._class()
            elif self._text.startswith("(*", self._at):
                raise NotCarried("`(*` begins a verb of PCRE's, which RE2 has not")
            elif self._text.startswith("(?", self._at):
                self._group()
            elif character == "$":
                self._put(_END, 1)
            elif _QUANTIFIER.match(self._text, self._at):
                self._quantifier()
            elif character == "{":
                self._put(r"\{", 1)
            else:
                self._put(_byte(character), 1)
        return "".join(self._out)

    def _put(self, written: str, length: int) -> None:
        self._out.append(written)
        self._at += length

    def _escape(self) -> None:
        following = self._text[self._at + 1 : self._at + 2]
        if not following:
            raise NotCarried("the pattern ends with a single `\\`")
        if following == "Q":
            quoted, _, _ = self._text[self._at + 2 :].partition("\\E")
            self._put("".join(map(_quoted, quoted)), 2 + len(quoted) + 2)
            return
        if following in "123456789gkKGRXCEQupPoLlUc":
            raise NotCarried(f"`\\{following}` has no equal in RE2")
        if following == "0":
            raise NotCarried("`\\0`: octal escapes; write `\\xHH`")
        if following == "x" and not _HEX.match(self._text, self._at):
            raise NotCarried("`\\x` without two digits")
        if following in _ESCAPES:
            self._put(_ESCAPES[following], 2)
        elif following.isalnum() and following not in _AS_IT_IS:
            raise NotCarried(f"`\\{following}` has no equal in RE2")
        elif following.isascii():
            self._put("\\" + following, 2)
        else:
            self._put(_byte(following), 2)

    def _class(self) -> None:
        end = _class_end(self._text, self._at)
        inner = self._text[self._at + 1 : end - 1]
        negated, inner = inner.startswith("^"), inner.removeprefix("^")
        out, at = ["[^" if negated else "["], 0
        while at < len(inner):
            posix = _POSIX.match(inner, at)
            if posix:
                out.append(_IN_CLASS["s"] if posix[0] == "[:space:]" else posix[0])
                at = posix.end()
            elif inner[at] == "\\":
                following = inner[at + 1 : at + 2]
                if following in _IN_CLASS:
                    out.append(_IN_CLASS[following])
                elif following.isalnum() and following not in "dDwWtnrfax":
                    raise NotCarried(f"`\\{following}` in a class has no equal in RE2")
                else:
                    out.append("\\" + following)
                at += 2
            else:
                out.append("\\" + inner[at] if inner[at] in "[]" else _byte(inner[at]))
                at += 1
        self._put("".join(out) + "]", end - self._at)

    def _group(self) -> None:
        comment = _COMMENT.match(self._text, self._at)
        named = _NAME.match(self._text, self._at)
        flags = _FLAGS.match(self._text, self._at)
        if comment:
            self._put("", comment.end() - self._at)
        elif named:
            self._put(f"(?P<{named[1] or named[2]}>", named.end() - self._at)
        elif flags and set(flags[1] + (flags[2] or "")) <= set("is"):
            self._put(flags[0], flags.end() - self._at)
        else:
            shown = self._text[self._at : self._at + 4]
            raise NotCarried(f"`{shown}` needs backtracking or a mode that RE2 has not")

    def _quantifier(self) -> None:
        quantifier = _QUANTIFIER.match(self._text, self._at)
        assert quantifier is not None  # noqa: S101 - asked before; for the type checker only
        if not self._out:
            raise NotCarried("there is nothing to repeat")
        if self._text.startswith("+", quantifier.end()):
            raise NotCarried(f"`{quantifier[0]}+` is possessive, which RE2 has not")
        length = len(quantifier[0])
        lazy = "?" if self._text.startswith("?", quantifier.end()) else ""
        self._put(quantifier[0] + lazy, length + len(lazy))


def _byte(character: str) -> str:
    """A character of the file, which is UTF-8 there: in a pattern of bytes it is each of its bytes."""
    if character.isascii():
        return character if character.isprintable() else f"\\x{ord(character):02x}"
    return "(?:" + "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape")) + ")"


def _quoted(character: str) -> str:
    return re.escape(character) if character.isascii() else _byte(character)
