"""Kept-alive connections to every endpoint: the last one used is the first one used again."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from mypy_extensions import mypyc_attr

from router.errors import (
    ConnectFailed,
    HandshakeFailed,
    LookupFailed,
    OutOfResources,
    ReplicationExposed,
    RouterError,
)
from router.guard import numeric
from router.table import DnsAddress, Endpoint, UnixAddress
from router.tls.certificates import ClientStore
from router.upstream.connection import ConnectionOwner, UpstreamConnection
from router.upstream.handshake import Dial, handshake, name_to_verify

MAX_IDLE = 256
"""Idle connections kept to one endpoint; Twisted accepts as many as it has descriptors."""

SILENCE = 0.5
"""Seconds after which an address of a host that says nothing is left for the next one of them."""

OUR_OWN_SHORTAGE = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM})
"""What connect(2) and socket(2) say where this machine has run out: that tells nothing of the endpoint."""

SocketAddress = tuple[str, int] | str
"""An address that is connected to: (numeric host, port), or the path of a unix socket."""


Judge = Callable[[SocketAddress], str | None]
"""The guard, as a socket needs it: why the address is a replication listener, None where it is not."""


class AddressBook(Protocol):
    """Who knows what hosts stand for."""

    def known(self, host: str) -> tuple[str, ...]:
        """Its addresses in the order in which they are tried; none where it has none yet."""

    async def ask_again(self, host: str) -> tuple[str, ...]:
        """The same, asked anew if that was not done just now; raises LookupFailed where there are none."""


class ConnectWaiter(Protocol):
    """Who waits for a new connection: the exchange."""

    def on_connected(self, connection: UpstreamConnection) -> None:
        """The connection is open and belongs to the waiter."""

    def on_connect_failed(self, error: ConnectFailed) -> None:
        """There will be none."""


@mypyc_attr(allow_interpreted_subclasses=True)  # tests make one that connects late, or never
class Pool(ConnectionOwner):
    """Idle connections by endpoint, and the making of new ones.

    Only a new connection costs a task; a request on a kept one costs a list's pop and append.
    """

    __slots__ = (
        "_book",
        "_changes",
        "_clock",
        "_connecting",
        "_idle",
        "_idle_limit",
        "_judge",
        "_loop",
        "_open",
        "clients",
    )

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        judge: Judge,
        book: AddressBook,
        clock: Callable[[], float],
        idle_limit: float,
        clients: ClientStore | None = None,
    ) -> None:
        """`clients` knows how endpoints are spoken to that speak TLS."""
        self._loop = loop
        self._judge = judge
        self._book = book
        self.clients = clients or ClientStore()
        self._changes = 0
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
            if connection.is_reusable:
                return connection
            connection.abort()
        return None

    def release(self, connection: UpstreamConnection) -> None:
        """Keeps an idle connection for the next request, up to `MAX_IDLE` of them."""
        if connection.outdated:
            connection.abort()
            return
        connection.idle_since = self._clock()
        idle = self._idle.get(connection.name)
        if idle is None:
            self._idle[connection.name] = idle = []
        if len(idle) < MAX_IDLE:
            idle.append(connection)
        else:
            connection.abort()

    def discard(self, connection: UpstreamConnection) -> None:
        """Forgets a connection that is closed."""
        self._open.discard(connection)
        idle = self._idle.get(connection.name)
        if idle and connection in idle:
            idle.remove(connection)

    def expire(self) -> None:
        """Closes what has been idle for longer than the limit; called once a second."""
        oldest = self._clock() - self._idle_limit
        for idle in self._idle.values():
            while idle and idle[0].idle_since < oldest:
                idle[0].abort()

    def drop_outdated(self, leads_to: Mapping[str, frozenset[str] | None]) -> None:
        """Closes idle connections that lead where no endpoint is any more; those with a request end with it.

        `leads_to` has the addresses of each endpoint by its name, None for wherever a connection leads.
        """
        self._changes += 1
        for name in self._idle.keys() - leads_to.keys():
            for connection in tuple(self._idle[name]):
                connection.abort()
            del self._idle[name]
        for connection in tuple(self._open):
            name = connection.name
            addresses = leads_to.get(name)
            if name in leads_to and (addresses is None or connection.address in addresses):
                continue
            connection.outdated = True
            if connection in self._idle.get(name, ()):
                connection.abort()

    def drop_idle(self, name: str) -> None:
        """Closes the idle connections to an endpoint that does not work: it may be gone without a word."""
        for connection in tuple(self._idle.get(name, ())):
            connection.abort()

    def has_connection(self, endpoint: Endpoint) -> bool:
        """Whether any connection to where the endpoint is now is open, which shows that it is up."""
        return any(connection.name == endpoint.name and not connection.outdated for connection in self._open)

    def connect(self, endpoint: Endpoint, waiter: ConnectWaiter) -> asyncio.Task[None]:
        """Opens a new connection for the waiter; cancelling the task gives it up."""
        task = self._loop.create_task(self._connect(endpoint, waiter))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return task

    async def _connect(self, endpoint: Endpoint, waiter: ConnectWaiter) -> None:
        changes = self._changes
        try:
            connection = await self._open_connection(endpoint)
        except (OSError, ValueError, RouterError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            failed = OutOfResources if _is_our_shortage(error) else ConnectFailed
            waiter.on_connect_failed(failed(f"{endpoint.name}: {reason}"))
            return
        if not connection.is_open:
            waiter.on_connect_failed(ConnectFailed(f"{endpoint.name}: closed as soon as it was open"))
            return
        # A name may have moved meanwhile: then it serves this request and no other.
        connection.outdated = self._changes != changes
        self._open.add(connection)
        waiter.on_connected(connection)

    async def _open_connection(self, endpoint: Endpoint) -> UpstreamConnection:
        """To the first address that takes it; a host that refuses at all of them may just have moved."""
        address = endpoint.address
        if isinstance(address, UnixAddress):
            self._refuse_replication(address.path)
            connection = UpstreamConnection(endpoint, self)
            path = address.path
            await self._reach(connection, lambda make: self._loop.create_unix_connection(make, path))
            return connection
        if isinstance(address, DnsAddress):
            raise LookupFailed("nothing is found under this name")
        number = _as_number(address.host)
        tried = (number,) if number else self._book.known(address.host)
        made = await self._try(endpoint, tried, address.port)
        if isinstance(made, Exception) and not number and not _is_our_shortage(made):
            others = [each for each in await self._book.ask_again(address.host) if each not in tried]
            if others:
                made = await self._try(endpoint, others, address.port)
        if isinstance(made, Exception):
            raise made
        return made

    async def _try(
        self, endpoint: Endpoint, hosts: Iterable[str], port: int
    ) -> UpstreamConnection | OSError | RouterError:
        """One after the other, but for what the guard closes; the connection, else what came last."""
        error: OSError | RouterError = OSError("no address")
        left = tuple(hosts)
        while left:
            host, left = left[0], left[1:]
            try:
                async with asyncio.timeout(SILENCE if left else None):
                    return await self._connect_to(endpoint, host, port)
            except TimeoutError as failed:
                error = failed if failed.errno else OSError(f"{host} does not answer")
            except (OSError, HandshakeFailed, ReplicationExposed) as failed:
                error = failed
        return error

    async def _connect_to(self, endpoint: Endpoint, host: str, port: int) -> UpstreamConnection:
        self._refuse_replication((host, port))
        connection = UpstreamConnection(endpoint, self)
        connection.address = host
        try:
            await self._reach(connection, lambda make: self._loop.create_connection(make, host, port))
        except asyncio.CancelledError:
            # It may have been connected at the same moment, for nobody.
            connection.abort()
            raise
        return connection

    async def _reach(self, connection: UpstreamConnection, dial: Dial) -> None:
        """Opens the connection, and speaks TLS on it where the endpoint does."""
        tls = connection.endpoint.tls
        if tls is None:
            await dial(connection.as_protocol)
        else:
            name = name_to_verify(connection.endpoint, tls)
            await handshake(dial, connection.as_protocol(), self.clients.of(tls), name)

    def _refuse_replication(self, address: SocketAddress) -> None:
        reason = self._judge(address)
        if reason is not None:
            raise ReplicationExposed(reason)

    def close(self) -> None:
        """Gives up every connection, idle, busy or on its way."""
        for task in tuple(self._connecting):
            task.cancel()
        for connection in tuple(self._open):
            connection.abort()


def _is_our_shortage(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in OUR_OWN_SHORTAGE


def _as_number(host: str) -> str | None:
    """The address that the host is, in whatever form; None for a name."""
    address = numeric(host)
    return None if address is None else host if address.version == 6 else str(address)
