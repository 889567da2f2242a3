"""One connection to an endpoint: one request at a time goes out, one answer comes back, then it is idle.

    idle ── send ──> head ──┬──> length ──┐
      ^                     ├──> chunked ─┼── whole ──> idle, or closed
      │                     ├──> close ───┘
      └──── no body ────────┘

Bytes that arrive on an idle connection belong to nobody, so the connection is dropped.

It is longer than a file should be: framing, backpressure and whether it may be used again are read off the
same state, and what it calls (the sink and the owner) stands beside it.
"""

from __future__ import annotations

import asyncio
import select
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, cast

from mypy_extensions import mypyc_attr, trait

from router.errors import BadResponse, UpstreamAborted, UpstreamError
from router.http1.chunks import ChunkScanner, is_one_chunk
from router.http1.responses import ResponseMessage, end_of_response_head, parse_response
from router.table import Endpoint

WRITE_HIGH = 65_536
"""Bytes that may wait for an endpoint before the client is paused."""

WRITE_LOW = 16_384
"""Bytes still waiting when the client is resumed; uvloop's own default of 16 would be a stop-and-go."""

READ = 262_144
"""Bytes that are read at once where uvloop no longer reads; it takes as many itself."""

LAST_CHUNK = b"0\r\n\r\n"

MOST_REMEMBERED = 2048
"""Bytes of the last answer's head that a connection keeps, to know the next one by that is equal to it."""

MAX_INFORMATIONAL = 16
"""1xx answers before a final one: enough for any server, an end for one that loops."""


Poll = Callable[[int], list[tuple[int, int]]]
"""`poll` of a `select.poll` object, in milliseconds."""


@trait
class ResponseSink:
    """Who hears the answer: the exchange that sent the request."""

    __slots__ = ()

    @abstractmethod
    def on_informational(self, message: ResponseMessage) -> None:
        """A 1xx answer, whole."""

    @abstractmethod
    def on_switch(self, message: ResponseMessage, rest: bytes) -> None:
        """A 101, and what has come behind it; raises BadResponse where it is not what was asked for."""

    @abstractmethod
    def on_response(self, message: ResponseMessage, data: bytes) -> None:
        """The final answer's head, as it came, and behind it in `data` what has come of its body with it."""

    @abstractmethod
    def on_response_body(self, data: bytes) -> None:
        """A further piece of the body, framed as the head says unless decoding was asked for."""

    @abstractmethod
    def on_response_end(self) -> None:
        """The answer is whole; the connection is no longer the sink's."""

    @abstractmethod
    def on_upstream_error(self, error: UpstreamError) -> None:
        """The answer will never be whole; the connection is closed."""

    @abstractmethod
    def on_upstream_paused(self) -> None:
        """The endpoint takes no more for now."""

    @abstractmethod
    def on_upstream_resumed(self) -> None:
        """The endpoint takes bytes again."""


@mypyc_attr(allow_interpreted_subclasses=True)
class ConnectionOwner(ABC):
    """Who keeps idle connections: the pool."""

    __slots__ = ()

    @abstractmethod
    def release(self, connection: UpstreamConnection) -> None:
        """The connection is idle and sound."""

    @abstractmethod
    def discard(self, connection: UpstreamConnection) -> None:
        """The connection is gone."""


IDLE: Final = 0
HEAD: Final = 1
LENGTH: Final = 2
CHUNKED: Final = 3
CLOSE: Final = 4
CLOSED: Final = 5
"""What the next byte from the endpoint belongs to: a connection's phase.

Between HEAD and CHUNKED a whole answer shows by itself, however the connection ends.
"""


