"""Sets of bytes, as RE2 names them in its patterns."""

from __future__ import annotations

from types import MappingProxyType

ALL = (1 << 256) - 1
"""A set of bytes is the integer with those bits."""


def mask_of(characters: str | bytes) -> int:
    """The set of these bytes."""
    mask = 0
    for byte in characters.encode("latin-1") if isinstance(characters, str) else characters:
        mask |= 1 << byte
    return mask


def span(first: int, last: int) -> int:
    """The set of the bytes from first to last."""
    return (1 << (last + 1)) - (1 << first)


_DIGIT = span(0x30, 0x39)
UPPER, LOWER = span(0x41, 0x5A), span(0x61, 0x7A)
_WORD = _DIGIT | UPPER | LOWER | mask_of("_")
_SPACE = mask_of("\t\n\f\r ")
CLASSES = MappingProxyType(
    {
        "d": _DIGIT,
        "D": ALL & ~_DIGIT,
        "s": _SPACE,
        "S": ALL & ~_SPACE,
        "w": _WORD,
        "W": ALL & ~_WORD,
    }
)
CONTROLS = MappingProxyType({"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11})
NAMED = MappingProxyType(
    {
        "alnum": _DIGIT | UPPER | LOWER,
        "alpha": UPPER | LOWER,
        "ascii": span(0, 0x7F),
        "blank": mask_of("\t "),
        "cntrl": span(0, 0x1F) | mask_of("\x7f"),
        "digit": _DIGIT,
        "graph": span(0x21, 0x7E),
        "lower": LOWER,
        "print": span(0x20, 0x7E),
        "punct": span(0x21, 0x7E) & ~(_DIGIT | UPPER | LOWER),
        "space": span(9, 13) | mask_of(" "),
        "upper": UPPER,
        "word": _WORD,
        "xdigit": _DIGIT | span(0x41, 0x46) | span(0x61, 0x66),
    }
)
