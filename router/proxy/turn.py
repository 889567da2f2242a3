"""One request's wait for an endpoint: whether and how long it may wait, and where it goes when that ends."""

from __future__ import annotations

from typing import Protocol

from router.errors import (
    ConnectFailed,
    NoEndpointAvailable,
    ProxyError,
    QueueFull,
    QueueFullForServers,
    QueueTimeout,
    UpstreamError,
)
from router.proxy.context import ProxyContext
from router.request import RequestHead
from router.routing.decision import Forward
from router.routing.limits import is_from_server, queue_limit, queue_size


class TurnOwner(Protocol):
    """Whose turn it is: the exchange."""

    def go_on(self, decision: Forward) -> bool:
        """Tries the decision's candidates; tells whether one of them has room."""

    def fail(self, error: ProxyError) -> None:
        """Ends the exchange."""


class Turn:
    """A request that has waited, or waits now (`waiting`): a `Waiter` of the queue of its upstream.

    It is made when the request first has to wait. Who waits again has no more time than it had at first.
    """

    __slots__ = ("_context", "_decision", "_head", "_owner", "_until", "waiting")

    def __init__(self, owner: TurnOwner, head: RequestHead, decision: Forward, context: ProxyContext) -> None:
        self.waiting = False
        self._owner = owner
        self._head = head
        self._decision = decision
        self._context = context
        self._until = 0.0

    def wait(self, error: UpstreamError | None, *, is_full: bool) -> float:
        """Enters the queue, and tells for how many seconds; ends the exchange, and tells 0, where it may not.

        `error` is that of the last attempt, if there was one; `is_full` tells that an endpoint is up, but
        has no room. What a worker has lost waits for no other, and not again: a request that ends workers
        must not end each that comes back.
        """
        context, upstream = self._context, self._decision.upstream
        lost = not isinstance(error, ConnectFailed | None)
        now = context.clock()
        if self._until:
            limit = 0.0 if lost else self._until - now
        elif is_full:
            limit = queue_limit(upstream, context.settings.timeouts)
        else:
            limit = 0.0 if lost else self._decision.route.wait_for_worker or 0.0
        if limit <= 0:
            self._owner.fail(error or self.out_of_time())
            return 0.0
        if context.queues.length(upstream.name) >= queue_size(upstream, context.settings.limits):
            full = QueueFullForServers if is_from_server(self._head.path) else QueueFull
            self._owner.fail(full(f"too many requests wait for {upstream.name}"))
            return 0.0
        self._until = now + limit
        self.waiting = True
        context.queues.enter(upstream.name, self)
        return limit

    def leave(self) -> None:
        """Waits no more, if it does."""
        if self.waiting:
            self.waiting = False
            self._context.queues.leave(self._decision.upstream.name, self)

    def out_of_time(self) -> UpstreamError:
        """What a request is told that has waited for long enough."""
        states, upstream = self._context.states, self._decision.upstream
        if all(map(states.has_room, filter(states.is_up, upstream.endpoints))):
            return NoEndpointAvailable(f"no endpoint of {upstream.name} came up in time")
        return QueueTimeout(f"no endpoint of {upstream.name} had room in time")

    def prefers(self, endpoint: str) -> bool:
        """Whether that endpoint is the one that a hash chose for the request."""
        decision = self._decision
        return bool(decision.key) and bool(decision.candidates) and decision.candidates[0].name == endpoint

    def on_turn(self, freed: str) -> bool:
        """Goes to an endpoint that has room now, by the policy of its upstream; False where there is none.

        `freed` is the endpoint that has just become free: where it is none of these, nothing has changed.
        The upstream is the present one of that name: its endpoints may have moved while the request waited.
        """
        context, name = self._context, self._decision.upstream.name
        balancer = context.snapshot.balancer(name, self._decision.route)
        if balancer is None:
            self._owner.fail(NoEndpointAvailable(f"{name} is no more"))
            return True
        candidates, key, rotation = balancer.choose(self._head, context.states)
        upstream = context.snapshot.table.upstreams[name]
        self._decision = Forward(self._decision.route, upstream, candidates, key, rotation)
        if freed and all(each.name != freed for each in candidates):
            return False
        if not any(map(context.states.has_room, candidates)):
            return False
        self.leave()
        if rotation is not None:
            context.states.rotate(upstream, rotation)
        return self._owner.go_on(self._decision)
