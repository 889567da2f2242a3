"""Wiring: from one Config to a serving process."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version

import uvloop
from aiohttp import web

from router.admin.application import admin_application
from router.admin.state import AdminState
from router.errors import RouterError
from router.guard import Guard
from router.observe.accesslog import AccessLog
from router.observe.metrics import Metrics
from router.observe.misroutes import Misroutes
from router.proxy.context import ProxyContext
from router.proxy.deadlines import Deadlines
from router.proxy.record import ExchangeRecord
from router.routing.snapshot import Snapshot
from router.server.listener import ProxyServer
from router.server.process import Process, Ticker, raise_descriptor_limit
from router.server.sockets import bind, unlink
from router.settings import Config
from router.synapse.catalogue import shipped
from router.synapse.shapes import Shapes
from router.table import Endpoint, RouteTable
from router.upstream.health import HealthChecker
from router.upstream.pool import Pool
from router.upstream.state import EndpointState, EndpointStates


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


class Application:
    """Everything that one process serves with, made from one Config; nothing listens yet."""

    def __init__(self, config: Config, *, loop: asyncio.AbstractEventLoop) -> None:
        settings = config.settings
        self.config = config
        self.started = time.time()
        self.guard = Guard(settings.guard)
        self.states = EndpointStates(time.time, say_change)
        self.metrics = Metrics()
        shapes = Shapes(shipped().endpoints, (route.pattern.text for route in config.table.routes))
        self.misroutes = Misroutes(
            table=lambda: self.context.snapshot.table,
            stream_of=shipped().stream_of,
            shape_of=shapes.of,
            served_by=shapes.served_by,
        )
        self.access_log = AccessLog(settings.access_log)
        self.deadlines = Deadlines()
        self.pool = Pool(
            loop=loop,
            judge=self.guard.judge_sockaddr,
            clock=time.monotonic,
            idle_limit=settings.timeouts.upstream_idle,
        )
        self.context = ProxyContext(
            snapshot=Snapshot.build(config.table, settings.guard, generation=1),
            settings=settings,
            states=self.states,
            pool=self.pool,
            deadlines=self.deadlines,
            observer=Observers(self.metrics, self.misroutes, self.access_log, time.time),
            clock=time.monotonic,
        )
        self.server = ProxyServer(self.context)
        self.health = HealthChecker(
            endpoints=endpoints_of(config.table),
            settings=settings.health,
            states=self.states,
            pool=self.pool,
        )
        self.ticker = Ticker(
            loop,
            every_tick=[self.deadlines.tick],
            every_second=[self.pool.expire, lambda: self.access_log.tick(time.monotonic())],
        )

    async def run(self) -> None:
        """Listens, says so in one line, serves until a signal, drains."""
        settings = self.config.settings
        sockets = [sock for address in settings.listen for sock in bind(address)]
        admin_sockets = [sock for address in settings.admin for sock in bind(address)]
        process = Process(
            server=self.server,
            sockets=sockets,
            admin=self.make_admin(),
            admin_sockets=admin_sockets,
            drain_timeout=settings.drain_timeout,
            reopen_log=self.access_log.reopen,
            unlink=lambda: unlink(settings.listen),
            unlink_admin=lambda: unlink(settings.admin),
        )
        try:
            await self.health.check_all()
            self.ticker.start()
            self.health.start()
            await process.start()
            print(self.ready_line(), file=sys.stderr, flush=True)  # noqa: T201 - the one start-up line
            await process.serve()
        finally:
            await self.health.stop()
            self.ticker.stop()
            self.pool.close()
            self.access_log.close()

    def make_admin(self) -> web.Application:
        """The admin listener's application, with functions that tell the process's present state."""
        return admin_application(
            AdminState(
                version=version("synapse-router"),
                started=self.started,
                config=lambda: self.config,
                snapshot=lambda: self.context.snapshot,
                states=self.states,
                metrics=self.metrics,
                misroutes=self.misroutes,
                open_connections=lambda: len(self.server.connections),
                log_dropped=lambda: self.access_log.dropped,
                draining=lambda: self.context.draining,
                wall_clock=time.time,
            )
        )

    def ready_line(self) -> str:
        """What serves with what: listeners, table, endpoints up, version."""
        config, table = self.config, self.config.table
        endpoints = {endpoint.name: endpoint for endpoint in endpoints_of(table)}
        down = [name for name, endpoint in endpoints.items() if not self.states.is_up(endpoint)]
        words = [
            "ready",
            "listen=" + ",".join(map(str, config.settings.listen)),
            "admin=" + ",".join(map(str, config.settings.admin)),
            f"config={config.file}@{config.digest}",
            f"routes={len({route.name for route in table.routes})}",
            f"patterns={len(table.routes)}",
            f"upstreams={len(table.upstreams)}",
            f"endpoints={len(endpoints) - len(down)}/{len(endpoints)}",
            *([f"down={','.join(down)}"] if down else []),
            f"version={version('synapse-router')}",
            f"took={time.time() - self.started:.2f}s",
        ]
        return " ".join(words)


def endpoints_of(table: RouteTable) -> Iterable[Endpoint]:
    """Every endpoint of every upstream; one may stand in several."""
    return [endpoint for upstream in table.upstreams.values() for endpoint in upstream.endpoints]


def say_change(state: EndpointState) -> None:
    """One line for an endpoint that went up or down."""
    now = "up" if state.up else f"down: {state.reason}"
    print(f"endpoint {state.name} is {now}", file=sys.stderr, flush=True)  # noqa: T201 - a line of the log


def serve(config: Config) -> int:
    """Serves until a signal; returns the exit status, 1 where it cannot listen or write its log."""
    raise_descriptor_limit()

    async def main() -> None:
        await Application(config, loop=asyncio.get_running_loop()).run()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())
    except (RouterError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the last word
        return 1
    return 0
