"""Wiring: from one Config to a serving process."""

from __future__ import annotations

import asyncio
import sys
import time
from importlib.metadata import version

import uvloop
from aiohttp import web

from router.admin.application import admin_application
from router.admin.state import AdminState
from router.errors import RouterError
from router.guard import Guard
from router.modules import running
from router.observe.accesslog import AccessLog
from router.observe.metrics import Metrics
from router.observe.misroutes import Misroutes
from router.observe.observers import Observers
from router.proxy.capacity import Capacity
from router.proxy.context import ProxyContext
from router.proxy.deadlines import Deadlines
from router.routing.snapshot import Snapshot
from router.server.allocator import keep_freed_memory
from router.server.listener import ProxyServer
from router.server.process import Process, Ticker, descriptor_limit, raise_descriptor_limit
from router.server.renewal import Renewal
from router.server.sockets import bind, is_listened_on, name_of, unlink
from router.settings import Config, Listener, ListenerRole
from router.shadow.compare import Comparison
from router.shadow.handler import Mirrored, mirror_table
from router.synapse.catalogue import shipped
from router.synapse.shapes import Shapes
from router.table import Pattern, Route, RouteTable, TcpAddress
from router.tls.certificates import CertificateStore, ClientStore
from router.tls.names import say_nothing_of_bad_names
from router.upstream.check import Checks
from router.upstream.discovery import Discovery
from router.upstream.health import HealthChecker
from router.upstream.names import Names
from router.upstream.pool import Pool, SocketAddress
from router.upstream.resolver import DnsResolver
from router.upstream.state import EndpointState, EndpointStates


