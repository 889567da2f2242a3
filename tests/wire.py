"""Bytes in, bytes out: raw peers on real sockets, and the data plane of one Config in the test's loop.

Time stands still in here: deadlines pass when a test calls `Proxy.pass_time`. When a test ends, every
exchange must have ended once and nothing may be left open, filed or in flight.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from collections.abc import Awaitable
from typing import Any, TypeVar

from router.guard import Guard
from router.proxy.capacity import Capacity
from router.proxy.connection import ClientConnection
from router.proxy.context import ProxyContext
from router.proxy.deadlines import HORIZON, TICK, Deadlines
from router.proxy.record import ExchangeRecord
from router.routing.snapshot import Snapshot
from router.server.listener import ProxyServer
from router.server.sockets import name_of
from router.settings import Config, Listener, Settings
from router.table import Endpoint, Pattern, Policy, Route, RouteTable, TcpAddress, UnixAddress, Upstream
from router.tls.certificates import CertificateStore
from router.upstream.connection import UpstreamConnection
from router.upstream.names import Names
from router.upstream.pool import ConnectWaiter, Pool
from router.upstream.state import EndpointState, EndpointStates
from tests.known_names import KnownNames

PATIENCE = 5.0
"""Seconds that a peer waits for bytes before the test fails."""

SMALL = 32_768
"""A kernel buffer that is soon full."""

RESET = struct.pack("ii", 1, 0)

T = TypeVar("T")


async def settle() -> None:
    """Lets everything happen that no further byte is needed for: loopback delivers within a send."""
    for _ in range(12):
        await asyncio.sleep(0)


def bound_buffers(sock: socket.socket, size: int) -> None:
    """Bounds what the kernel keeps for a connection, where `size` is not 0."""
    if size:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def family_of(host: str) -> socket.AddressFamily:
    """Of an address of this machine."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


class Peer:
    """One end of a connection: reads nothing that was not asked for."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self._buffer = b""

    async def send(self, data: bytes) -> None:
        await self._patiently(asyncio.get_running_loop().sock_sendall(self.sock, data), "takes no bytes")

    def send_some(self, data: bytes) -> int:
        """Sends what the kernel takes now."""
        with contextlib.suppress(BlockingIOError):
            return self.sock.send(data)
        return 0

    async def _read(self) -> bytes:
        data: bytes = await self._patiently(
            asyncio.get_running_loop().sock_recv(self.sock, 65_536), "sends nothing"
        )
        self._buffer += data
        return data

    async def _patiently(self, doing: Awaitable[T], what: str) -> T:
        try:
            async with asyncio.timeout(PATIENCE):
                return await doing
        except TimeoutError:
            raise AssertionError(f"the other side {what}; unread is {self._buffer[:300]!r}") from None

    async def until(self, end: bytes = b"\r\n\r\n") -> bytes:
        """Everything up to and with those bytes."""
        while end not in self._buffer:
            assert await self._read(), f"ended before {end!r}: {self._buffer[:300]!r}"
        data, _, self._buffer = self._buffer.partition(end)
        return data + end

    async def exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            assert await self._read(), f"ended {size - len(self._buffer)} bytes early: {self._buffer[:300]!r}"
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    async def expect(self, data: bytes) -> None:
        """These bytes come next; others fail at once, before all of them are there."""
        while len(self._buffer) < len(data) and data.startswith(self._buffer):
            if not await self._read():
                break
        assert self._buffer[: len(data)] == data
        self._buffer = self._buffer[len(data) :]

    async def rest(self) -> bytes:
        """Everything up to the end of the connection, which is not a reset."""
        while await self._read():
            pass
        data, self._buffer = self._buffer, b""
        return data

    async def reset_after(self) -> bytes:
        """Everything up to the reset that ends the connection."""
        try:
            data = await self.rest()
        except ConnectionResetError:
            data, self._buffer = self._buffer, b""
            return data
        raise AssertionError(f"the connection ended whole, not by a reset, after {data[:300]!r}")

    async def ended(self) -> None:
        """The connection ends here, and nothing came before."""
        assert await self.rest() == b""

    async def silent(self) -> None:
        """Nothing comes, not even the end."""
        await settle()
        assert self._buffer == b""
        with contextlib.suppress(BlockingIOError):
            raise AssertionError(f"not silent: {self.sock.recv(300)!r}")

    def finish(self) -> None:
        """Sends FIN and goes on reading."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Sends RST."""
        if self.sock.fileno() >= 0:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.sock.close()


class Answer:
    """An answer of a known length, taken apart."""

    def __init__(self, head: bytes, body: bytes) -> None:
        line, *fields = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        self.status = int(line.split(" ")[1])
        self.headers = {
            name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)
        }
        self.body = body


async def answer(peer: Peer) -> Answer:
    """Reads one answer that has a Content-Length."""
    head = await peer.until()
    length = Answer(head, b"").headers["content-length"]
    return Answer(head, await peer.exactly(int(length)))


def all_to(*endpoints: Endpoint, policy: Policy | None = None, **route: Any) -> RouteTable:
    """A table with one route, from everywhere to these endpoints."""
    return RouteTable(
        routes=(Route(name="all", pattern=Pattern(text="^/"), upstream="main", **route),),
        upstreams={"main": Upstream(name="main", endpoints=endpoints, policy=policy or Policy())},
    )


