"""The clients: thousands that wait, one that reads slowly, one that sends a lot."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import cast

from benchmarks.memory.worker import LARGE, PAUSE, SLICE
from benchmarks.reference import HOST

PATIENCE = 120.0
"""Seconds for whatever is waited for; then the contender has failed."""

AT_ONCE = 200
"""Connections that are made side by side: fewer than any listener's backlog."""

_HEAD = (
    "{line} HTTP/1.1\r\nHost: localhost\r\n"
    "Authorization: Bearer syt_YWxpY2U_abcdefghijklmnopqrst_1a2b3c\r\n{more}\r\n"
)
SMALL = _HEAD.format(line="GET /_matrix/client/versions", more="").encode()
POLL = _HEAD.format(line="GET /_matrix/client/v3/sync?since=s1&timeout=30000", more="").encode()
DOWN = _HEAD.format(line="GET /_matrix/media/v3/download/localhost/x", more="").encode()
UP = _HEAD.format(line="POST /_matrix/media/v3/upload", more=f"Content-Length: {LARGE}\r\n").encode()
POLLS = b"GET /polls HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Failed(Exception):
    """A contender did not do what was asked of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where a contender listens; `tls` trusts whatever it shows, which is not what is measured."""

    port: int
    tls: bool = False

    def context(self) -> ssl.SSLContext | None:
        """For one client or all of them."""
        if not self.tls:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context


class Client(asyncio.Protocol):
    """Sends one request; `answered` is what comes first of an answer, and fails with the connection."""

    __slots__ = ("_request", "answered", "transport")

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks at once."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """The whole of a small answer comes at once."""
        if not self.answered.done():
            self.answered.set_result(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody should hang up."""
        if not self.answered.done():
            self.answered.set_exception(Failed(f"the connection was closed: {exc}"))
            self.answered.exception()


async def open_clients(door: Door, request: bytes, count: int) -> list[Client]:
    """So many connections, each with one request sent."""
    loop, context = asyncio.get_running_loop(), door.context()
    clients: list[Client] = []
    while len(clients) < count:
        batch = (
            loop.create_connection(lambda: Client(request), HOST, door.port, ssl=context)
            for _ in range(min(AT_ONCE, count - len(clients)))
        )
        clients += [client for _, client in await asyncio.gather(*batch)]
    return clients


async def close(clients: Iterable[Client]) -> None:
    """All of them."""
    for client in clients:
        if client.transport is not None:
            client.transport.abort()
    await asyncio.sleep(0)


async def idle(door: Door, count: int, *, request: bytes = SMALL) -> list[Client]:
    """Each has had one answer, and keeps its connection."""
    clients = await open_clients(door, request, count)
    for client in clients:
        answer = await client.answered
        if b" 200 " not in answer[:20]:
            await close(clients)
            raise Failed(f"answered {answer[:60]!r}")
    return clients


async def long_polls(door: Door, worker_port: int, count: int, *, request: bytes = POLL) -> list[Client]:
    """Each has asked for something that the worker does not have yet."""
    before = await _polls(worker_port)
    clients = await open_clients(door, request, count)
    while (come := await _polls(worker_port) - before) != count:
        early = sum(client.answered.done() for client in clients)
        if early:
            await close(clients)
            raise Failed(f"{early} long polls ended, {come} of {count} came to the worker")
        await asyncio.sleep(0.1)
    return clients


async def _polls(worker_port: int) -> int:
    """Long polls that have come to the worker: not every proxy ends them with their client."""
    reader, writer = await asyncio.open_connection(HOST, worker_port)
    writer.write(POLLS)
    answer = await reader.readuntil(b"}")
    writer.close()
    await writer.wait_closed()
    return int(answer.rpartition(b":")[2][:-1])


async def download(door: Door) -> None:
    """Reads the large file slowly, to its last byte."""
    reader, writer = await asyncio.open_connection(HOST, door.port, ssl=door.context(), limit=256 << 10)
    writer.write(DOWN)
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head[:20]:
        raise Failed(f"answered {head[:60]!r}")
    left, taken = LARGE, 0
    while left > 0:  # chunks, where the contender makes some, are bytes too
        piece = await reader.read(256 << 10)
        if not piece:
            raise Failed(f"the file was cut {left} bytes before its end")
        left -= len(piece)
        taken += len(piece)
        if taken >= SLICE:
            taken = 0
            await asyncio.sleep(PAUSE)
    writer.close()


async def upload(door: Door) -> None:
    """Sends the large file as fast as it is taken, and waits for the answer."""
    reader, writer = await asyncio.open_connection(HOST, door.port, ssl=door.context())
    writer.write(UP)
    piece = bytes(256 << 10)
    for _ in range(LARGE // len(piece)):
        writer.write(piece)
        await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head[:20]:
        raise Failed(f"answered {head[:60]!r}")
    writer.close()


async def patiently(doing: Callable[[], Awaitable[object]]) -> None:
    """Raises Failed for whatever keeps it from its end."""
    try:
        async with asyncio.timeout(PATIENCE):
            await doing()
    except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
        raise Failed(f"{type(error).__name__}: {error}") from error
