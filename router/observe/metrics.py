"""Counters and histograms of one process: plain integers on the hot path, Prometheus families at a scrape."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from router.errors import ClientGone, DownstreamError, ShuttingDown
from router.proxy.record import ExchangeRecord

NONE: Final = "none"
"""The label of what is not there.

No route: the head was refused before one was looked for, or the guard closed the path. No upstream or
endpoint: the router answered by itself. No status: nothing was sent.
"""

# fmt: off
BUCKETS: Final[tuple[float, ...]] = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
)
# fmt: on
"""Upper bounds in seconds; 30 and above are long polls."""

_BEYOND: Final = len(BUCKETS)
"""The index of what is above all of them."""

METHODS: Final = {m: m for m in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")}
OTHER: Final = "other"
"""The label of every other method, so that a client cannot make series."""

STATUS_CLASSES: Final[tuple[str, ...]] = (NONE, "1xx", "2xx", "3xx", "4xx", "5xx", *[OTHER] * 4)
"""The label by a status's first digit."""

FAILURES = 20
"""How many of the last failures are kept for the status page."""


def _reasons(error: type[DownstreamError]) -> set[str]:
    return {error.reason}.union(*map(_reasons, error.__subclasses__()))


NOT_A_FAILURE = frozenset({"guard", "unmatched", "route", ShuttingDown.reason, *_reasons(DownstreamError)})
"""Reasons that are a client's doing, or what the table or a signal asks for: counted, nothing to repair."""


class Failure(NamedTuple):
    """A request that ended badly through a worker's fault or ours; `time` in wall-clock seconds.

    `reason` is empty where the worker itself answered with that status.
    """

    time: float
    route: str
    upstream: str
    endpoint: str
    reason: str
    status: int


class Histogram:
    """How many observations fell in each of `BUCKETS` or beyond the last, and their sum."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (_BEYOND + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Counts one observation."""
        index = 0
        while index < _BEYOND and seconds > BUCKETS[index]:
            index += 1
        self.counts[index] += 1
        self.total += seconds

    def cumulative(self) -> Iterator[tuple[str, int]]:
        """Upper bound as text and how many observations are not above it, `+Inf` last."""
        seen = 0
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), self.counts, strict=True):
            seen += count
            yield bound, seen


Labels = tuple[str, str, str, str, str]
"""Route, upstream, endpoint, method and status."""


class Count:
    """How many requests have ended with the same labels; a number alone would be stored anew for each."""

    __slots__ = ("requests",)

    def __init__(self) -> None:
        self.requests = 0


class RouteCounters:
    """What is counted for one route, by name: lines of one group count together."""

    __slots__ = (
        "bytes_in",
        "bytes_out",
        "client_aborts",
        "duration",
        "errors",
        "in_flight",
        "response",
        "retries",
    )

    def __init__(self) -> None:
        self.in_flight = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.client_aborts = 0
        self.retries = 0
        self.errors: dict[str, int] = {}
        self.duration = Histogram()
        self.response = Histogram()


class Metrics:
    """Counts every exchange: `begin` once it is decided or its head refused, `finish` once it has ended.

    `gone` has the requests of endpoints that are no more, by (route, status). `failures` holds the last
    ones, oldest first.
    """

    __slots__ = ("_counts", "_wall_clock", "failures", "gone", "routes")

    def __init__(self, wall_clock: Callable[[], float] = time.time) -> None:
        self._wall_clock = wall_clock
        self._counts: dict[Labels, Count] = {}
        self.gone: dict[tuple[str, str], int] = {}
        self.routes: dict[str, RouteCounters] = {}
        self.failures: deque[Failure] = deque(maxlen=FAILURES)

    @property
    def requests(self) -> dict[Labels, int]:
        """How many have ended, by their labels; those of endpoints that are no more are in `gone`."""
        return {labels: count.requests for labels, count in self._counts.items()}

    def begin(self, exchange: ExchangeRecord) -> None:
        """The exchange is in flight."""
        decision = exchange.decision
        route = decision.route if decision is not None else None
        name = route.name if route is not None else NONE
        (self.routes.get(name) or self._new_route(name)).in_flight += 1

    def finish(self, exchange: ExchangeRecord) -> None:
        """The exchange has ended; its decision is the one that `begin` saw."""
        decision = exchange.decision
        route = decision.route if decision is not None else None
        if route is None:
            name = upstream = NONE
        else:
            name = route.name
            upstream = route.upstream or NONE
        head, endpoint, status = exchange.head, exchange.endpoint, exchange.status
        key = (
            name,
            upstream,
            endpoint.name if endpoint is not None else NONE,
            METHODS.get(head.method, OTHER) if head is not None else OTHER,
            STATUS_CLASSES[status // 100],
        )
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = Count()
        count.requests += 1
        counters = self.routes.get(name) or self._new_route(name)
        counters.in_flight -= 1
        counters.bytes_in += exchange.bytes_in
        counters.bytes_out += exchange.bytes_out
        started = exchange.started
        counters.duration.observe(exchange.ended - started)
        if exchange.first_byte:
            counters.response.observe(exchange.first_byte - started)
        if exchange.attempts > 1:
            counters.retries += exchange.attempts - 1
        if exchange.reason or status >= 500:
            self._note_trouble(exchange, counters, key)

    def keep(self, endpoints: AbstractSet[str]) -> None:
        """Ends the series of all other endpoints: a name may stand for ever new ones."""
        for labels in [each for each in self._counts if each[2] not in endpoints and each[2] != NONE]:
            route, _, _, _, status = labels
            ended = self._counts.pop(labels).requests
            self.gone[route, status] = self.gone.get((route, status), 0) + ended

    def _note_trouble(self, exchange: ExchangeRecord, counters: RouteCounters, key: Labels) -> None:
        reason = exchange.reason
        if reason == ClientGone.reason:
            counters.client_aborts += 1
        elif reason:
            counters.errors[reason] = counters.errors.get(reason, 0) + 1
        if reason not in NOT_A_FAILURE:
            route, upstream, endpoint, _, _ = key
            self.failures.append(
                Failure(self._wall_clock(), route, upstream, endpoint, reason, exchange.status)
            )

    def _new_route(self, name: str) -> RouteCounters:
        counters = self.routes[name] = RouteCounters()
        return counters
