"""How long the worst path that a client can send holds up the matcher."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from router.config.automaton import readable
from router.config.regex import Bytes, Choice, NotRead, Repeat, Tree, parse
from router.config.regex import Sequence as Series
from router.errors import ProxyError
from router.request import RequestHead
from router.routing.matcher import Matcher
from router.table import Route

Clock = Callable[[], float]

SLOW = 0.002
"""Seconds: what one path may cost (an ordinary one costs a microsecond)."""

MOST_GROUPS = 8
ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """The slowest path that was tried, and the first route whose pattern it was made from."""

    route: Route
    path: bytes
    seconds: float


@dataclass(slots=True)
class _Group:
    """Patterns that read the same up to their first endless repetition, and what they look for behind it."""

    route: Route
    start: bytes
    bait: list[bytes]


def slowest(routes: Sequence[Route], matcher: Matcher, *, length: int, clock: Clock) -> Hostile | None:
    """Tries paths of `length` bytes that keep as many repetitions as possible guessing where they end.

    What the patterns of a group look for is strewn over the path: RE2 then needs a state for each
    combination that it may have seen, and falls back to a slower way once there are too many. Each
    path is timed on variants of itself, so that nothing is answered from what RE2 remembers, and the
    quickest of them counts, so that a busy machine is not taken for a slow table.
    """
    worst: Hostile | None = None
    for group in sorted(_groups(routes), key=lambda each: -len(each.bait))[:MOST_GROUPS]:
        times = []
        for turn in range(ROUNDS):
            path = _strewn(group, length, turn)
            taken = _timed(matcher, path, clock)
            if taken is not None:
                times.append((taken, path))
        if times and (worst is None or min(times)[0] > worst.seconds):
            seconds, path = min(times)
            worst = Hostile(route=group.route, path=path, seconds=seconds)
    return worst


def _timed(matcher: Matcher, path: bytes, clock: Clock) -> float | None:
    try:
        head = RequestHead(method="GET", target=path)
    except ProxyError:
        return None
    begin = clock()
    matcher.first(head)
    return clock() - begin


def _groups(routes: Sequence[Route]) -> list[_Group]:
    found: dict[bytes, _Group] = {}
    for route in routes:
        try:
            pieces = list(_pieces(parse(route.pattern.text)))
        except NotRead:
            continue
        if b"" not in pieces:
            continue
        first = pieces.index(b"")
        start = b"".join(pieces[:first])
        group = found.setdefault(start, _Group(route, start if start.startswith(b"/") else b"/" + start, []))
        group.bait += _words(pieces[first:])
    return list(found.values())


def _words(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """What stands between two endless repetitions, in one piece each."""
    word = b""
    for piece in pieces:
        if not piece and word:
            yield word
            word = b""
        word += piece
    yield word or b"x"


def _strewn(group: _Group, length: int, turn: int) -> bytes:
    bait = [*group.bait, b"x" * (turn + 1)]
    shuffled = random.Random(turn)  # noqa: S311 - the same path each time, so that findings stay
    path = bytearray(group.start)
    while len(path) < length:
        path += shuffled.choice(bait)
    return bytes(path[:length])


def _pieces(tree: Tree) -> Iterator[bytes]:
    """The pattern's text, a readable byte for each set, with an empty piece for an endless repetition."""
    if isinstance(tree, Bytes):
        yield bytes([readable(tree.mask)])
    elif isinstance(tree, Series):
        for item in tree.items:
            yield from _pieces(item)
    elif isinstance(tree, Choice):
        yield from _pieces(tree.items[0])
    elif isinstance(tree, Repeat):
        if tree.most is None:
            yield b""
        else:
            for _ in range(max(tree.least, 1)):
                yield from _pieces(tree.item)
