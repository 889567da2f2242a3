"""Tells metrics and the access log of every exchange: the one place that hears of each end."""

from __future__ import annotations

import time
from collections.abc import Callable

from router.observe.accesslog import AccessLog
from router.observe.metrics import Metrics
from router.observe.record import Record


class ExchangeObserver:
    """The `proxy.context.Observer` of a process."""

    __slots__ = ("_log", "_metrics", "_wall_clock")

    def __init__(self, metrics: Metrics, log: AccessLog, wall_clock: Callable[[], float] = time.time) -> None:
        self._metrics = metrics
        self._log = log
        self._wall_clock = wall_clock

    def begin(self, exchange: Record) -> None:
        """Its route is decided; it is in flight now."""
        self._metrics.begin(exchange)

    def finish(self, exchange: Record) -> None:
        """It has ended."""
        self._metrics.finish(exchange)
        self._log.record(exchange, self._wall_clock())
