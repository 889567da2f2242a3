"""Request targets for a pattern of Synapse's: one for every alternative that it has."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

_parser: Any = getattr(re, "_parser")  # noqa: B009 -- untyped, and nothing public reads a pattern

Fill = Callable[[str], str]
"""What stands in a target for the group of that name."""


def targets(pattern: str, fill: Fill) -> tuple[str, ...]:
    """Every path that is made of the pattern by taking each alternative and each option once.

    A named group is filled, unless it lists its alternatives; raises ValueError for what no pattern
    of Synapse's has had so far: nothing is asked then, rather than something else.
    """
    parsed = _parser.parse(pattern)
    names = {number: name for name, number in parsed.state.groupdict.items()}
    return tuple(dict.fromkeys(_written(parsed, names, fill)))


def foremost(found: Iterable[str]) -> str:
    """The one to show: of the newest stable version, with every option."""
    return max(found, key=lambda target: ("/v3/" in target, "/v1/" in target, len(target)))


def _written(items: Iterable[tuple[Any, Any]], names: dict[int, str], fill: Fill) -> list[str]:
    pieces = [_piece(str(operation), value, names, fill) for operation, value in items]
    return ["".join(choice) for choice in product(*pieces)]


def _piece(operation: str, value: Any, names: dict[int, str], fill: Fill) -> list[str]:  # noqa: ANN401
    match operation:
        case "AT":
            return [""]
        case "LITERAL":
            return [chr(value)]
        case "ANY":  # an unescaped dot
            return ["."]
        case "SUBPATTERN":
            number, _, _, inner = value
            listed = _written(inner, names, fill)
            filled = number in names and not _lists(inner)
            return _kept(listed, fill(names[number])) if filled else listed
        case "BRANCH":
            return [text for branch in value[1] for text in _written(branch, names, fill)]
        case "MAX_REPEAT":
            least, most, inner = value
            once = _written(inner, names, fill)
            return ["", *once] if least == 0 and most == 1 else once[:1]
        case "IN" | "NOT_LITERAL":
            return ["x"]
    raise ValueError(f"{operation} in a pattern of Synapse's: no path can be written for it yet")


def _lists(items: Iterable[tuple[Any, Any]]) -> bool:
    """Whether a group says itself what it may be: words, and no set of characters."""
    return all(str(operation) in {"LITERAL", "BRANCH"} for operation, _ in items)


def _kept(written: list[str], filling: str) -> list[str]:
    """The filling, after what the group begins with itself: `(?P<path>pushrules/.*)`."""
    own = written[0].rstrip("x.") if "/" in written[0] else ""
    return [own + filling]
