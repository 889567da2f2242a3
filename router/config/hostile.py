"""How long the worst path that a client can send holds up the matcher."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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

MOST_PATTERNS = 16
ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """The slowest path that was tried, and the route whose pattern it was made from."""

    route: Route
    path: bytes
    seconds: float


def slowest(routes: Sequence[Route], matcher: Matcher, *, length: int, clock: Clock) -> Hostile | None:
    """Tries paths of `length` bytes made from the patterns with the most repetitions.

    Each is timed on variants of itself, so that nothing is answered from what RE2 remembers, and the
    quickest of them counts, so that a busy machine is not taken for a slow table.
    """
    rated = []
    for route in routes:
        try:
            tree = parse(route.pattern.text)
        except NotRead:
            continue
        loops = _loops(tree)
        if loops:
            rated.append((loops, route, tree))
    rated.sort(key=lambda each: -each[0])
    worst: Hostile | None = None
    for _, route, tree in rated[:MOST_PATTERNS]:
        times = []
        for turn in range(ROUNDS):
            path = _filled(tree, length, turn)
            taken = _timed(matcher, path, clock)
            if taken is not None:
                times.append((taken, path))
        if times and (worst is None or min(times)[0] > worst.seconds):
            seconds, path = min(times)
            worst = Hostile(route=route, path=path, seconds=seconds)
    return worst


def _timed(matcher: Matcher, path: bytes, clock: Clock) -> float | None:
    try:
        head = RequestHead(method="GET", target=path)
    except ProxyError:
        return None
    begin = clock()
    matcher.first(head)
    return clock() - begin


def _filled(tree: Tree, length: int, turn: int) -> bytes:
    """A path that keeps every repetition of the pattern guessing where it ends."""
    pieces = list(_pieces(tree))
    fixed = b"".join(piece for piece in pieces if piece) or b"/"
    bait = b"".join(piece for piece in pieces[pieces.index(b"") :] if piece) or b"/x"
    bait += _tail(turn)
    start = fixed if fixed.startswith(b"/") else b"/" + fixed
    return (start + bait * (length // len(bait) + 1))[:length]


def _tail(turn: int) -> bytes:
    """A few bytes that differ from turn to turn."""
    return b"xyz"[turn % 3 : turn % 3 + 1] * (turn + 1)


def _pieces(tree: Tree) -> Iterator[bytes]:
    """What stands between the endless repetitions, which are empty pieces."""
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


def _loops(tree: Tree) -> int:
    """How many endless repetitions the pattern has."""
    if isinstance(tree, Repeat):
        return (tree.most is None) + _loops(tree.item)
    if isinstance(tree, Series | Choice):
        return sum(map(_loops, tree.items))
    return 0
