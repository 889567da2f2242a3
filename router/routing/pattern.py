"""The one dialect of path patterns: RE2 over bytes, its text read as Latin-1, searched for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import re2

from router.errors import InvalidPattern, Source

Search = Callable[[bytes], object | None]
"""Truthy where the pattern is found somewhere in the path."""

# RE2's own default; about 2,000 ordinary patterns fit.
SMALLEST_BUDGET: Final = 8 << 20


def options(max_mem: int = SMALLEST_BUDGET) -> re2.Options:
    """RE2's options for paths: a byte is a character, nothing goes to stderr, no groups; memory in bytes."""
    chosen = re2.Options()
    chosen.encoding = re2.Options.Encoding.LATIN1
    chosen.log_errors = False
    chosen.never_capture = True
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
    try:
        return re2.compile(to_bytes(text, source), options()).search  # type: ignore[no-any-return]
    except re2.error as error:
        reason = error.args[0] if error.args else "no reason given"
        shown = reason.decode("latin-1") if isinstance(reason, bytes) else str(reason)
        raise InvalidPattern(
            f"RE2 does not take the pattern {text!r}: {shown}",
            source=source,
            hint="RE2 has no look-around and no back-references: github.com/google/re2/wiki/Syntax",
        ) from None
