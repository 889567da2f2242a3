"""The shape of a path: what may be shown of it to whoever looks after the router, and nothing of its user."""

from __future__ import annotations

import re
from collections.abc import Iterable

from router.synapse.catalogue import CataloguedEndpoint

CUT = "*"
"""Stands for a segment that is no word of a pattern: an id, a name, a token, or something new."""

MAX_SEGMENTS = 12
"""Synapse's longest path has ten; what comes after is `MORE`."""

MORE = "…"

_NOT_LITERAL = re.compile(r"\(\?P<[^>]*>|\[[^\]]*\]|\\[a-zA-Z]|\{[0-9,]*\}")
"""In a pattern: names of groups, classes, and repetitions, which hold letters that no path has to have."""

_WORD = re.compile(r"[A-Za-z0-9_.-]{2,64}")

_ALWAYS = re.compile(r"v[0-9]{1,2}|r0|org\.matrix\.(?:simplified_)?msc[0-9]{1,5}(?:\.v[0-9]{1,2})?")
"""Versions and unstable prefixes, also those that no pattern has yet."""


class Shapes:
    """Knows the literal words of some patterns, as Synapse's servlets or a table have them."""

    __slots__ = ("_words",)

    def __init__(self, patterns: Iterable[str]) -> None:
        self._words = frozenset(word for pattern in patterns for word in words_of(pattern))

    def of(self, path: bytes) -> str:
        """As `/_matrix/client/v3/rooms/*/receipt/*/*`; at most `MAX_SEGMENTS` segments, all words."""
        segments = path.decode("latin-1").split("/", MAX_SEGMENTS + 1)[1:]
        kept = [each if not each or self._is_word(each) else CUT for each in segments[:MAX_SEGMENTS]]
        return "/" + "/".join(kept + [MORE] * (len(segments) > MAX_SEGMENTS))

    def _is_word(self, segment: str) -> bool:
        return segment in self._words or _ALWAYS.fullmatch(segment) is not None


def words_of(pattern: str) -> set[str]:
    """The words that stand literally in a pattern, of two characters or more."""
    return set(_WORD.findall(_NOT_LITERAL.sub("/", pattern).replace("\\", "")))


def served_by(endpoints: Iterable[CataloguedEndpoint], method: str, shape: str) -> frozenset[str]:
    """Which kinds of process serve requests of that shape by default; empty where none does."""
    fitting = (
        each
        for each in endpoints
        if each.method == method and not each.only_with and re.match(each.pattern, shape)
    )
    return frozenset().union(*(each.served_by for each in fitting))
