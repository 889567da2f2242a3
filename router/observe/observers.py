"""Who is told of every exchange of a process: metrics, the access log and, of a suspect answer, misroutes."""

from __future__ import annotations

from collections.abc import Callable

from router.observe.accesslog import AccessLog
from router.observe.metrics import Metrics
from router.observe.misroutes import Misroutes
from router.proxy.record import ExchangeRecord


class Observers:
    """Tells metrics and the access log of every exchange, and of a suspect answer also `misroutes`."""

    __slots__ = ("_log", "_metrics", "_misroutes", "_wall_clock")

    def __init__(
        self,
        metrics: Metrics,
        misroutes: Misroutes,
        access_log: AccessLog,
        wall_clock: Callable[[], float],
    ) -> None:
        self._metrics = metrics
        self._misroutes = misroutes
        self._log = access_log
        self._wall_clock = wall_clock

    def begin(self, exchange: ExchangeRecord) -> None:
        """It is in flight."""
        self._metrics.begin(exchange)

    def finish(self, exchange: ExchangeRecord) -> None:
        """It has ended."""
        self._metrics.finish(exchange)
        self._log.record(exchange, self._wall_clock())
        if exchange.opening is not None:
            self._misroutes.finish(exchange)
