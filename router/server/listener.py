"""The proxy as a server under aiohttp's sites: makes client connections, and drains them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import cast

from aiohttp import web

from router.errors import ClientGone, ProxyError, ShuttingDown, TooManyConnections
from router.observe.listeners import CertificateState, ListenerState
from router.proxy.connection import DRAIN_IDLE, ClientConnection
from router.proxy.context import ProxyContext
from router.proxy.preamble import PreambleReader
from router.proxy.replies import render
from router.settings import Listener
from router.tls.certificates import CertificateStore
from router.tls.channel import Settled, TlsChannel, Wrap


def plain_reply() -> bytes:
    """What plain HTTP is told on a port that speaks TLS, as by nginx."""
    text = "Plain HTTP was sent to a port that speaks TLS: use https"
    return b"".join(render(status=400, errcode="M_UNKNOWN", error=text, close=True))


class ClientChannel(TlsChannel):
    """A client's TLS; until its handshake is done it counts as a connection of its own, without a request."""

    __slots__ = ("due", "filed")

    is_idle = True

    def __init__(
        self,
        wrap: Wrap,
        make: Callable[[], asyncio.Protocol],
        settled: Settled,
        *,
        plain_reply: Callable[[], bytes],
    ) -> None:
        super().__init__(wrap, make, settled, plain_reply=plain_reply)
        self.due = 0
        self.filed = 0

    def on_deadline(self) -> None:
        """The handshake takes too long."""
        self.give_up("timeout")

    def make_room(self) -> None:
        """Closes: no request has begun."""
        self.give_up("closed")

    def cut(self, error: type[ProxyError] = ClientGone) -> None:  # noqa: ARG002 - as a ClientConnection
        """The same."""
        self.give_up("closed")


class TurnedAway(asyncio.Protocol):
    """A connection for which there is no room, not even for a preamble or a handshake."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ends it."""
        cast("asyncio.Transport", transport).abort()


class ProxyServer:
    """What the sites of one listener call for each new connection, and a runner asks to shut down."""

    def __init__(
        self, context: ProxyContext, listener: Listener, certificates: CertificateStore | None = None
    ) -> None:
        """`certificates` are those of a listener that speaks TLS."""
        self.listener = listener
        self.certificates = certificates
        self._context = context
        self._empty = asyncio.Event()
        self._drain_began = 0.0
        self.connections: set[ClientConnection | PreambleReader | ClientChannel] = set()
        context.capacity.count(self.connections)
        self.handshakes = Counter[str]()
        """How they ended: `ok`, or why there was no connection."""

    @property
    def state(self) -> ListenerState:
        """For the metrics, and for whoever looks."""
        shown = self.certificates.shown if self.certificates is not None else ()
        return ListenerState(
            listener=str(self.listener),
            connections=len(self.connections),
            handshakes=dict(self.handshakes),
            certificates=tuple(
                CertificateState(certificate=files.certificate, names=facts.names, not_after=facts.not_after)
                for files, facts in shown
            ),
        )

    def __call__(self) -> asyncio.Protocol:
        """Makes the protocol of one new connection.

        It is the client's once the PROXY protocol's preamble has been read and TLS's handshake is done, where
        the listener has them; the preamble comes first.
        """
        if not self.listener.proxy_protocol:
            return self._welcome()
        if not self._context.capacity.has_room_to_ask():
            self._context.capacity.closed[TooManyConnections.reason] += 1
            return TurnedAway()
        reader = PreambleReader(self._context, self._welcome, self._forget)
        self.connections.add(reader)
        self._empty.clear()
        return reader

    def _welcome(self, client: str = "") -> asyncio.Protocol:
        if self.certificates is None:
            return self._serve(client)
        context = self._context
        if not context.capacity.has_room():
            self.handshakes["no_room"] += 1
            return TurnedAway()
        serve = partial(self._serve, client)
        channel = ClientChannel(self.certificates.wrap, serve, self._settle, plain_reply=plain_reply)
        self.connections.add(channel)
        self._empty.clear()
        context.deadlines.arm(channel, DRAIN_IDLE if context.draining else context.settings.timeouts.head)
        return channel

    def _settle(self, channel: TlsChannel, reason: str) -> None:
        assert isinstance(channel, ClientChannel)  # noqa: S101 - no others are made here; for the type checker only
        self._context.deadlines.disarm(channel)
        self._forget(channel)
        self.handshakes[reason or "ok"] += 1

    def _serve(self, client: str) -> asyncio.Protocol:
        connection = ClientConnection(self._context, self.listener, self._forget, client=client)
        self.connections.add(connection)
        self._empty.clear()
        return connection.as_protocol()

    def _forget(self, connection: ClientConnection | PreambleReader | ClientChannel) -> None:
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()

    def pre_shutdown(self) -> None:
        """From here on, each connection ends with its next answer, and an idle one soon without."""
        if not self._drain_began:
            self._drain_began = self._context.clock()
        self._context.draining = True
        for connection in tuple(self.connections):
            if isinstance(connection, ClientChannel):
                self._context.deadlines.arm(connection, DRAIN_IDLE)
            else:
                connection.drain()

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - aiohttp's signature
        """Waits for the requests under way, at most `timeout` from `pre_shutdown` on; resets what is left."""
        if not self.connections:
            return
        if timeout is not None:
            timeout = max(timeout - (self._context.clock() - self._drain_began), 0.0)
        try:
            async with asyncio.timeout(timeout):
                await self._empty.wait()
        except TimeoutError:
            self.cut()

    def cut(self) -> None:
        """Resets every connection, and ends what is under way on it."""
        for connection in tuple(self.connections):
            connection.cut(ShuttingDown)


class ProxyRunner(web.BaseRunner):
    """An aiohttp runner whose server is the proxy."""

    def __init__(self, server: ProxyServer, *, drain_timeout: float) -> None:
        super().__init__(shutdown_timeout=drain_timeout)
        self._proxy = server

    async def shutdown(self) -> None:
        """The proxy has no hooks of its own to call."""

    async def _make_server(self) -> ProxyServer:  # type: ignore[override] # it needs no more of a Server
        return self._proxy

    async def _cleanup_server(self) -> None:
        pass
