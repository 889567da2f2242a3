"""Small faults put into a table, one at a time, to see whether the cases would notice."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from router.request import RequestHead
from router.routing.pattern import Search, compile_alone
from router.routing.query import find_parameter
from router.table import Pattern, Presence, Route

_GROUP = re.compile(r"\(([^()]*\|[^()]*)\)")
_OPTIONAL = re.compile(r"\([^()]*\)\?|(?<=/)\?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """`route` stands in place of the one at `index`, or nothing does."""

    index: int
    what: str
    route: Route | None

    def __str__(self) -> str:
        return f"line {self.index + 1} of the table, {self.what}"


def mutants(routes: Sequence[Route], upstreams: Sequence[str]) -> Iterator[Mutant]:
    """Every fault of one route that a slip of the hand could make."""
    for index, route in enumerate(routes):
        at = f"{route.name} {route.pattern.text}"
        yield Mutant(index=index, what=f"{at}: dropped", route=None)
        for upstream in upstreams:
            if upstream != route.upstream:
                yield Mutant(
                    index=index, what=f"{at}: to {upstream}", route=replace(route, upstream=upstream)
                )
        if route.methods is not None:
            yield Mutant(index=index, what=f"{at}: methods forgotten", route=replace(route, methods=None))
            yield Mutant(
                index=index, what=f"{at}: other method", route=replace(route, methods=frozenset({"COPY"}))
            )
        if route.query:
            yield Mutant(index=index, what=f"{at}: query forgotten", route=replace(route, query=()))
        for text in dict.fromkeys(_patterns(route.pattern.text)):
            pattern = Pattern(text=text, form=route.pattern.form)
            yield Mutant(index=index, what=f"{at}: {text}", route=replace(route, pattern=pattern))


def _patterns(text: str) -> Iterator[str]:
    if text.endswith("$"):
        yield text[:-1]
    for wider, narrow in ((".+", "[^/]+"), (".*", "[^/]*"), (".", "\\.")):
        for found in re.finditer(re.escape(narrow), text):
            yield text[: found.start()] + wider + text[found.end() :]
    for found in _GROUP.finditer(text):
        words = found[1].split("|")
        for word in words:
            rest = "|".join(other for other in words if other != word)
            yield f"{text[: found.start(1)]}{rest}{text[found.end(1) :]}"
    for found in _OPTIONAL.finditer(text):
        if found[0] != "?":
            yield text[: found.start()] + text[found.end() :]
        yield text[: found.end() - 1] + text[found.end() :]


class Answers:
    """Which routes each head matches, so that a mutant costs one pattern and not a whole table."""

    def __init__(self, routes: Sequence[Route], heads: Sequence[RequestHead]) -> None:
        self._heads = heads
        self._matched = [[holds(route, head) for route in routes] for head in heads]
        self._routes = routes

    def first(self, at: int, mutant: Mutant | None = None) -> Route | None:
        """The first route that takes the head at that place; None where none does."""
        for index, matched in enumerate(self._matched[at]):
            if mutant is not None and index == mutant.index:
                if mutant.route is not None and holds(mutant.route, self._heads[at]):
                    return mutant.route
            elif matched:
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
