"""decide(): one pure function of (snapshot, request head, endpoint view), the same for every caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from router.request import RequestHead
from router.routing.snapshot import Snapshot
from router.routing.view import EndpointView
from router.table import UNMATCHED, Endpoint, Refusal, Route, Upstream


class Forward(NamedTuple):
    """Send the request to the first of `candidates` that takes it.

    `candidates` are endpoints that are up, in order of preference; it may be empty.
    `key` is what was hashed, empty where nothing was. `rotation` is what round robin's current
    weights become once the first candidate is used, None where the choice did not rotate.

    A named tuple and not a frozen dataclass: one is made for every request, in a third of the time.
    """

    route: Route
    upstream: Upstream
    candidates: tuple[Endpoint, ...]
    key: bytes = b""
    rotation: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Answer the request here. `reason` is the word for metrics and logs: guard, unmatched or route."""

    route: Route | None
    refusal: Refusal
    reason: str


Decision = Forward | Refuse


def decide(snapshot: Snapshot, head: RequestHead, view: EndpointView) -> Decision:
    """Guard, then the first route that takes the request, then the order of its upstream's endpoints.

    Raises ProxyError (500) where RE2 gives no answer for the table's patterns.
    """
    closed = snapshot.guard.refuses(head)
    if closed is not None:
        return Refuse(route=None, refusal=closed, reason="guard")
    index = snapshot.matcher.first(head)
    target = snapshot.targets[index]
    if isinstance(target, Refusal):
        route = snapshot.table.routes[index]
        return Refuse(route=route, refusal=target, reason="unmatched" if route is UNMATCHED else "route")
    route, upstream, balancer = target
    candidates, key, rotation = balancer.choose(head, view)
    return Forward(route, upstream, candidates, key, rotation)
