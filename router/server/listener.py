"""The proxy as a server under aiohttp's sites: makes client connections, and drains them."""

from __future__ import annotations

import asyncio

from aiohttp import web

from router.errors import ShuttingDown
from router.proxy.connection import ClientConnection
from router.proxy.context import ProxyContext
from router.proxy.preamble import PreambleReader
from router.settings import Listener


class ProxyServer:
    """What the sites of one listener call for each new connection, and a runner asks to shut down."""

    def __init__(self, context: ProxyContext, listener: Listener) -> None:
        self.listener = listener
        self._context = context
        self._empty = asyncio.Event()
        self.connections: set[ClientConnection | PreambleReader] = set()
        context.capacity.count(self.connections)

    def __call__(self) -> ClientConnection | PreambleReader:
        """Makes the protocol of one new connection."""
        if not self.listener.proxy_protocol:
            return self._welcome()
        reader = PreambleReader(self._context, self._welcome, self._forget)
        self.connections.add(reader)
        self._empty.clear()
        return reader

    def _welcome(self, client: str = "") -> ClientConnection:
        connection = ClientConnection(self._context, self.listener, self._forget, client=client)
        self.connections.add(connection)
        self._empty.clear()
        return connection

    def _forget(self, connection: ClientConnection | PreambleReader) -> None:
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()

    def pre_shutdown(self) -> None:
        """From here on, each connection ends with its next answer, and an idle one now."""
        self._context.draining = True
        for connection in tuple(self.connections):
            connection.drain()

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - aiohttp's signature
        """Waits for the requests under way, then resets what is left."""
        if not self.connections:
            return
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
