"""Kept-alive connections to every endpoint: the last one used is the first one used again."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Callable
from typing import Protocol

from router.errors import ConnectFailed, OutOfResources, ReplicationExposed, RouterError
from router.table import Endpoint, TcpAddress, UnixAddress
from router.upstream.connection import UpstreamConnection

MAX_IDLE = 256
"""Idle connections kept to one endpoint; Twisted accepts as many as it has descriptors."""

OUR_OWN_SHORTAGE = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM})
"""What connect(2) and socket(2) say where this machine has run out: that tells nothing of the endpoint."""

SocketAddress = tuple[str, int] | str
"""An address that is connected to: (numeric host, port), or the path of a unix socket."""


Judge = Callable[[SocketAddress], str | None]
"""The guard, as a socket needs it: why the address is a replication listener, None where it is not."""


class ConnectWaiter(Protocol):
    """Who waits for a new connection: the exchange."""

    def on_connected(self, connection: UpstreamConnection) -> None:
        """The connection is open and belongs to the waiter."""

    def on_connect_failed(self, error: ConnectFailed) -> None:
        """There will be none."""


class Pool:
    """Idle connections by endpoint, and the making of new ones.

    Only a new connection costs a task; a request on a kept one costs a list's pop and append.
    """

    __slots__ = ("_clock", "_connecting", "_idle", "_idle_limit", "_judge", "_loop", "_open")

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        judge: Judge,
        clock: Callable[[], float],
        idle_limit: float,
    ) -> None:
        self._loop = loop
        self._judge = judge
        self._clock = clock
        self._idle_limit = idle_limit
        self._idle: dict[str, list[UpstreamConnection]] = {}
        self._open: set[UpstreamConnection] = set()
        self._connecting: set[asyncio.Task[None]] = set()

    def take(self, endpoint: Endpoint) -> UpstreamConnection | None:
        """The idle connection that was used last, or None."""
        idle = self._idle.get(endpoint.name)
        while idle:
            connection = idle.pop()
            if connection.is_open:
                return connection
        return None

    def release(self, connection: UpstreamConnection) -> None:
        """Keeps an idle connection for the next request, up to `MAX_IDLE` of them."""
        connection.idle_since = self._clock()
        idle = self._idle.setdefault(connection.endpoint.name, [])
        if len(idle) < MAX_IDLE:
            idle.append(connection)
        else:
            connection.abort()

    def discard(self, connection: UpstreamConnection) -> None:
        """Forgets a connection that is closed."""
        self._open.discard(connection)
        idle = self._idle.get(connection.endpoint.name)
        if idle and connection in idle:
            idle.remove(connection)

    def expire(self) -> None:
        """Closes what has been idle for longer than the limit; called once a second."""
        oldest = self._clock() - self._idle_limit
        for idle in self._idle.values():
            while idle and idle[0].idle_since < oldest:
                idle[0].abort()

    def has_connection(self, endpoint: Endpoint) -> bool:
        """Whether any connection to the endpoint is open, which shows that it is up."""
        return any(connection.endpoint.name == endpoint.name for connection in self._open)

    def connect(self, endpoint: Endpoint, waiter: ConnectWaiter) -> asyncio.Task[None]:
        """Opens a new connection for the waiter; cancelling the task gives it up."""
        task = self._loop.create_task(self._connect(endpoint, waiter))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return task

    async def _connect(self, endpoint: Endpoint, waiter: ConnectWaiter) -> None:
        try:
            connection = await self._open_connection(endpoint)
        except (OSError, ValueError, RouterError) as error:  # a name that IDNA refuses is a ValueError
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            ours = isinstance(error, OSError) and error.errno in OUR_OWN_SHORTAGE
            failed = OutOfResources if ours else ConnectFailed
            waiter.on_connect_failed(failed(f"{endpoint.name}: {reason}"))
            return
        if not connection.is_open:
            waiter.on_connect_failed(ConnectFailed(f"{endpoint.name}: closed as soon as it was open"))
            return
        self._open.add(connection)
        waiter.on_connected(connection)

    async def _open_connection(self, endpoint: Endpoint) -> UpstreamConnection:
        address = endpoint.address
        connection = UpstreamConnection(endpoint, self)
        if isinstance(address, UnixAddress):
            self._refuse_replication(address.path)
            await self._loop.create_unix_connection(lambda: connection, address.path)
            return connection
        last_error: OSError | None = None
        for host, port in await self._resolve(address):
            self._refuse_replication((host, port))
            try:
                await self._loop.create_connection(lambda: connection, host, port)
            except OSError as error:
                last_error = error
            else:
                return connection
        raise last_error or OSError(f"{address.host} has no address")

    def _refuse_replication(self, address: SocketAddress) -> None:
        reason = self._judge(address)
        if reason is not None:
            raise ReplicationExposed(reason)

    async def _resolve(self, address: TcpAddress) -> list[tuple[str, int]]:
        try:
            return [(str(ipaddress.ip_address(address.host)), address.port)]
        except ValueError:
            found = await self._loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
            return [(str(sockaddr[0]), int(sockaddr[1])) for *_, sockaddr in found]

    def close(self) -> None:
        """Gives up every connection, idle, busy or on its way."""
        for task in tuple(self._connecting):
            task.cancel()
        for connection in tuple(self._open):
            connection.abort()
