"""Small faults put into a table, one at a time, to see whether the cases would notice."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, product

from router.config.automaton import find_path
from router.request import METHODS, RequestHead
from router.routing.pattern import Search, compile_alone
from router.routing.query import find_parameter
from router.table import PathForm, Pattern, Presence, Route

_GROUP = re.compile(r"\(([^()]*\|[^()]*)\)")
_OPTIONAL = re.compile(r"\([^()]*\)\?|(?<=/)\?")
_COUNTED = re.compile(r"(?<=\{0,)[0-9]")
_OPPOSITE = {Presence.PRESENT: Presence.ABSENT, Presence.ABSENT: Presence.PRESENT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A table with a fault: some lines `changed` (None: dropped), or another `order` of them."""

    what: str
    changed: Mapping[int, Route | None] = field(default_factory=dict)
    order: tuple[int, ...] = ()

    def __str__(self) -> str:
        return self.what


def mutants(routes: Sequence[Route], upstreams: Sequence[str]) -> Iterator[Mutant]:
    """Every fault of one line that a slip of the hand could make."""
    for index, route in enumerate(routes):
        for what, changed in _changes(route, upstreams):
            name = f"line {index + 1}, {route.name} {route.pattern.text}: {what}"
            yield Mutant(what=name, changed={index: changed})


def _changes(route: Route, upstreams: Sequence[str]) -> Iterator[tuple[str, Route | None]]:
    yield "dropped", None
    for upstream in upstreams:
        if upstream != route.upstream:
            yield f"to {upstream}", replace(route, upstream=upstream)
    yield from _methods(route)
    for predicate in route.query:
        others = tuple(each for each in route.query if each is not predicate)
        opposite = replace(predicate, presence=_OPPOSITE[predicate.presence])
        yield f"{predicate.name} forgotten", replace(route, query=others)
        yield f"{predicate.name} turned round", replace(route, query=(*others, opposite))
    for text in dict.fromkeys(_patterns(route.pattern.text)):
        yield text, replace(route, pattern=Pattern(text=text, form=route.pattern.form))


def _methods(route: Route) -> Iterator[tuple[str, Route]]:
    if route.methods is None:
        return
    yield "methods forgotten", replace(route, methods=None)
    yield "other method", replace(route, methods=frozenset({"COPY"}))
    for method in ("DELETE", "POST", "PUT"):
        if method not in route.methods:
            yield f"{method} added", replace(route, methods=route.methods | {method})
    if len(route.methods) > 1:
        for method in sorted(route.methods):
            yield f"{method} forgotten", replace(route, methods=route.methods - {method})


def _patterns(text: str) -> Iterator[str]:
    if text.startswith("^"):
        yield text[1:]
    if text.endswith("$"):
        yield text[:-1]
    for there, instead in (
        ("[^/]+", ".+"),
        ("[^/]*", ".*"),
        ("[^/]*", "[^/]+"),
        ("[^/]+", "[^/]*"),
        ("\\.", "."),
    ):
        for found in re.finditer(re.escape(there), text):
            yield text[: found.start()] + instead + text[found.end() :]
    for found in _GROUP.finditer(text):
        words = found[1].split("|")
        for word in words:
            rest = "|".join(other for other in words if other != word)
            yield f"{text[: found.start(1)]}{rest}{text[found.end(1) :]}"
    for found in _OPTIONAL.finditer(text):
        if found[0] != "?":
            yield text[: found.start()] + text[found.end() :]
        yield text[: found.end() - 1] + text[found.end() :]
    for found in _COUNTED.finditer(text):
        for most in (int(found[0]) - 1, int(found[0]) + 1):
            yield f"{text[: found.start()]}{most}{text[found.end() :]}"


def swapped(routes: Sequence[Route]) -> Iterator[Mutant]:
    """Two routes have changed places, for each two of the file that could take the same request."""
    groups = [list(lines) for _, lines in groupby(range(len(routes)), key=lambda index: routes[index].name)]
    for at, earlier in enumerate(groups):
        for later in range(at + 1, len(groups)):
            if not any(overlap(routes[one], routes[other]) for one, other in product(earlier, groups[later])):
                continue
            order = list(groups)
            order[at], order[later] = order[later], order[at]
            names = f"{routes[earlier[0]].name} and {routes[groups[later][0]].name}"
            yield Mutant(what=f"{names} swapped", order=tuple(index for group in order for index in group))


def overlap(one: Route, other: Route) -> bool:
    """Whether there is a request that both would take; raises Undecided or NotRead if nobody knows."""
    methods = any(one.takes_method(method) and other.takes_method(method) for method in METHODS)
    asked = {predicate.name: predicate.presence for predicate in one.query}
    query = all(asked.get(each.name, each.presence) is each.presence for each in other.query)
    return (
        methods and query and find_path((one.pattern.text, other.pattern.text), (), PathForm.RAW) is not None
    )


class Answers:
    """Which routes each head matches, so that a mutant costs one pattern and not a whole table."""

    def __init__(self, routes: Sequence[Route], heads: Sequence[RequestHead]) -> None:
        self._heads = heads
        self._matched = [[holds(route, head) for route in routes] for head in heads]
        self._routes = routes
        self._order = tuple(range(len(routes)))

    def first(self, at: int, mutant: Mutant | None = None) -> Route | None:
        """The first route that takes the head at that place; None where none does."""
        matched, changed = self._matched[at], mutant.changed if mutant else {}
        for index in (mutant and mutant.order) or self._order:
            if index in changed:
                instead = changed[index]
                if instead is not None and holds(instead, self._heads[at]):
                    return instead
            elif matched[index]:
                return self._routes[index]
        return None


_compiled: dict[str, Search] = {}


def holds(route: Route, head: RequestHead) -> bool:
    """Whether the route, taken alone, would take the head. Its pattern must be for the raw path."""
    text = route.pattern.text
    search = _compiled.get(text) or _compiled.setdefault(text, compile_alone(text))
    if search(head.path) is None or not route.takes_method(head.method):
        return False
    return all(
        (find_parameter(head.query, predicate.name.encode()) is not None)
        is (predicate.presence is Presence.PRESENT)
        for predicate in route.query
    )
