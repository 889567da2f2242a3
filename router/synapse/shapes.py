"""The shape of a path, which may be shown to whoever looks after the router, and who serves it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from router.synapse.catalogue import CataloguedEndpoint

CUT = "*"
"""Stands for a segment that is no word of a pattern: an id, a name, a token, or something new."""

MAX_SEGMENTS = 12
"""Synapse's longest path has ten; what comes after is `MORE`."""

MORE = "…"

REMEMBERED = 256
"""Shapes whose servers are remembered."""

_NOT_LITERAL = re.compile(r"\(\?P<[^>]*>|\[[^\]]*\]|\\[a-zA-Z]|\{[0-9,]*\}")
"""In a pattern: names of groups, classes, and repetitions, which hold letters that no path has to have."""

_WORD = re.compile(r"[A-Za-z0-9_.-]{2,64}")

_ALWAYS = re.compile(r"v[0-9]{1,2}|r0|org\.matrix\.(?:simplified_)?msc[0-9]{1,5}(?:\.v[0-9]{1,2})?")
"""Versions and unstable prefixes, also those that no pattern has yet."""


class Shapes:
    """Knows the literal words of Synapse's patterns and of a table's, and who serves what by default."""

    __slots__ = ("_patterns", "_words", "served_by")

    served_by: Callable[[str, str], frozenset[str]]
    """Which kinds of process serve a method and a shape by default; empty where none does."""

    def __init__(self, endpoints: Iterable[CataloguedEndpoint], patterns: Iterable[str] = ()) -> None:
        catalogued = tuple(endpoints)
        every = (*(endpoint.pattern for endpoint in catalogued), *patterns)
        self._words = frozenset(word for pattern in every for word in words_of(pattern))
        self._patterns: dict[str, list[tuple[re.Pattern[str], frozenset[str]]]] = {}
        for endpoint in catalogued:
            if not endpoint.only_with:
                compiled = re.compile(endpoint.pattern)
                self._patterns.setdefault(endpoint.method, []).append((compiled, endpoint.served_by))
        # Asked for each misroute: a flood of them has few shapes.
        self.served_by = lru_cache(maxsize=REMEMBERED)(self._look_up)

    def of(self, path: bytes) -> str:
        """As `/_matrix/client/v3/rooms/*/receipt/*/*`; at most `MAX_SEGMENTS` segments, all words."""
        segments = path.decode("latin-1").split("/", MAX_SEGMENTS + 1)[1:]
        kept = [each if not each or self._is_word(each) else CUT for each in segments[:MAX_SEGMENTS]]
        return "/" + "/".join(kept + [MORE] * (len(segments) > MAX_SEGMENTS))

    def _is_word(self, segment: str) -> bool:
        return segment in self._words or _ALWAYS.fullmatch(segment) is not None

    def _look_up(self, method: str, shape: str) -> frozenset[str]:
        patterns = self._patterns.get(method, ())
        path = shape.replace(CUT, "x")  # some of Synapse's ids are letters and digits only
        return frozenset().union(*(kinds for pattern, kinds in patterns if pattern.match(path)))


def words_of(pattern: str) -> set[str]:
    """The words that stand literally in a pattern, of two characters or more."""
    return set(_WORD.findall(_NOT_LITERAL.sub("/", pattern).replace("\\", "")))
