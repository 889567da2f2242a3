"""Exact answers about patterns: is there a path that these all match and those don't?

Each pattern becomes a deterministic automaton, state by state as it is walked; the search walks
several side by side, shortest paths first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence as SequenceType
from functools import lru_cache

from router.config.bytesets import ALL
from router.config.regex import (
    Begin,
    Bytes,
    Choice,
    End,
    NotRead,
    Repeat,
    Sequence,
    Tree,
    parse,
)
from router.table import PathForm

MOST_STATES = 4000
"""Of one pattern before it is walked: `{1,1000}` is copied that many times."""

_SEGMENT = r"(?:[^/\x00.][^/\x00]*|\.[^/\x00.][^/\x00]*|\.\.[^/\x00]+)"
VALID = {
    PathForm.RAW: r"^/(?:[!-\"$&->@-~]|%(?:0[1-9A-Fa-f]|[1-9A-Fa-f][0-9A-Fa-f]))*$",
    PathForm.NORMALISED: f"^/(?:{_SEGMENT}/)*{_SEGMENT}?$",
}
"""The paths that reach a route at all, as patterns: see `request.RequestHead`."""

_PRETTY: tuple[int, ...] = (*b"xabcdefghijklmnopqrstuvwyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./!:@$",)


class Undecided(Exception):
    """The search would take too long."""


class State:
    """Where an automaton can be: `settled` once nothing undoes the match, `dead` once nothing makes it.

    `restarts` says that the pattern may still begin later in the text.
    """

    __slots__ = ("accepting", "following", "masks", "places", "restarts", "settled")

    def __init__(
        self,
        places: frozenset[int],
        masks: tuple[int, ...],
        *,
        accepting: bool,
        settled: bool,
        restarts: bool,
    ) -> None:
        self.places = places
        self.masks = masks
        self.accepting = accepting
        self.settled = settled
        self.restarts = restarts
        self.following: dict[int, State] = {}

    @property
    def dead(self) -> bool:
        """Whether no further byte leads to a match."""
        return not self.masks and not self.accepting and not self.restarts


class Automaton:
    """One pattern, searched for in a text; raises NotRead for what `regex` does not read."""

    __slots__ = ("_edges", "_final", "_jumps", "_known", "_restarts", "_start", "start")

    def __init__(self, pattern: str) -> None:
        self._edges: list[tuple[int, int] | None] = []
        self._jumps: list[list[tuple[int, type[Begin | End] | None]]] = []
        self._known: dict[tuple[frozenset[int], bool], State] = {}
        self._start = self._place()
        self._final = self._build(parse(pattern), self._start)
        later = frozenset({self._start})
        self._restarts = self._final in self._closure(later, begin=False, end=True) or any(
            self._edges[place] for place in self._closure(later, begin=False, end=False)
        )
        self.start = self._state(frozenset({self._start}), begin=True)

    def after(self, state: State, byte: int) -> State:
        """The state after one more byte."""
        known = state.following.get(byte)
        if known is not None:
            return known
        if state.settled:
            state.following[byte] = state
            return state
        reached = {self._start}
        for place in state.places:
            edge = self._edges[place]
            if edge is not None and edge[0] >> byte & 1:
                reached.add(edge[1])
        following = self._state(frozenset(reached), begin=False)
        state.following[byte] = following
        return following

    def _state(self, reached: frozenset[int], *, begin: bool) -> State:
        known = self._known.get((reached, begin))
        if known is None:
            inside = self._closure(reached, begin=begin, end=False)
            settled = self._final in inside
            accepting = settled or self._final in self._closure(reached, begin=begin, end=True)
            places = frozenset(place for place in inside if self._edges[place] is not None)
            masks = {edge[0] for place in places if (edge := self._edges[place])}
            known = State(places, tuple(masks), accepting=accepting, settled=settled, restarts=self._restarts)
            self._known[reached, begin] = known
        return known

    def _closure(self, reached: frozenset[int], *, begin: bool, end: bool) -> set[int]:
        inside = set(reached)
        waiting = list(reached)
        while waiting:
            for target, asks in self._jumps[waiting.pop()]:
                if (asks is Begin and not begin) or (asks is End and not end) or target in inside:
                    continue
                inside.add(target)
                waiting.append(target)
        return inside

    def _place(self) -> int:
        if len(self._edges) >= MOST_STATES:
            raise NotRead("the pattern is too large")
        self._edges.append(None)
        self._jumps.append([])
        return len(self._edges) - 1

    def _jump(self, start: int, asks: type[Begin | End] | None = None, end: int | None = None) -> int:
        target = self._place() if end is None else end
        self._jumps[start].append((target, asks))
        return target

    def _build(self, tree: Tree, start: int) -> int:
        """Adds the tree behind the place `start` and gives the place where it ends."""
        if isinstance(tree, Bytes):
            inner, end = self._jump(start), self._place()
            self._edges[inner] = (tree.mask, end)
            return end
        if isinstance(tree, Begin | End):
            return self._jump(start, type(tree))
        if isinstance(tree, Sequence):
            for item in tree.items:
                start = self._build(item, start)
            return start
        if isinstance(tree, Choice):
            end = self._place()
            for item in tree.items:
                self._jump(self._build(item, self._jump(start)), end=end)
            return end
        return self._build_repeat(tree, start)

    def _build_repeat(self, tree: Repeat, start: int) -> int:
        for _ in range(tree.least):
            start = self._build(tree.item, start)
        if tree.most is None:
            loop = self._jump(start)
            self._jump(self._build(tree.item, loop), end=loop)
            return self._jump(loop)
        end = self._place()
        for _ in range(tree.most - tree.least):
            self._jump(start, end=end)
            start = self._build(tree.item, start)
        self._jump(start, end=end)
        return end


@lru_cache(maxsize=4096)
def automaton(pattern: str) -> Automaton:
    """The pattern's automaton, made once; raises NotRead."""
    return Automaton(pattern)


