"""What all client connections of one process share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from router.http1.reader import RequestReader
from router.proxy.capacity import Capacity
from router.proxy.deadlines import Deadlines, Ticks
from router.proxy.departures import Departures
from router.proxy.headers import forwarded_fields
from router.proxy.queue import Queues
from router.proxy.record import ExchangeRecord
from router.proxy.trust import Trust
from router.routing.snapshot import Snapshot
from router.settings import Settings
from router.upstream.pool import Pool
from router.upstream.state import EndpointStates


class Observer(Protocol):
    """Who is told of every exchange: metrics and the access log."""

    def begin(self, exchange: ExchangeRecord, /) -> None:
        """Its route is decided; it is in flight now."""

    def finish(self, exchange: ExchangeRecord, /) -> None:
        """It has ended, and its record will not change any more."""


class ProxyContext:
    """The process's snapshot, endpoints, connections, queues, paused clients, deadlines and observer.

    `snapshot` is assigned anew by a reload; an exchange reads it once.
    """

    __slots__ = (
        "capacity",
        "clock",
        "deadlines",
        "departures",
        "draining",
        "observer",
        "pool",
        "queues",
        "reader",
        "settings",
        "snapshot",
        "states",
        "ticks",
        "trust",
    )

    def __init__(
        self,
        *,
        snapshot: Snapshot,
        settings: Settings,
        states: EndpointStates,
        pool: Pool,
        deadlines: Deadlines,
        capacity: Capacity,
        observer: Observer,
        clock: Callable[[], float],
    ) -> None:
        self.snapshot = snapshot
        self.settings = settings
        self.trust = Trust(settings.trusted_proxies)
        self.reader = RequestReader(settings.limits, forwarded_fields)
        self.states = states
        self.pool = pool
        self.deadlines = deadlines
        self.ticks = Ticks(settings.timeouts)
        self.capacity = capacity
        self.observer = observer
        self.clock = clock
        self.departures = Departures()
        self.queues = Queues(clock)
        self.draining = False

    def serving(self, snapshot: Snapshot, observer: Observer | None = None) -> ProxyContext:
        """The same, for a listener that serves another table, and perhaps tells somebody else of it."""
        context = ProxyContext(
            snapshot=snapshot,
            settings=self.settings,
            states=self.states,
            pool=self.pool,
            deadlines=self.deadlines,
            capacity=self.capacity,
            observer=observer or self.observer,
            clock=self.clock,
        )
        context.departures = self.departures
        context.queues = self.queues
        context.draining = self.draining
        return context
