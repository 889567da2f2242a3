"""One connection to an endpoint: one request at a time goes out, one answer comes back, then it is idle.

    idle ── send ──> head ──┬──> length ──┐
      ^                     ├──> chunked ─┼── whole ──> idle, or closed
      │                     ├──> close ───┘
      └──── no body ────────┘

Bytes that arrive on an idle connection belong to nobody, so the connection is dropped.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from enum import Enum
from typing import Protocol, cast

from router.errors import BadResponse, UpstreamAborted, UpstreamError
from router.http1.chunks import ChunkScanner
from router.http1.responses import ResponseMessage, end_of_response_head, parse_response
from router.table import Endpoint

WRITE_HIGH = 65_536
"""Bytes that may wait for an endpoint before the client is paused."""

WRITE_LOW = 16_384
"""Bytes still waiting when the client is resumed; uvloop's own default of 16 would be a stop-and-go."""

READ = 262_144
"""Bytes that are read at once where uvloop no longer reads; it takes as many itself."""

LAST_CHUNK = b"0\r\n\r\n"

MAX_INFORMATIONAL = 16
"""1xx answers before a final one: enough for any server, an end for one that loops."""


Poll = Callable[[int], list[tuple[int, int]]]
"""`poll` of a `select.poll` object, in milliseconds."""


class ResponseSink(Protocol):
    """Who hears the answer: the exchange that sent the request."""

    def on_informational(self, message: ResponseMessage, head: bytes) -> None:
        """A 1xx answer, whole: parsed and as it came."""

    def on_switch(self, message: ResponseMessage, head: bytes, rest: bytes) -> None:
        """A 101, and what has come behind it; raises BadResponse where it is not what was asked for."""

    def on_response(self, message: ResponseMessage, head: bytes, body: bytes) -> None:
        """The final answer's head, parsed and as it came, and what has come of its body with it."""

    def on_response_body(self, data: bytes) -> None:
        """A further piece of the body, framed as the head says unless decoding was asked for."""

    def on_response_end(self) -> None:
        """The answer is whole; the connection is no longer the sink's."""

    def on_upstream_error(self, error: UpstreamError) -> None:
        """The answer will never be whole; the connection is closed."""

    def on_upstream_paused(self) -> None:
        """The endpoint takes no more for now."""

    def on_upstream_resumed(self) -> None:
        """The endpoint takes bytes again."""


class ConnectionOwner(Protocol):
    """Who keeps idle connections: the pool."""

    def release(self, connection: UpstreamConnection) -> None:
        """The connection is idle and sound."""

    def discard(self, connection: UpstreamConnection) -> None:
        """The connection is gone."""


class Phase(Enum):
    """What the next byte from the endpoint belongs to."""

    IDLE = "idle"
    HEAD = "head"
    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"
    CLOSED = "closed"


MEASURED = frozenset({Phase.HEAD, Phase.LENGTH, Phase.CHUNKED})
"""Where a whole answer shows by itself, however the connection ends."""


