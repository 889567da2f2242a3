"""Snapshot: one generation of everything that a decision needs besides the request and the endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from router.guard import Guard
from router.routing.balancer import Balancer, balancer_for
from router.routing.matcher import Matcher
from router.settings import Guard as GuardSettings
from router.table import Refusal, Route, RouteTable, Upstream

Target = tuple[Route, Upstream, Balancer] | Refusal
"""Where one route leads, looked up once for all requests."""


class Snapshot:
    """Built whole, never changed, replaced by assigning another; what it remembers are only results.

    `targets` has one entry for each route, in the table's order.
    """

    __slots__ = ("generation", "guard", "matcher", "table", "targets")

    def __init__(self, *, table: RouteTable, guard: Guard, generation: int) -> None:
        self.table = table
        self.guard = guard
        self.generation = generation
        self.matcher = Matcher(table.routes)
        balancers: Mapping[str, Balancer] = MappingProxyType(
            {name: balancer_for(upstream) for name, upstream in table.upstreams.items()}
        )
        self.targets = tuple(_target(route, table, balancers) for route in table.routes)

    @classmethod
    def build(cls, table: RouteTable, guard: GuardSettings | None = None, *, generation: int = 0) -> Snapshot:
        """From values alone; raises InvalidPattern, or ConfigError for patterns that don't fit."""
        return cls(table=table, guard=Guard(guard or GuardSettings()), generation=generation)


def _target(route: Route, table: RouteTable, balancers: Mapping[str, Balancer]) -> Target:
    if route.upstream is not None:
        return route, table.upstreams[route.upstream], balancers[route.upstream]
    return route.refusal or Refusal()