class Application:
    """Everything that one process serves with, made from one Config; nothing listens yet."""

    def __init__(self, config: Config, *, loop: asyncio.AbstractEventLoop) -> None:
        settings = config.settings
        self.config = config
        self.started = time.time()
        self.names = Names(DnsResolver(settings.resolver), settings.resolver, clock=time.monotonic, say=say)
        # While it serves, a listed name is what it was at the last answer: nothing here may wait for DNS.
        self.guard = Guard(settings.guard, self.names.resolve)
        self.listeners: frozenset[SocketAddress] = frozenset()
        self.states = EndpointStates(time.time, self._note_change, clock=time.monotonic)
        self.metrics = Metrics()
        shapes = Shapes(shipped().endpoints, (route.pattern.text for route in config.table.routes))
        self.misroutes = Misroutes(
            table=lambda: self.context.snapshot.table,
            stream_of=shipped().stream_of,
            shape_of=shapes.of,
            served_by=shapes.served_by,
        )
        self.comparison = Comparison(shapes.of, time.time)
        self.access_log = AccessLog(settings.access_log)
        self.deadlines = Deadlines()
        self.capacity = Capacity(settings.limits, descriptors=descriptor_limit(), clock=time.monotonic)
        self.clients = ClientStore()
        self.pool = Pool(
            loop=loop,
            judge=self._judge,
            book=self.names,
            clock=time.monotonic,
            idle_limit=settings.timeouts.upstream_idle,
            clients=self.clients,
        )
        self.context = ProxyContext(
            snapshot=Snapshot.build(config.table, settings.guard, generation=1),
            settings=settings,
            states=self.states,
            pool=self.pool,
            deadlines=self.deadlines,
            capacity=self.capacity,
            observer=Observers(self.metrics, self.misroutes, self.access_log, time.time),
            clock=time.monotonic,
        )
        self.servers = tuple(
            ProxyServer(
                self._context_of(listener),
                listener,
                CertificateStore(listener.tls.certificates) if listener.tls is not None else None,
            )
            for listener in settings.listen
        )
        self.renewal = Renewal(self.servers, self.clients, clock=time.time, say=say)
        self.discovery = Discovery(
            config.table.upstreams,
            self.names,
            judge=self._judge,
            say=say,
            listed=[address.host for address in settings.guard.listed if isinstance(address, TcpAddress)],
        )
        self.health = HealthChecker(
            endpoints=self.discovery.endpoints(),
            settings=settings.health,
            states=self.states,
            pool=self.pool,
            checks=Checks(pool=self.pool, judge=self._judge, book=self.names),
        )
        self.ticker = Ticker(
            loop,
            every_tick=[self.deadlines.tick, self.context.departures.tick],
            every_second=[
                self.context.queues.serve,
                self.pool.expire,
                self.names.tick,
                self._forget_gone,
                self.renewal.tick,
                lambda: self.access_log.tick(time.monotonic()),
            ],
        )

    def _context_of(self, listener: Listener) -> ProxyContext:
        """The table's, but for a listener that redirects what the guard lets through, or that mirrors."""
        if listener.role is ListenerRole.SHADOW:
            mirrored = Mirrored(self.comparison, lambda: self.context.snapshot)
            return self.context.serving(mirror_table(), mirrored)
        if listener.redirect is None:
            return self.context
        route = Route(name="redirect", pattern=Pattern(text="^/"), redirect=listener.redirect)
        return self.context.serving(
            Snapshot.build(RouteTable(routes=(route,), upstreams={}), self.config.settings.guard)
        )

    async def resolve_names(self) -> None:
        """Asks for every name for the first time, and from then on serves what they stand for."""
        await self.names.resolve_all()
        self.discovery.tell(self._take_over)
        self._take_over()

    def _judge(self, address: SocketAddress) -> str | None:
        """Why nothing may be sent there: the guard's reason, or that it would come back here."""
        reason = self.guard.judge_sockaddr(address)
        if reason is None and is_listened_on(self.listeners, address):
            return "is where the router itself listens"
        return reason

    def _take_over(self) -> None:
        """Names stand for something else: serves what they stand for now, and lets go of what they did."""
        context, discovery = self.context, self.discovery
        before = context.snapshot.table.upstreams
        changed = [name for name, upstream in discovery.upstreams.items() if upstream != before[name]]
        if changed:
            kept = {
                name: upstream if name in changed else before[name]
                for name, upstream in discovery.upstreams.items()
            }
            context.snapshot = context.snapshot.with_upstreams(kept)
            for name in changed:
                self.states.begin_anew(name)
        for endpoint, reason in discovery.unresolved():
            self.states.mark_down(endpoint, reason)
        self.pool.drop_outdated(discovery.leads_to())
        self.health.watch(discovery.endpoints())

    def _note_change(self, state: EndpointState) -> None:
        say_change(state)
        if state.up:
            self.context.queues.serve()
        else:
            self.pool.drop_idle(state.name)
            self.discovery.endpoint_failed(state.name)

    def _forget_gone(self) -> None:
        names = {endpoint.name for endpoint in self.discovery.endpoints()}
        self.states.keep(names)
        self.metrics.keep(names)
        self.misroutes.keep(names)

    async def run(self) -> None:
        """Listens, says so in one line, serves until a signal, drains."""
        settings = self.config.settings
        bound = [(server, bind(server.listener.address, server.listener.access)) for server in self.servers]
        sockets = [sock for _, each in bound for sock in each]
        admin_sockets = [sock for address in settings.admin for sock in bind(address, settings.admin_access)]
        process = Process(
            servers=bound,
            admin=self.make_admin(),
            admin_sockets=admin_sockets,
            drain_timeout=settings.drain_timeout,
            reopen_log=self.access_log.reopen,
            reload=self.reload,
            unlink=lambda: unlink(listener.address for listener in settings.listen),
            unlink_admin=lambda: unlink(settings.admin),
        )
        self.listeners = frozenset(map(name_of, (*sockets, *admin_sockets)))
        try:
            await self.resolve_names()
            await self.health.check_all()
            self.ticker.start()
            self.health.start()
            await process.start()
            print(self.ready_line(), file=sys.stderr, flush=True)  # noqa: T201 - the one start-up line
            await process.serve()
        finally:
            self.ticker.stop()
            await self.names.close()
            await self.health.stop()
            self.pool.close()
            self.access_log.close()

    def reload(self) -> None:
        """Reads again what can be read again while it serves: the certificates."""
        self.renewal.read_all()
        say("SIGHUP: the table is not read again yet; restart to serve a changed file")

    def make_admin(self) -> web.Application:
        """The admin listener's application, with functions that tell the process's present state."""
        return admin_application(
            AdminState(
                version=version("synapse-router"),
                modules=running().modules,
                started=self.started,
                config=lambda: self.config,
                snapshot=lambda: self.context.snapshot,
                names=lambda: self.discovery.names,
                states=self.states,
                metrics=self.metrics,
                misroutes=self.misroutes,
                comparison=self.comparison,
                listeners=lambda: tuple(server.state for server in self.servers),
                waiting=self.context.queues.length,
                closed_connections=lambda: self.capacity.closed,
                log_dropped=lambda: self.access_log.dropped,
                draining=lambda: self.context.draining,
                wall_clock=time.time,
            )
        )

    def ready_line(self) -> str:
        """What serves with what: listeners, table, endpoints up, version."""
        config, table = self.config, self.context.snapshot.table
        endpoints = {endpoint.name: endpoint for endpoint in self.discovery.endpoints()}
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
            f"modules={running().modules}",
            f"took={time.time() - self.started:.2f}s",
        ]
        return " ".join(words)


def say_change(state: EndpointState) -> None:
    """One line for an endpoint that went up or down."""
    by = f", says a {state.brought_back}" if state.brought_back else ""
    say(f"endpoint {state.name} is {f'up{by}' if state.up else f'{state.word}: {state.reason}'}")


def say(line: str) -> None:
    """One line of the log."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - the log


def serve(config: Config) -> int:
    """Serves until a signal; returns the exit status, 1 where it cannot listen or write its log."""
    raise_descriptor_limit()
    keep_freed_memory()
    say_nothing_of_bad_names()

    async def main() -> None:
        await Application(config, loop=asyncio.get_running_loop()).run()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())
    except (RouterError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the last word
        return 1
    return 0
