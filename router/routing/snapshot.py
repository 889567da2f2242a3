"""Snapshot: one generation of everything that a decision needs besides the request and the endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from router.answers import Redirect, Response
from router.guard import Guard
from router.memory import remember
from router.request import RequestHead
from router.routing.balancer import Balancer
from router.routing.matcher import Found, Matcher
from router.routing.policy import balancer_for
from router.settings import Guard as GuardSettings
from router.table import Refusal, Route, RouteTable, Upstream

Target = tuple[Route, Upstream, Balancer] | Refusal | Response | Redirect
"""Where one route leads, looked up once for all requests."""

MOST_SEEN: Final = 8192
"""Paths that are remembered; a full memory is emptied, since what comes again is quickly found again."""

LONGEST_SEEN: Final = 256
"""Bytes of a path that is."""


class Snapshot:
    """Built whole, never changed, replaced by assigning another; what it remembers are only results.

    `targets` has one entry for each route, in the table's order. `seen` holds paths that the guard lets pass,
    and what the matcher found for them: it judges the path alone, and most paths come again.
    """

    __slots__ = ("balancers", "generation", "guard", "matcher", "seen", "table", "targets")

    def __init__(
        self, *, table: RouteTable, guard: Guard, generation: int, before: Snapshot | None = None
    ) -> None:
        """`before` is a snapshot of the same routes and guard, whose parts are used again where they fit."""
        self.table = table
        self.guard = guard
        self.generation = generation
        self.matcher: Matcher = before.matcher if before is not None else Matcher(table.routes)
        self.seen: dict[bytes, Found] = before.seen if before is not None else {}
        kept = before.balancers if before is not None else {}
        old = before.table.upstreams if before is not None else {}
        self.balancers: Mapping[str, Balancer] = MappingProxyType(
            {
                name: kept[name] if name in kept and upstream is old[name] else balancer_for(upstream)
                for name, upstream in table.upstreams.items()
                if not any(key.kind == "capture" for key in upstream.policy.keys)
            }
        )
        self.targets = tuple(_target(route, table, self.balancers) for route in table.routes)

    @classmethod
    def build(cls, table: RouteTable, guard: GuardSettings | None = None, *, generation: int = 0) -> Snapshot:
        """From values alone; raises InvalidPattern, or ConfigError for patterns that don't fit."""
        return cls(table=table, guard=Guard(guard or GuardSettings()), generation=generation)

    def with_upstreams(self, upstreams: Mapping[str, Upstream]) -> Snapshot:
        """The next generation: the same routes to other endpoints, without compiling a pattern again."""
        table = RouteTable(routes=self.table.routes, upstreams=upstreams)
        return Snapshot(table=table, guard=self.guard, generation=self.generation + 1, before=self)

    def balancer(self, upstream: str, route: Route) -> Balancer | None:
        """That of an upstream, for requests of a route; None where the upstream is no more."""
        known = self.balancers.get(upstream)
        if known is None and upstream in self.table.upstreams:
            return balancer_for(self.table.upstreams[upstream], route.pattern)
        return known

    def find(self, head: RequestHead) -> Found:
        """What the matcher finds for a head that the guard lets pass, which is remembered."""
        found = self.matcher.find(head)
        if len(head.path) <= LONGEST_SEEN:
            remember(self.seen, head.path, found, MOST_SEEN)
        return found


def _target(route: Route, table: RouteTable, balancers: Mapping[str, Balancer]) -> Target:
    if route.upstream is not None:
        upstream = table.upstreams[route.upstream]
        if any(key.kind == "capture" for key in upstream.policy.keys):
            return route, upstream, balancer_for(upstream, route.pattern)
        return route, upstream, balancers[route.upstream]
    return route.answer or Refusal()
