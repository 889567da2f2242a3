"""The one dialect of path patterns: RE2 over bytes, its text read as Latin-1, searched for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import re2

from router.errors import InvalidPattern, Source

Search = Callable[[bytes], object | None]
"""Truthy where the pattern is found somewhere in the path."""

# RE2's own default; about 2,000 ordinary patterns fit.
SMALLEST_BUDGET: Final = 8 << 20


class Found(Protocol):
    """What each group of a pattern has taken, the whole of it first; None for one that took no part."""

    def __getitem__(self, group: int) -> bytes | None: ...


Groups = Callable[[bytes], Found | None]
"""Finds the pattern somewhere, and tells what each group of it has taken."""


def options(max_mem: int = SMALLEST_BUDGET, *, groups: bool = False) -> re2.Options:
    """RE2's options for paths: a byte is a character, nothing goes to stderr; memory in bytes."""
    chosen = re2.Options()
    chosen.encoding = re2.Options.Encoding.LATIN1
    chosen.log_errors = False
    chosen.never_capture = not groups
    chosen.max_mem = max_mem
    return chosen


def to_bytes(text: str, source: Source | None = None) -> bytes:
    """The pattern as RE2 gets it; raises InvalidPattern for a character that is no byte."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise InvalidPattern(
            f"the pattern holds {text[error.start]!r}, which is no single byte",
            source=source,
            hint="a path is bytes: write each byte of the character's UTF-8 form as \\xHH",
        ) from None


def compile_alone(text: str, source: Source | None = None) -> Search:
    """One pattern's search; raises InvalidPattern with RE2's own reason."""
    return _compile(text, source, groups=False).search  # type: ignore[no-any-return]


def compile_groups(text: str, source: Source | None = None) -> Groups:
    """The same, for what its groups take."""
    return _compile(text, source, groups=True).search  # type: ignore[no-any-return]


def group_number(text: str, name: str) -> int:
    """Which group of a pattern has that name, or number; raises ValueError where none has."""
    compiled = _compile(text, None, groups=True)
    number = int(name) if name.isdigit() else compiled.groupindex.get(name.encode("latin-1"), 0)
    if not 0 < number <= compiled.groups:
        raise ValueError(f"the pattern {text!r} has no group {name!r}")
    return number


def _compile(text: str, source: Source | None, *, groups: bool) -> re2._Regexp:
    try:
        return re2.compile(to_bytes(text, source), options(groups=groups))
    except re2.error as error:
        reason = error.args[0] if error.args else "no reason given"
        shown = reason.decode("latin-1") if isinstance(reason, bytes) else str(reason)
        raise InvalidPattern(
            f"RE2 does not take the pattern {text!r}: {shown}",
            source=source,
            hint="RE2 has no look-around and no back-references: github.com/google/re2/wiki/Syntax",
        ) from None