class UpstreamConnection:
    """A kept-alive connection to one endpoint.

    It is an `asyncio.Protocol` by its methods and not by its base: compiled, a class with a base that is not
    looks up every field by name.

    `answered` tells whether a byte of the current answer has come, `reused` whether an earlier
    request was answered here: both decide whether a lost request may be sent again. `address` is where
    it leads, `outdated` whether the endpoint is no longer there, so that no other request is sent on it.
    """

    __slots__ = (
        "_buffer",
        "_decode",
        "_informational",
        "_keep_alive",
        "_last",
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
        "name",
        "outdated",
        "reused",
    )

    def __init__(self, endpoint: Endpoint, owner: ConnectionOwner) -> None:
        self.endpoint = endpoint
        self.name = endpoint.name
        self.address = ""
        self.answered = False
        self.reused = False
        self.outdated = False
        self.idle_since = 0.0
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._sink: ResponseSink | None = None
        self._phase = IDLE
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
        self._last: ResponseMessage | None = None

    def as_protocol(self) -> asyncio.Protocol:
        """The connection as asyncio's types know it."""
        return cast("asyncio.Protocol", self)

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
        self._phase = HEAD
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
            raise BadResponse(f"{self.name} closed the connection as it switched protocols")
        self._sink = None
        self._phase = CLOSED
        return transport

    def abort(self) -> None:
        """Gives the connection up, and with it the request: Synapse sees its client leave."""
        self._sink = None
        self._close()

    def _close(self) -> None:
        self._phase = CLOSED
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
            if self._phase == HEAD:
                self._read_head(sink, data)
            else:
                self._read_body(sink, data)
        except BadResponse as error:
            self._fail(error)

    def _read_head(self, sink: ResponseSink, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        last = self._last
        if last is not None and self._method != "HEAD" and buffer.startswith(last.head):
            self._searched = 0
            self._answer(sink, last, buffer)
            return
        while True:
            end = end_of_response_head(buffer, self._searched)
            if end < 0:
                self._buffer = buffer
                self._searched = len(buffer)
                return
            self._searched = 0
            message = parse_response(buffer if end == len(buffer) else buffer[:end], self._method)
            if message.status >= 200:
                break
            buffer = buffer[end:]
            self._informational += 1
            if self._informational > MAX_INFORMATIONAL:
                raise BadResponse(f"{self.name} sent more than {MAX_INFORMATIONAL} 1xx answers")
            if message.status == 101:
                self._buffer = b""
                sink.on_switch(message, buffer)
                return
            sink.on_informational(message)
            if self._sink is not sink:
                return
        if self._method != "HEAD" and end <= MOST_REMEMBERED:
            self._last = message
        self._answer(sink, message, buffer)

    def _answer(self, sink: ResponseSink, message: ResponseMessage, data: bytes) -> None:
        """The final answer's head, and what has come of its body, which begins behind it."""
        self._buffer = b""
        self._begin_body(message)
        length = len(data)
        # In one call, so that both are sent on in one write: a system call costs as much as deciding.
        if self._phase == CHUNKED and not self._decode and is_one_chunk(data, len(message.head)):
            self._phase = IDLE
            consumed = length
            sink.on_response(message, data)
        else:
            piece, consumed = self._take_body(data, len(message.head))
            sink.on_response(message, piece)
        if self._phase == IDLE and self._sink is sink:
            self._end(sink, excess=consumed < length)

    def _begin_body(self, message: ResponseMessage) -> None:
        self._keep_alive = message.keep_alive
        if message.no_body or message.content_length == 0:
            self._phase = IDLE
        elif message.chunked:
            self._phase = CHUNKED
        elif message.until_close:
            self._phase = CLOSE
        else:
            self._phase = LENGTH
            self._remaining = message.content_length

    def _read_body(self, sink: ResponseSink, data: bytes) -> None:
        piece, consumed = self._take_body(data, 0)
        if piece:
            sink.on_response_body(piece)
        if self._phase == IDLE and self._sink is sink:
            self._end(sink, excess=consumed < len(data))

    def _take_body(self, data: bytes, start: int) -> tuple[bytes, int]:
        """What is passed on of `data`, and where in it the body ends, which begins or goes on at `start`.

        What stands before it is passed on as it is.
        """
        length = len(data)
        if self._phase == CHUNKED:
            scanner = self._scanner
            if scanner is None:
                self._scanner = scanner = ChunkScanner(BadResponse, decode=self._decode)
            taken = scanner.feed(data, start)
            if scanner.done:
                self._phase = IDLE
            return taken
        if self._phase == LENGTH:
            end = min(start + self._remaining, length)
            self._remaining -= end - start
            if not self._remaining:
                self._phase = IDLE
            return (data if end == length else data[:end]), end
        if self._phase == CLOSE:
            if self._decode or start == length:
                return data, length
            return b"%b%x\r\n%b\r\n" % (data[:start], length - start, data[start:]), length
        return (data if start == length else data[:start]), start

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
        if sink is not None and self._phase == CLOSE:
            if not self._decode:
                sink.on_response_body(LAST_CHUNK)
            self._keep_alive = False
            self._end(sink, excess=False)
        else:
            self._fail(UpstreamAborted(f"{self.name} closed the connection before its answer was whole"))

    def connection_lost(self, exc: Exception | None) -> None:
        """A reset, or the end of a connection that was closed from here."""
        if exc is not None:
            self._read_what_is_left()
        self._fail(UpstreamAborted(f"{self.name} reset the connection before its answer was whole"))
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
            while HEAD <= self._phase <= CHUNKED:
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
