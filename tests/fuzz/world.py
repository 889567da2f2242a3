"""One router between clients and workers in memory, for the targets of whole connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, Self

from router.routing.snapshot import Snapshot
from router.settings import Settings, Timeouts
from tests.fuzz.memory import Far, MemoryLoop, MemoryTransport
from tests.wire import Proxy, all_to, tcp

TABLES = (all_to(tcp(8101)), all_to(tcp(8101), tcp(8102)))
"""A request that one worker has lost may go to the other, where there is one."""

SETTINGS = Settings(timeouts=Timeouts(**dict.fromkeys(Timeouts.__slots__, 1.0)))
SNAPSHOTS = tuple(Snapshot.build(table, SETTINGS.guard) for table in TABLES)
LONGEST = 90
"""Seconds after which every deadline has passed, those of a lingering client too."""


class Worker(Far, Protocol):
    """One connection to a worker."""

    transport: MemoryTransport


class World:
    """One router with one or two workers; `hire` makes the other end of each connection that it opens."""

    def __init__(self, hire: Callable[[], Worker], *, workers: int) -> None:
        self.loop = MemoryLoop()
        self.loop.network = self._connected
        self.clients: list[Client] = []
        self._hire = hire
        self.proxy = self.loop.finish(self._make(workers - 1))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.close()

    async def _make(self, which: int) -> Proxy:
        proxy = Proxy(TABLES[which], SETTINGS, snapshot=SNAPSHOTS[which])
        self.loop.set_exception_handler(lambda _, fault: proxy.faults.append(fault))
        return proxy

    def _connected(self, protocol: asyncio.Protocol) -> MemoryTransport:
        worker = self._hire()
        worker.transport = MemoryTransport(self.loop, protocol, worker, ("127.0.0.1", 8101))
        return worker.transport

    def settle(self) -> None:
        """Lets all happen that no further byte is needed for."""
        self.loop.settle()

    def end(self) -> None:
        """All deadlines pass, and nothing may be left."""
        for _ in range(LONGEST):
            if all(client.transport.lost for client in self.clients):
                break
            self.loop.finish(self.proxy.pass_time(1.0))
        self.loop.finish(self.proxy.stop())


class Client:
    """A client's connection: what it sent, what came back, and how it ended."""

    def __init__(self, world: World) -> None:
        self.data = b""
        self.over = False
        self.was_reset = False
        world.clients.append(self)
        protocol = world.proxy.server()
        self.transport = MemoryTransport(world.loop, protocol, self, ("192.0.2.7", 5000))

    def got(self, data: bytes) -> None:
        self.data += data

    def ended(self, *, reset: bool) -> None:
        self.over = True
        self.was_reset = self.was_reset or reset