class Recorder:
    """The observer: what has begun, and what has ended."""

    def __init__(self) -> None:
        self.begun: list[ExchangeRecord] = []
        self.ended: list[ExchangeRecord] = []

    def begin(self, exchange: ExchangeRecord, /) -> None:
        self.begun.append(exchange)

    def finish(self, exchange: ExchangeRecord, /) -> None:
        self.ended.append(exchange)


class PatchedPool(Pool):
    """A pool whose way to connect a test may replace; of a compiled one nobody can."""

    async def _open_connection(self, endpoint: Endpoint) -> UpstreamConnection:
        return await super()._open_connection(endpoint)

    def connect(self, endpoint: Endpoint, waiter: ConnectWaiter) -> asyncio.Task[None]:
        return super().connect(endpoint, waiter)


class Proxy:
    """Serves one table on a port of its own."""

    def __init__(
        self,
        table: RouteTable,
        settings: Settings | None = None,
        *,
        listener: Listener | None = None,
        snapshot: Snapshot | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self.resolver = KnownNames(localhost=["127.0.0.1"])
        self.names = Names(self.resolver, self.settings.resolver, clock=lambda: self.now, say=lambda _: None)
        self.config = Config(table=table, settings=self.settings)
        self.now = 1000.0
        self.recorder = Recorder()
        self.deadlines = Deadlines()
        self.changes: list[tuple[str, bool, str]] = []
        self.states = EndpointStates(lambda: self.now, self._note_change, clock=lambda: self.now)
        self.pool = PatchedPool(
            loop=asyncio.get_running_loop(),
            judge=Guard(self.settings.guard).judge_sockaddr,
            book=self.names,
            clock=lambda: self.now,
            idle_limit=self.settings.timeouts.upstream_idle,
        )
        self.capacity = Capacity(self.settings.limits, descriptors=20_000, clock=lambda: self.now)
        self.context = ProxyContext(
            snapshot=snapshot or Snapshot.build(table, self.settings.guard),
            settings=self.settings,
            states=self.states,
            pool=self.pool,
            deadlines=self.deadlines,
            capacity=self.capacity,
            observer=self.recorder,
            clock=lambda: self.now,
        )
        listener = listener or Listener(address=TcpAddress(host="127.0.0.1", port=0))
        certificates = CertificateStore(listener.tls.certificates) if listener.tls is not None else None
        self.server = ProxyServer(self.context, listener, certificates)
        self.faults: list[dict[str, Any]] = []
        self._peers: list[Peer] = []
        self._listeners: list[asyncio.Server] = []
        self.address: tuple[str, int] | str = ""

    def _note_change(self, state: EndpointState) -> None:
        self.changes.append((state.name, state.up, state.reason))
        if state.up:
            self.context.queues.serve()

    async def listen(self, path: str | None = None, *, kernel: int = 0) -> None:
        """Listens on a free port, or on a unix socket."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, fault: self.faults.append(fault))
        address = self.server.listener.address
        host = address.host if isinstance(address, TcpAddress) else "127.0.0.1"
        sock = socket.socket(socket.AF_UNIX if path else family_of(host))
        bound_buffers(sock, kernel)
        sock.bind(path or (host, 0))
        self.address = name_of(sock)
        self._listeners.append(await loop.create_server(self.server, sock=sock))

    async def connect(self, *, kernel: int = 0) -> Peer:
        sock = socket.socket(socket.AF_UNIX if isinstance(self.address, str) else family_of(self.address[0]))
        bound_buffers(sock, kernel)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, self.address)
        peer = Peer(sock)
        self._peers.append(peer)
        return peer

    async def ask(self, data: bytes) -> Peer:
        """A new client that has sent these bytes."""
        client = await self.connect()
        await client.send(data)
        return client

    async def pass_time(self, seconds: float) -> None:
        """Ticks until that much time, and the coarseness of ticks, has passed."""
        await settle()
        self.now += seconds
        for _ in range(int(seconds / TICK) + 2):
            self.deadlines.tick()
        self.context.queues.serve()
        await settle()

    @property
    def clients(self) -> list[ClientConnection]:
        """The connections that may bring requests."""
        return [each for each in self.server.connections if isinstance(each, ClientConnection)]

    @property
    def in_flight(self) -> dict[str, int]:
        return {name: state.in_flight for name, state in self.states._states.items() if state.in_flight}

    @property
    def ends(self) -> list[tuple[int, str]]:
        """Status and reason of each exchange that has ended, in order."""
        return [(exchange.status, exchange.reason) for exchange in self.recorder.ended]

    async def stop(self) -> None:
        """Ends all clients, and looks at what is left."""
        for listener in self._listeners:
            listener.close()
        for peer in self._peers:
            peer.close()
        await self._until_empty()
        self.pool.close()
        await self.names.close()
        await settle()
        for _ in range(HORIZON + 1):
            self.deadlines.tick()
        assert self.faults == []
        assert Counter(map(id, self.recorder.ended)) == Counter(map(id, self.recorder.begun))
        assert self.in_flight == {}
        assert self.pool._open == set()
        assert not any(self.pool._idle.values())
        assert self.deadlines._buckets == {}
        assert self.capacity.used == 0
        assert self.context.queues.waiting == {}
        assert self.capacity._by_client == {}

    async def _until_empty(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.server.connections or self.pool._connecting:  # noqa: ASYNC110 - they end soon, or never
                await asyncio.sleep(0)


def tcp(port: int, host: str = "127.0.0.1", **fields: Any) -> Endpoint:
    return Endpoint(address=TcpAddress(host=host, port=port), **fields)


def unix(path: str) -> Endpoint:
    return Endpoint(address=UnixAddress(path=path))
