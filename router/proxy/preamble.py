"""A connection to a listener of the PROXY protocol, until it has said whose it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from router.errors import BadPreamble, ClientGone, ProxyError
from router.http1.proxy_protocol import read_preamble
from router.proxy.connection import DRAIN_IDLE
from router.proxy.context import ProxyContext
from router.proxy.record import ExchangeRecord

Welcome = Callable[[str], asyncio.Protocol]
"""Makes what hears the client with that address; `''` for the peer's own."""


class PreambleReader(asyncio.Protocol):
    """Reads the preamble, in whatever pieces, then hands transport and what follows to the client's protocol.

    What is no preamble, or is none within `timeouts.head`, is closed without an answer, as by HAProxy and
    nginx: whoever sent it is not the proxy that the listener is for. It is counted as a request that failed
    for the reason `proxy_protocol`, in the log as one with an empty line. A peer that sent nothing is not.
    """

    __slots__ = ("_buffer", "_context", "_forget", "_peer", "_transport", "_welcome", "due", "filed")

    def __init__(
        self, context: ProxyContext, welcome: Welcome, forget: Callable[[PreambleReader], None]
    ) -> None:
        self.due = 0
        self.filed = 0
        self._context = context
        self._welcome = welcome
        self._forget = forget
        self._transport: asyncio.Transport | None = None
        self._peer = ""
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Gives the preamble its time."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self._peer = str(peer[0])
        timeouts = self._context.settings.timeouts
        self._context.deadlines.arm(self, DRAIN_IDLE if self._context.draining else timeouts.head)

    @property
    def is_idle(self) -> bool:
        """Whether nothing of the preamble has come."""
        return not self._buffer

    def data_received(self, data: bytes) -> None:
        """A piece of the preamble, and perhaps of what follows."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._buffer += data
        try:
            preamble = read_preamble(self._buffer)
        except BadPreamble as error:
            self._refuse(error)
            return
        if preamble is None:
            return
        rest = self._buffer[preamble.size :]
        connection = self._welcome(preamble.source)
        self._leave()
        transport.set_protocol(connection)
        connection.connection_made(transport)
        if rest:
            connection.data_received(rest)

    def _leave(self) -> None:
        self._transport = None
        self._buffer = b""
        self._context.deadlines.disarm(self)
        self._forget(self)

    def _refuse(self, error: ProxyError) -> None:
        context = self._context
        record = ExchangeRecord(b"", None, self._peer, context.clock())
        context.observer.begin(record)
        record.reason = error.reason
        record.ended = record.started
        context.observer.finish(record)
        self.cut()

    def on_deadline(self) -> None:
        """The preamble is not there in time."""
        if self._buffer:
            self._refuse(BadPreamble("the rest of the PROXY preamble did not come in time"))
        else:
            self.cut()

    def cut(self, error: type[ProxyError] = ClientGone) -> None:  # noqa: ARG002 - as a ClientConnection
        """Closes; there is nothing that could be answered."""
        if self._transport is not None:
            self._transport.abort()

    def make_room(self) -> None:
        """Closes: no request has begun."""
        self.cut()

    def drain(self) -> None:
        """As an idle client, its proxy has `DRAIN_IDLE` to send what may be on its way."""
        if self._buffer:
            self.cut()
        else:
            self._context.deadlines.arm(self, DRAIN_IDLE)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The connection is gone, from whichever side."""
        if self._transport is not None:
            self._leave()
