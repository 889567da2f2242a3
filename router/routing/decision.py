"""decide(): one pure function of (snapshot, request head, endpoint view), the same for every caller."""

from __future__ import annotations

from dataclasses import dataclass

from router.answers import PREFLIGHT, Redirect, Response
from router.request import RequestHead
from router.routing.facts import host as host_of
from router.routing.snapshot import Snapshot
from router.routing.view import EndpointView
from router.table import UNMATCHED, Endpoint, Refusal, Route, Upstream


class Forward:
    """Send the request to the first of `candidates` that takes it.

    `candidates` are endpoints that are up, in order of preference; it may be empty.
    `key` is what was hashed, empty where nothing was. `rotation` is what round robin's current
    weights become once the first candidate is used, None where the choice did not rotate.

    A plain slotted class and not a frozen dataclass: one is made for every request, in a third of the time.
    """

    __slots__ = ("candidates", "key", "rotation", "route", "upstream")

    def __init__(
        self,
        route: Route,
        upstream: Upstream,
        candidates: tuple[Endpoint, ...],
        key: bytes = b"",
        rotation: tuple[int, ...] | None = None,
    ) -> None:
        self.route = route
        self.upstream = upstream
        self.candidates = candidates
        self.key = key
        self.rotation = rotation


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Answer the request here. `reason` is the word for metrics and logs: guard, unmatched or route."""

    route: Route | None
    refusal: Refusal
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Respond:
    """Answer the request here, as its route says; a redirect stands in it with the place it leads to."""

    route: Route
    response: Response

    @property
    def reason(self) -> str:
        """The word for metrics and logs: that of a refusal where it is one, else none."""
        return "route" if self.response.status >= 400 else ""


Decision = Forward | Refuse | Respond

NO_HOST = Refusal(status=400, errcode="M_UNKNOWN", error="this answer needs a Host field")
"""To HTTP/1.0 without one, where a redirect leads to the request's own host."""


def decide(snapshot: Snapshot, head: RequestHead, view: EndpointView) -> Decision:
    """Guard, then the first route that takes the request, then the order of its upstream's endpoints.

    Raises ProxyError (500) where RE2 gives no answer for the table's patterns.
    """
    found = snapshot.seen.get(head.path)
    if found is None:
        closed = snapshot.guard.refuses(head)
        if closed is not None:
            return Refuse(route=None, refusal=closed, reason="guard")
        found = snapshot.find(head)
    index = snapshot.matcher.first_of(found, head)
    target = snapshot.targets[index]
    if not isinstance(target, tuple):
        return _answer(snapshot.table.routes[index], target, head)
    route, upstream, balancer = target
    candidates, key, rotation = balancer.choose(head, view)
    return Forward(route, upstream, candidates, key, rotation)


def _answer(route: Route, answer: Refusal | Response | Redirect, head: RequestHead) -> Refuse | Respond:
    if isinstance(answer, Refusal):
        return Refuse(route=route, refusal=answer, reason="unmatched" if route is UNMATCHED else "route")
    if head.method == "OPTIONS":
        return Respond(route=route, response=PREFLIGHT)
    if isinstance(answer, Response):
        return Respond(route=route, response=answer)
    host = host_of(head).decode("latin-1") if answer.needs_host else ""
    if answer.needs_host and not host:
        return Refuse(route=route, refusal=NO_HOST, reason="route")
    return Respond(route=route, response=answer.response(host=host, target=head.target))