class UpstreamConnection(asyncio.Protocol):
    """A kept-alive connection to one endpoint.

    `answered` tells whether a byte of the current answer has come, `reused` whether an earlier
    request was answered here: both decide whether a lost request may be sent again. `address` is where
    it leads, `outdated` whether the endpoint is no longer there, so that no other request is sent on it.
    """

    __slots__ = (
        "_buffer",
        "_decode",
        "_informational",
        "_keep_alive",
        "_method",
        "_owner",
        "_phase",
        "_poll",
        "_reading_paused",
        "_remaining",
        "_request_done",
        "_scanner",
        "_searched",
        "_sink",
        "_transport",
        "address",
        "answered",
        "endpoint",
        "idle_since",
        "outdated",
        "reused",
    )

    def __init__(self, endpoint: Endpoint, owner: ConnectionOwner) -> None:
        self.endpoint = endpoint
        self.address = ""
        self.answered = False
        self.reused = False
        self.outdated = False
        self.idle_since = 0.0
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._sink: ResponseSink | None = None
        self._phase = Phase.IDLE
        self._poll: Poll | None = None
        self._method = ""
        self._decode = False
        self._request_done = False
        self._keep_alive = False
        self._reading_paused = False
        self._buffer = b""
        self._searched = 0
        self._informational = 0
        self._remaining = 0
        self._scanner: ChunkScanner | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Sets both write marks; nothing is sent before `send`."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH, low=WRITE_LOW)

    @property
    def is_open(self) -> bool:
        """Whether a request may be sent on it."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def is_reusable(self) -> bool:
        """Whether a further request may be sent on it: open, and nothing has come that nobody has read.

        Bytes that the loop has not seen yet would be taken for the answer to that request; an end of the
        connection that it has not seen would lose the request.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        poll = self._poll or self._make_poll(transport)
        return not poll(0)

    def _make_poll(self, transport: asyncio.Transport) -> Poll:
        # A poller of its own, once it is to be used again: one look costs 0.7 µs, and twice that where the
        # descriptor is registered for it. A socket's recv with MSG_PEEK is no faster.
        poller = select.poll()
        poller.register(transport.get_extra_info("socket"), select.POLLIN)
        self._poll = poller.poll
        return self._poll

    def send(self, head: bytes, *, method: str, decode: bool, sink: ResponseSink) -> None:
        """Begins a request; its answer is told to the sink.

        With `decode` a body comes without chunks. Else one that ends with the connection is put into chunks,
        since on many a connection to a client nothing else tells a cut body from a whole one.
        """
        self._sink = sink
        self._phase = Phase.HEAD
        self._method = method
        self._decode = decode
        self._request_done = False
        self._informational = 0
        self.answered = False
        self.write(head)

    def write(self, data: bytes) -> None:
        """Sends a piece of the request's body, framed already."""
        transport = self._transport
        if transport is not None and not transport.is_closing():
            transport.write(data)

    def end_request(self) -> None:
        """The request is sent whole: without that an early answer costs the connection."""
        self._request_done = True

    def pause_reading(self) -> None:
        """Stops the answer while the client does not take it."""
        if self._transport is not None and not self._transport.is_closing():
            self._reading_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Lets the answer go on."""
        self._reading_paused = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def hand_over(self) -> asyncio.Transport:
        """Leaves the transport to a tunnel, which tells this connection of its end.

        Raises BadResponse where it is gone already.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise BadResponse(f"{self.endpoint.name} closed the connection as it switched protocols")
        self._sink = None
        self._phase = Phase.CLOSED
        return transport

    def abort(self) -> None:
        """Gives the connection up, and with it the request: Synapse sees its client leave."""
        self._sink = None
        self._close()

    def _close(self) -> None:
        self._phase = Phase.CLOSED
        self._owner.discard(self)
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Reads heads and body pieces; anything malformed ends the connection."""
        sink = self._sink
        if sink is None:
            self._close()
            return
        self.answered = True
        try:
            if self._phase is Phase.HEAD:
                self._read_head(sink, data)
            else:
                self._read_body(sink, data)
        except BadResponse as error:
            self._fail(error)

    def _read_head(self, sink: ResponseSink, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        while True:
            end = end_of_response_head(buffer, self._searched)
            if end < 0:
                self._buffer = buffer
                self._searched = len(buffer)
                return
            head = buffer if end == len(buffer) else buffer[:end]
            buffer = b"" if end == len(buffer) else buffer[end:]
            self._searched = 0
            message = parse_response(head, self._method)
            if message.status >= 200:
                break
            self._informational += 1
            if self._informational > MAX_INFORMATIONAL:
                raise BadResponse(f"{self.endpoint.name} sent more than {MAX_INFORMATIONAL} 1xx answers")
            if message.status == 101:
                self._buffer = b""
                sink.on_switch(message, head, buffer)
                return
            sink.on_informational(message, head)
            if self._sink is not sink:
                return
        self._buffer = b""
        self._begin_body(message)
        piece, consumed = self._take_body(buffer)
        # In one call, so that both are sent on in one write: a system call costs as much as deciding.
        sink.on_response(message, head, piece)
        if self._phase is Phase.IDLE and self._sink is sink:
            self._end(sink, excess=consumed < len(buffer))

    def _begin_body(self, message: ResponseMessage) -> None:
        self._keep_alive = message.keep_alive
        if message.no_body or message.content_length == 0:
            self._phase = Phase.IDLE
        elif message.chunked:
            self._phase = Phase.CHUNKED
            self._scanner = ChunkScanner(BadResponse, decode=self._decode)
        elif message.until_close:
            self._phase = Phase.CLOSE
        else:
            self._phase = Phase.LENGTH
            self._remaining = message.content_length

    def _read_body(self, sink: ResponseSink, data: bytes) -> None:
        piece, consumed = self._take_body(data)
        if piece:
            sink.on_response_body(piece)
        if self._phase is Phase.IDLE and self._sink is sink:
            self._end(sink, excess=consumed < len(data))

    def _take_body(self, data: bytes) -> tuple[bytes, int]:
        """What is passed on of `data`, and how much of it belongs to the body."""
        if self._phase is Phase.CHUNKED:
            scanner = self._scanner
            assert scanner is not None  # noqa: S101 - set with the phase; for the type checker only
            taken = scanner.feed(data)
            if scanner.done:
                self._phase = Phase.IDLE
            return taken
        if self._phase is Phase.LENGTH:
            consumed = min(self._remaining, len(data))
            self._remaining -= consumed
            if not self._remaining:
                self._phase = Phase.IDLE
            return (data if consumed == len(data) else data[:consumed]), consumed
        if self._phase is Phase.CLOSE:
            whole = self._decode or not data
            return data if whole else b"%x\r\n%b\r\n" % (len(data), data), len(data)
        return b"", 0

    def _end(self, sink: ResponseSink, *, excess: bool) -> None:
        self._sink = None
        self._scanner = None
        if self._keep_alive and not excess and self._is_sent():
            self.reused = True
            if self._reading_paused:
                self.resume_reading()
            self._owner.release(self)
        else:
            self._close()
        sink.on_response_end()

    def _is_sent(self) -> bool:
        """Whether nothing of the request is missing, or waits here where the next one would follow it."""
        transport = self._transport
        if transport is None or transport.is_closing() or not self._request_done:
            return False
        return transport.get_write_buffer_size() == 0

    def _fail(self, error: UpstreamError) -> None:
        sink, self._sink = self._sink, None
        self._close()
        if sink is not None:
            sink.on_upstream_error(error)

    def eof_received(self) -> None:
        """The endpoint sends no more: the end of a close-delimited body, else a broken answer."""
        sink = self._sink
        if sink is not None and self._phase is Phase.CLOSE:
            if not self._decode:
                sink.on_response_body(LAST_CHUNK)
            self._keep_alive = False
            self._end(sink, excess=False)
        else:
            self._fail(
                UpstreamAborted(f"{self.endpoint.name} closed the connection before its answer was whole")
            )

    def connection_lost(self, exc: Exception | None) -> None:
        """A reset, or the end of a connection that was closed from here."""
        if exc is not None:
            self._read_what_is_left()
        self._fail(UpstreamAborted(f"{self.endpoint.name} reset the connection before its answer was whole"))
        self._transport = None

    def _read_what_is_left(self) -> None:
        # Whoever answers early and closes resets us while the body is still sent: the answer came before.
        transport = self._transport
        if transport is None or transport.get_extra_info("ssl_object") is not None:
            return
        sock = transport.get_extra_info("socket")
        if sock is None:
            return
        with sock.dup() as readable:
            while self._phase in MEASURED:
                try:
                    data = readable.recv(READ)
                except OSError:
                    return
                if not data:
                    return
                self.data_received(data)

    def pause_writing(self) -> None:
        """The endpoint takes the request slower than the client sends it."""
        if self._sink is not None:
            self._sink.on_upstream_paused()

    def resume_writing(self) -> None:
        """The endpoint has caught up."""
        if self._sink is not None:
            self._sink.on_upstream_resumed()
