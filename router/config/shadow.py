"""Which routes can never win, since earlier ones take every request that they match.

First some readable paths are tried; where none wins, the automata are asked, and they know. What
cannot be read or would take too long is at most a suspicion.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import compress, product
from urllib.parse import quote_from_bytes

from router.config.automaton import Undecided, find_path
from router.config.regex import NotRead, parse
from router.config.samples import sample_paths
from router.errors import ProxyError
from router.request import METHODS, RequestHead
from router.routing.matcher import Matcher
from router.table import UNMATCHED, PathForm, Presence, Route

MOST_PARAMETERS = 4
"""Query parameters that may be combined: twice as many questions for each."""

_USUAL = ("GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS")


class Fate(Enum):
    """What becomes of a route."""

    LIVE = "wins some request"
    SHADOWED = "wins none"
    SUSPECTED = "wins none of those tried"
    UNKNOWN = "nothing could be tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """All requests with one method and the same answer to every query predicate."""

    method: str
    present: frozenset[str]

    def asked_by(self, route: Route) -> bool:
        """Whether the route takes such requests, its pattern aside."""
        return route.takes_method(self.method) and all(
            (each.name in self.present) == (each.presence is Presence.PRESENT) for each in route.query
        )

    def request(self, path: bytes, form: PathForm) -> RequestHead | None:
        """Such a request for a path in that form; None for a path that no client can send."""
        target = path if form is PathForm.RAW else quote_from_bytes(path, safe="/:@!$&'()*+,;=~").encode()
        if self.present:
            names = sorted(self.present)
            target += b"?" + b"&".join(quote_from_bytes(name.encode()).encode() + b"=x" for name in names)
        try:
            return RequestHead(method=self.method, target=target)
        except ProxyError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The fate of one route, with a request that it matches and the routes that take such in its place.

    The first of the `winners` takes that `request`; if `alone` it takes everything that the route matches.
    """

    fate: Fate
    request: RequestHead | None = None
    winners: tuple[Route, ...] = ()
    alone: bool = False


class Shadows:
    """Asks about the routes of one table."""

    __slots__ = ("_matcher", "_routes")

    def __init__(self, routes: Sequence[Route], matcher: Matcher) -> None:
        self._routes = (*routes, UNMATCHED)
        self._matcher = matcher

    def verdict(self, index: int) -> Verdict:
        """The fate of the route at that place."""
        route = self._routes[index]
        kinds, complete = _kinds(route, self._routes[:index])
        lost: dict[int, RequestHead] = {}
        for head in _tried(route, kinds):
            won = self._matcher.first(head)
            if won == index:
                return Verdict(fate=Fate.LIVE)
            if won < index:
                lost.setdefault(won, head)
        fate = self._searched(index, kinds)
        if fate is Fate.SHADOWED and not complete:
            fate = Fate.SUSPECTED
        if not lost or fate in (Fate.LIVE, Fate.UNKNOWN):
            return Verdict(fate=fate)
        winners = tuple(self._routes[won] for won in lost)
        alone = fate is Fate.SHADOWED and _covers(winners[0], route, kinds)
        return Verdict(
            fate=fate,
            request=next(iter(lost.values())),
            winners=winners[:1] if alone else winners,
            alone=alone,
        )

    def _searched(self, index: int, kinds: Sequence[Kind]) -> Fate:
        """What the automata know, for every kind of request that the route takes."""
        route = self._routes[index]
        form = route.pattern.form
        fate = Fate.SHADOWED
        for kind in kinds:
            earlier = [
                each.pattern.text
                for each in self._routes[:index]
                if each.pattern.form is form and kind.asked_by(each) and _is_read(each.pattern.text)
                if not each.conditions
            ]
            try:
                path = find_path([route.pattern.text], earlier, form)
            except (NotRead, Undecided):
                fate = Fate.SUSPECTED
                continue
            if path is None:
                continue
            head = kind.request(path, form)
            won = index if head is None else self._matcher.first(head)
            # What a condition asks for is not in these requests: with it, another route may win.
            if (won == index and head is not None) or route.conditions or self._routes[won].conditions:
                return Fate.LIVE
            fate = Fate.SUSPECTED
        if fate is Fate.SUSPECTED and not _is_read(route.pattern.text):
            return Fate.UNKNOWN
        return fate


def takes_everything(route: Route) -> bool:
    """Whether no request gets past the route."""
    if route.methods is not None or route.query or route.conditions:
        return False
    try:
        return find_path([], [route.pattern.text], route.pattern.form) is None
    except (NotRead, Undecided):
        return False


def _covers(earlier: Route, route: Route, kinds: Sequence[Kind]) -> bool:
    """Whether one route by itself takes everything that another matches."""
    form = route.pattern.form
    if (
        earlier.conditions
        or earlier.pattern.form is not form
        or not all(kind.asked_by(earlier) for kind in kinds)
    ):
        return False
    try:
        return find_path([route.pattern.text], [earlier.pattern.text], form) is None
    except (NotRead, Undecided):
        return False


@lru_cache(maxsize=4096)
def _is_read(text: str) -> bool:
    try:
        parse(text)
    except NotRead:
        return False
    return True


def _tried(route: Route, kinds: Sequence[Kind]) -> Iterator[RequestHead]:
    try:
        tree = parse(route.pattern.text)
    except NotRead:
        return
    for path in sample_paths(tree):
        for kind in kinds:
            head = kind.request(path, route.pattern.form)
            if head is not None:
                yield head


def _kinds(route: Route, earlier: Sequence[Route]) -> tuple[list[Kind], bool]:
    """Every kind of request that the route takes and that some earlier route tells from another kind.

    HEAD and OPTIONS go wherever another method of the same path goes. The second value says whether
    these are all.
    """
    named = {method for each in earlier for method in each.methods or ()}
    methods = set(route.methods or named | {min(METHODS - named, key=_usual_first)})
    fixed = {each.name for each in route.query if each.presence is Presence.PRESENT}
    decided = {each.name for each in route.query}
    free = sorted({each.name for one in earlier for each in one.query} - decided)
    asked = free[:MOST_PARAMETERS]
    kinds = [
        Kind(method=method, present=frozenset(fixed.union(compress(asked, chosen))))
        for method in sorted(methods, key=_usual_first)
        for chosen in product((False, True), repeat=len(asked))
    ]
    return kinds, asked == free


def _usual_first(method: str) -> tuple[int, str]:
    return (_USUAL.index(method) if method in _USUAL else len(_USUAL), method)