def find_path(
    wanted: SequenceType[str], unwanted: SequenceType[str], form: PathForm, *, budget: int = 3000
) -> bytes | None:
    """The shortest path that every wanted pattern matches and no unwanted one, or None if there is none.

    Raises NotRead where a pattern is not read, and Undecided after `budget` combined states.
    """
    every = [automaton(VALID[form]), *map(automaton, wanted)]
    none = [automaton(pattern) for pattern in unwanted]
    first = (tuple(one.start for one in every), tuple((one, one.start) for one in none))
    came_from: dict[object, tuple[object, int]] = {}
    seen: set[object] = {first}
    waiting = deque([first])
    while waiting:
        at = waiting.popleft()
        states, against = at
        if all(state.accepting for state in states) and not any(state.accepting for _, state in against):
            return _walked(at, came_from)
        for byte in _bytes_that_matter(states, tuple(state for _, state in against)):
            reached = tuple(one.after(state, byte) for one, state in zip(every, states, strict=True))
            if any(state.dead for state in reached):
                continue
            still = tuple((one, one.after(state, byte)) for one, state in against)
            if any(state.settled for _, state in still):
                continue
            following = (reached, tuple(pair for pair in still if not pair[1].dead))
            if following not in seen:
                if len(seen) >= budget:
                    raise Undecided
                seen.add(following)
                came_from[following] = (at, byte)
                waiting.append(following)
    return None


def _walked(at: object, came_from: dict[object, tuple[object, int]]) -> bytes:
    path = bytearray()
    while at in came_from:
        at, byte = came_from[at]
        path.append(byte)
    return bytes(reversed(path))


def _bytes_that_matter(states: tuple[State, ...], against: tuple[State, ...]) -> list[int]:
    """One byte of each set that all the states tell apart, the most readable one."""
    possible = ALL
    for state in states:
        if not state.settled and not state.restarts:
            union = 0
            for mask in state.masks:
                union |= mask
            possible &= union
    parts = [possible] if possible else []
    for state in (*states, *against):
        for mask in state.masks:
            parts = [piece for part in parts for piece in (part & mask, part & ~mask) if piece]
    return [readable(part) for part in parts]


@lru_cache(maxsize=4096)
def readable(mask: int) -> int:
    """The byte of a set that is easiest to read in a path."""
    for byte in _PRETTY:
        if mask >> byte & 1:
            return byte
    return (mask & -mask).bit_length() - 1
