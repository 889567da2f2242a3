"""One health check: a connect by the pool's guarded way, or a GET by aiohttp's client, guarded too."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from typing import cast

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from router.errors import CertificateUnusable, ConnectFailed, LookupFailed, OutOfResources
from router.guard import numeric
from router.table import Endpoint, TcpAddress, UnixAddress
from router.tls.channel import reason_of
from router.upstream.connection import UpstreamConnection
from router.upstream.handshake import name_to_verify
from router.upstream.pool import OUR_OWN_SHORTAGE, AddressBook, Judge, Pool

NOT_SENT = frozenset({"Accept", "Accept-Encoding", "User-Agent"})
"""Fields that aiohttp's client would add: nothing of them says more than the request itself."""


class CheckFailed(Exception):
    """A check that the endpoint did not pass; `refused` tells that nobody took the connection."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused


class NotAsked(Exception):
    """A check for which this machine had no descriptor or port left: it says nothing of the endpoint."""


class Knock:
    """A check without a path: waits for a connection of the pool's making, and closes it."""

    __slots__ = ("_opened",)

    def __init__(self, opened: asyncio.Future[None]) -> None:
        self._opened = opened

    def on_connected(self, connection: UpstreamConnection) -> None:
        """An open connection is the answer; it never becomes one of the pool's."""
        connection.abort()
        if not self._opened.done():
            self._opened.set_result(None)

    def on_connect_failed(self, error: ConnectFailed) -> None:
        """Nobody listens, or nobody could be asked."""
        failed = NotAsked() if isinstance(error, OutOfResources) else CheckFailed(error.message, refused=True)
        if not self._opened.done():
            self._opened.set_exception(failed)


class _Known(AbstractResolver):
    """Whatever aiohttp's client asks for, the endpoint's own addresses are the answer."""

    def __init__(self, address: TcpAddress, book: AddressBook) -> None:
        self._address = address
        self._book = book

    async def resolve(
        self,
        host: str,
        port: int = 0,  # noqa: ARG002 - the client's signature
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - the client's signature
    ) -> list[ResolveResult]:
        """Raises OSError where the endpoint's name has no address."""
        wanted = self._address
        number = numeric(wanted.host)
        try:
            hosts = (
                (str(number),)
                if number is not None
                else self._book.known(wanted.host) or await self._book.ask_again(wanted.host)
            )
        except LookupFailed as error:
            raise OSError(str(error)) from error
        return [
            ResolveResult(
                hostname=host,
                host=each,
                port=wanted.port,
                family=socket.AF_INET6 if ":" in each else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for each in hosts
        ]

    async def close(self) -> None:
        """Nothing is held."""


class Checks:
    """Makes checks; `judge` is the guard, asked before each socket connects."""

    __slots__ = ("_book", "_judge", "_pool")

    def __init__(self, *, pool: Pool, judge: Judge, book: AddressBook) -> None:
        self._pool = pool
        self._judge = judge
        self._book = book

    async def make(self, endpoint: Endpoint, path: str | None, timeout: float) -> None:  # noqa: ASYNC109 - a setting
        """One check; raises CheckFailed, NotAsked, or TimeoutError for one that is late."""
        async with asyncio.timeout(timeout):
            if path is None:
                await self._connect(endpoint)
            else:
                await self._get(endpoint, path)

    async def _connect(self, endpoint: Endpoint) -> None:
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        connecting = self._pool.connect(endpoint, Knock(opened))
        try:
            await opened
        finally:
            connecting.cancel()

    async def _get(self, endpoint: Endpoint, path: str) -> None:
        """A connection for each check, no cookies, no redirects; of the body nothing is read."""
        host = "localhost" if isinstance(endpoint.address, UnixAddress) else endpoint.name
        tls = endpoint.tls
        try:
            context = self._pool.clients.of(tls) if tls is not None else True
            async with (
                aiohttp.ClientSession(
                    connector=self._connector(endpoint),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    skip_auto_headers=NOT_SENT,
                    timeout=aiohttp.ClientTimeout(total=None),
                    auto_decompress=False,
                ) as client,
                client.get(
                    URL(f"http{'s' * bool(tls)}://worker{path}", encoded=True),
                    headers={"Host": host},
                    allow_redirects=False,
                    ssl=context,
                    server_hostname=name_to_verify(endpoint, tls) if tls is not None else None,
                ) as answer,
            ):
                if not 200 <= answer.status < 300:
                    raise CheckFailed(f"{path} answered {answer.status}")
        except CertificateUnusable as error:
            raise CheckFailed(f"{endpoint.name}: {error.message}", refused=True) from error
        except aiohttp.ClientSSLError as error:
            raise CheckFailed(f"{endpoint.name}: TLS: {_said_by_tls(error)}", refused=True) from error
        except aiohttp.ClientConnectorError as error:
            if error.os_error.errno in OUR_OWN_SHORTAGE:
                raise NotAsked from error
            raise CheckFailed(f"{endpoint.name}: {_said(error.os_error)}", refused=True) from error
        except aiohttp.ClientError as error:
            raise CheckFailed(f"{endpoint.name}: {_said(error)}") from error
        except PermissionError as error:
            raise CheckFailed(f"{endpoint.name}: {_said(error)}", refused=True) from error

    def _connector(self, endpoint: Endpoint) -> aiohttp.BaseConnector:
        address = endpoint.address
        if isinstance(address, UnixAddress):
            self._refuse_replication(address.path)
            return aiohttp.UnixConnector(address.path, force_close=True)
        assert isinstance(address, TcpAddress)  # noqa: S101 - a `dns:` is not asked
        return aiohttp.TCPConnector(
            resolver=_Known(address, self._book),
            use_dns_cache=False,
            force_close=True,
            socket_factory=self._open_socket,
        )

    def _open_socket(self, info: tuple[int, int, int, str, tuple[str | int, ...]]) -> socket.socket:
        family, kind, protocol, _, sockaddr = info
        self._refuse_replication((str(sockaddr[0]), int(sockaddr[1])))
        opened = socket.socket(family, kind, protocol)
        opened.setblocking(False)
        return opened

    def _refuse_replication(self, address: tuple[str, int] | str) -> None:
        reason = self._judge(address)
        if reason is not None:
            raise PermissionError(errno.EACCES, reason)


def _said_by_tls(error: aiohttp.ClientSSLError) -> str:
    failed: Exception
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        failed = error.certificate_error
    else:
        failed = error.os_error
    return reason_of(cast("ssl.SSLError", failed)).replace("_", " ")


def _said(error: Exception) -> str:
    """What an error says, in the system's word where it is the system's; EACCES is also the guard's."""
    if isinstance(error, OSError) and error.errno:
        return str(error.strerror) if error.errno == errno.EACCES else os.strerror(error.errno)
    return str(error) or type(error).__name__
