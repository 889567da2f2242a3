"""The fast way to the first route that takes a request: all patterns at once, in one or two RE2 sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import re2

from router.errors import ConfigError, ProxyError
from router.request import RequestHead
from router.routing.condition import Holds, condition_of
from router.routing.pattern import SMALLEST_BUDGET, compile_alone, options, to_bytes
from router.routing.query import find_parameter
from router.table import PathForm, Presence, Route

# RE2 takes about 4 KiB for an ordinary pattern; the rest is room for the states of its automaton.
BYTES_PER_PATTERN = 16 << 10
LARGEST_BUDGET = 1 << 30

Found = tuple[int, ...]
"""Routes whose pattern is found in a path, by their indexes, up to the first that asks for nothing else."""


class Asked:
    """What a route asks besides its pattern: methods, query parameters there or not, and conditions."""

    __slots__ = ("_conditions", "_methods", "_query")

    def __init__(
        self,
        methods: frozenset[str] | None,
        query: Sequence[tuple[bytes, bool]],
        conditions: Sequence[Holds],
    ) -> None:
        self._methods = methods
        self._query = query
        self._conditions = conditions

    def holds(self, head: RequestHead) -> bool:
        """Whether the request is such a one."""
        if self._methods is not None and head.method not in self._methods:
            return False
        query = head.query
        for name, present in self._query:
            if (find_parameter(query, name) is not None) is not present:
                return False
        return all(holds(head) for holds in self._conditions)


class Matcher:
    """Finds the index of the first route whose pattern, methods and query predicates all hold.

    The last route has to take every request, as `RouteTable` sees to. Raises InvalidPattern for what
    RE2 does not take, and ConfigError for more patterns than fit into `LARGEST_BUDGET` bytes.
    """

    __slots__ = ("_asked", "_last", "_normalised", "_raw")

    def __init__(self, routes: Sequence[Route]) -> None:
        self._last = len(routes) - 1
        self._asked = tuple(_asked(route) for route in routes)
        # Each set ends with the last route, so that a set which finds nothing is known to be broken.
        self._raw = _PatternSet(routes, PathForm.RAW)
        normalised = _PatternSet(routes, PathForm.NORMALISED)
        self._normalised = normalised if len(normalised.indexes) > 1 else None

    def first(self, head: RequestHead) -> int:
        """The route's index in the table; raises ProxyError (500) where RE2 gives no answer."""
        return self.first_of(self.find(head), head)

    def find(self, head: RequestHead) -> Found:
        """What only the path decides; raises ProxyError (500) where RE2 gives no answer."""
        found = self._raw.find(head.path)
        if self._normalised is not None:
            found = [*found, *self._normalised.find(head.normalised)]
        found.sort()
        for place, index in enumerate(found):
            if self._asked[index] is None:
                return tuple(found[: place + 1])
        return tuple(found)

    def first_of(self, found: Found, head: RequestHead) -> int:
        """The first of them that takes the request, as its method and its query are."""
        for index in found:
            asked = self._asked[index]
            if asked is None or asked.holds(head):
                return index
        return self._last


class _PatternSet:
    """The patterns of one form of the path, with their routes' indexes."""

    __slots__ = ("_match", "_renumber", "indexes")

    def __init__(self, routes: Sequence[Route], form: PathForm) -> None:
        self.indexes = [index for index, route in enumerate(routes[:-1]) if route.pattern.form is form]
        self.indexes.append(len(routes) - 1)
        self._renumber = self.indexes != list(range(len(routes)))
        patterns = _compile([routes[index] for index in self.indexes])
        # The Python around it is a third of the whole time and does nothing for bytes.
        self._match: Callable[[bytes], list[int]] = patterns._set.Match  # noqa: SLF001 -- see above

    def find(self, path: bytes) -> list[int]:
        """The indexes of the routes whose pattern is found, in no order."""
        found = self._match(path)
        if not found:
            # RE2 says the same for "nothing", which cannot be here, and for "out of memory".
            raise ProxyError("the route table gave no answer: RE2 ran out of memory for its patterns")
        if self._renumber:
            indexes = self.indexes
            return [indexes[position] for position in found]
        return found


def _compile(routes: Sequence[Route]) -> re2.Set:
    for route in routes:
        compile_alone(route.pattern.text, route.source)  # a set does not tell what is wrong with a pattern
    budget = max(SMALLEST_BUDGET, BYTES_PER_PATTERN * len(routes))
    while budget <= LARGEST_BUDGET:
        patterns = re2.Set.SearchSet(options(budget))
        try:
            for route in routes:
                patterns.Add(to_bytes(route.pattern.text))
            patterns.Compile()
        except re2.error:
            budget *= 2
        else:
            return patterns
    raise ConfigError(
        f"the {len(routes)} patterns need more than {LARGEST_BUDGET >> 20} MiB",
        source=routes[0].source,
        hint="counted repetitions such as `{1,1000}` are copied that many times; write `*` or `+`",
    )


def _asked(route: Route) -> Asked | None:
    """What the route asks besides its pattern, or None."""
    methods = route.methods
    if methods is not None:
        methods |= {"OPTIONS", "HEAD"} if "GET" in methods else {"OPTIONS"}
    query = [(each.name.encode(), each.presence is Presence.PRESENT) for each in route.query]
    if methods is None and not query and not route.conditions:
        return None
    return Asked(methods, query, [condition_of(each) for each in route.conditions])
