"""One serving process: starts the listeners, ticks, answers signals, drains.

SIGTERM, SIGINT   stop listening, end with the next answers, at most `drain_timeout`, exit 0
the same again    end at once
SIGUSR1           reopen the access log
SIGHUP            read again what can be read again; whoever means "reload" does not mean "end"
"""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
import socket
from collections.abc import Callable, Iterable

from aiohttp import web

from router.proxy.deadlines import TICK
from router.server import backlog
from router.server.listener import ProxyRunner, ProxyServer
from router.server.sockets import BACKLOG

Task = Callable[[], object]
"""Something short to be called again and again from the process's one timer."""

ADMIN_SHUTDOWN = 1.0
"""Seconds that answers of the admin listener have to end in."""


def raise_descriptor_limit() -> None:
    """Takes all descriptors that the hard limit allows: each request under way needs two."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def descriptor_limit() -> int:
    """How many descriptors this process may have."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class Ticker:
    """The process's one timer: `every_tick` each `TICK`, `every_second` once a second."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, every_tick: Iterable[Task], every_second: Iterable[Task]
    ) -> None:
        self._loop = loop
        self._every_tick = tuple(every_tick)
        self._every_second = tuple(every_second)
        self._ticks = 0
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begins to tick."""
        self._handle = self._loop.call_later(TICK, self._tick)

    def _tick(self) -> None:
        self._handle = self._loop.call_later(TICK, self._tick)
        self._ticks += 1
        for task in self._every_tick:
            task()
        if self._ticks % round(1 / TICK) == 0:
            for task in self._every_second:
                task()

    def stop(self) -> None:
        """Ticks no more."""
        if self._handle is not None:
            self._handle.cancel()


class Process:
    """Serves on sockets that are bound already, until a signal ends it."""

    def __init__(
        self,
        *,
        servers: Iterable[tuple[ProxyServer, Iterable[socket.socket]]],
        admin: web.Application,
        admin_sockets: Iterable[socket.socket],
        drain_timeout: float,
        reopen_log: Task,
        reload: Task,
        unlink: Task,
        unlink_admin: Task,
    ) -> None:
        """`unlink` and `unlink_admin` remove the files of unix sockets that are no longer listened on."""
        self._admin_sockets = tuple(admin_sockets)
        self._listening = tuple(
            (server, ProxyRunner(server, drain_timeout=drain_timeout), tuple(sockets))
            for server, sockets in servers
        )
        self._admin_runner = web.AppRunner(admin, access_log=None, shutdown_timeout=ADMIN_SHUTDOWN)
        self._reopen_log = reopen_log
        self._reload = reload
        self._unlink = unlink
        self._unlink_admin = unlink_admin
        self._stopping = asyncio.Event()
        self._drained: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listens: the admin side first, so that whoever waits for `/ready` is answered."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop)
        loop.add_signal_handler(signal.SIGINT, self._stop)
        loop.add_signal_handler(signal.SIGUSR1, self._reopen_log)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        await _listen(self._admin_runner, self._admin_sockets)
        for _, runner, sockets in self._listening:
            await _listen(runner, sockets)
        # A request leaves no cycles: a full collection would walk what the process began with, some 50,000
        # objects, and find nothing.
        gc.collect()
        gc.freeze()

    def _stop(self) -> None:
        if self._drained is not None:
            self._drained.cancel()
        self._stopping.set()

    async def serve(self) -> None:
        """Serves until a signal, then drains.

        The files of unix sockets go first: while this process drains, they may be another's already. Who is
        connected by then is served, whether this process has seen the connection or only the kernel has.
        """
        await self._stopping.wait()
        self._unlink()
        self._drained = asyncio.create_task(self._drain())
        await asyncio.wait([self._drained])
        for server, _, _ in self._listening:
            server.cut()
        self._unlink_admin()
        await self._admin_runner.cleanup()

    async def _drain(self) -> None:
        for server, _, _ in self._listening:
            server.pre_shutdown()
        await backlog.empty([sock for _, _, sockets in self._listening for sock in sockets])
        await asyncio.gather(*(runner.cleanup() for _, runner, _ in self._listening))


async def _listen(runner: web.BaseRunner, sockets: Iterable[socket.socket]) -> None:
    await runner.setup()
    for sock in sockets:
        await web.SockSite(runner, sock, backlog=BACKLOG).start()
