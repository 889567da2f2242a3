"""One client connection of HTTP/1: heads in, one exchange at a time, answers out in order.

    waiting ── a head ──> exchange ── whole, kept alive ──> waiting
       │                     └─────── whole, not kept ────> closing, or lingering
       └── no head can come of it ────────────────────────> lingering

Reading is paused only for the body's own backpressure and beyond `PIPELINE_LIMIT`: while it is
paused, uvloop does not tell that the client has left, and `Departures` has to look.

It is longer than a file should be: an idle client is to cost one object, so what a slow reader, one that
lingers or one that is turned away needs are fields of it; its methods are what asyncio and the exchange call.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import cast

from router.answers import Response
from router.errors import (
    BadRequest,
    BodyTooLarge,
    ClientGone,
    DownstreamError,
    ProxyError,
    RequestTimeout,
)
from router.http1.chunks import ChunkScanner
from router.http1.requests import RequestMessage
from router.http1.responses import ResponseMessage
from router.proxy.admission import take
from router.proxy.context import ProxyContext
from router.proxy.exchange import Exchange
from router.proxy.headers import answer_start
from router.proxy.replies import error_reply, local_reply
from router.proxy.reset import reset
from router.proxy.stream import ClientStream
from router.proxy.tunnel import Side, Tunnel, TunnelOwner
from router.settings import Listener
from router.table import Refusal

WRITE_HIGH = 65_536
"""Bytes that may wait for a client before the worker is paused."""

WRITE_LOW = 16_384
"""Bytes still waiting when the worker is resumed."""

PIPELINE_LIMIT = 16_384
"""Bytes of further requests that are read ahead while one is answered; then reading is paused."""

PIPELINE_MOST = 65_536
"""Beyond so many, which one read can bring, they are let go, and the connection ends with its answer.

RFC 9112 section 9.3.2: a client sends again what was not answered before the connection closed.
"""

LINGER = 5.0
"""Seconds to read an answer in, after the last byte that is still sent (nginx `lingering_timeout`)."""

LINGER_LONGEST = 30.0
"""Seconds after which a client that sends on and on is closed all the same (nginx `lingering_time`)."""

DRAIN_IDLE = 1.0
"""Seconds that a client has for one more request once the process is to end.

Whoever closes an idle connection may cross the next request on its way; who is answered with
`Connection: close` sends none. A second is longer than most pauses of a client that is at work, and short
beside a restart.
"""


class ClientConnection(ClientStream):
    """A client's connection, and the client stream of the exchange under way.

    It is an `asyncio.Protocol` by its methods and not by its base: compiled, a class with a base that is not
    looks up every field by name.
    """

    __slots__ = (
        "_body_remaining",
        "_buffer",
        "_client",
        "_closing",
        "_context",
        "_exchange",
        "_forget",
        "_head_begun",
        "_head_only",
        "_keep_alive",
        "_linger_until",
        "_listener",
        "_minor",
        "_reading_body",
        "_reading_paused",
        "_requests_left",
        "_scanner",
        "_searched",
        "_serving",
        "_transport",
        "_unsent",
        "_writing_paused",
    )

    def __init__(
        self,
        context: ProxyContext,
        listener: Listener,
        forget: Callable[[ClientConnection], None],
        *,
        client: str = "",
    ) -> None:
        """`client` is the address that a PROXY protocol preamble gives; without one it is the peer's."""
        super().__init__(listener.scheme, context.deadlines)
        self._context = context
        self._listener = listener
        self._forget = forget
        self._transport: asyncio.Transport | None = None
        self._client = client
        self._exchange: Exchange | None = None
        self._buffer = b""
        self._searched = 0
        self._head_begun = False
        self._serving = False
        self._reading_body = False
        self._body_remaining = 0
        self._scanner: ChunkScanner | None = None
        self._keep_alive = True
        self._head_only = False
        self._minor = 1
        self._closing = False
        self._linger_until = 0.0
        self._reading_paused = False
        self._requests_left = context.settings.limits.requests_per_connection
        self._writing_paused = False
        self._unsent = 0

    def as_protocol(self) -> asyncio.Protocol:
        """The connection as asyncio's types know it."""
        return cast("asyncio.Protocol", self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learns who the client is; its first head has `timeouts.head` to come.

        One that has reset its connection already has no name, yet what it sent can be read: it is not served,
        since it would pass for a peer on this machine.
        """
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH, low=WRITE_LOW)
        peer = transport.get_extra_info("peername")
        if peer is None:
            self._client = ""  # so that it is not counted when it leaves, either
            self.abort()
        elif isinstance(peer, tuple) and not self._client:
            self._client = str(peer[0])
        self.trusted = peer is not None and self._context.trust.covers(self._client)
        if not self._closing and self._context.capacity.admit(self, self._counted_as) is not None:
            self._turn_away()
        else:
            self.arm(DRAIN_IDLE if self._context.draining else self._context.settings.timeouts.head)

    @property
    def _counted_as(self) -> str:
        """Whose connection it is; nobody's in particular where it is a trusted proxy's."""
        return "" if self.trusted else self._client

    def _turn_away(self) -> None:
        """There are too many: answers its first bytes, whatever they are, while few are to be answered."""
        self._closing = True
        if self._context.capacity.is_crowded:
            self.abort()
        else:
            self.arm(LINGER)

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way or begun."""
        return self._exchange is None and not self._buffer and not self._closing

    def data_received(self, data: bytes) -> None:
        """Body bytes to the exchange, heads to be served, anything else read ahead."""
        if self._closing:
            self._throw_away(data)
        elif self._reading_body:
            self._read_body(data)
        elif self._exchange is None and not self._writing_paused:
            self._buffer = self._buffer + data if self._buffer else data
            self._serve()
        else:
            self._read_ahead(data)

    def _throw_away(self, data: bytes) -> None:
        turned_away = self._context.capacity.turned_away
        if turned_away:
            error = turned_away.get(self)
            if error is not None:
                turned_away[self] = None
                self._closing = False
                self._refuse_head(data, error("there are too many connections"))
        if self._linger_until and not self._unsent:
            self.arm(max(0.0, min(LINGER, self._linger_until - self._context.clock())))

    def _read_ahead(self, data: bytes) -> None:
        self._buffer += data
        self._bound_read_ahead()

    def _bound_read_ahead(self) -> None:
        if len(self._buffer) <= PIPELINE_LIMIT:
            return
        self.pause()
        if len(self._buffer) > PIPELINE_MOST:
            self._give_up_pipeline()

    def _give_up_pipeline(self) -> None:
        # What is sent ahead of a 101 has no other reader than the tunnel, so that it cannot be left out.
        head = self._exchange.head if self._exchange is not None else None
        if head is not None and b"upgrade" in head.fields:
            self.cut()
        self._keep_alive = False
        self._buffer = b""

    def _serve(self) -> None:
        """Begins one exchange after another, as long as they end at once."""
        if self._serving:
            return
        self._serving = True
        while self._buffer and self._exchange is None and not self._closing and not self._writing_paused:
            buffer = self._buffer
            message = None if self._searched else self._context.reader.whole(buffer)
            if message is None:
                message = self._read_message(buffer)
                if message is None:
                    break
            else:
                self._buffer = b""
            self._begin(message)
        self._serving = False
        if self._exchange is not None or self._writing_paused:
            self._bound_read_ahead()

    def _read_message(self, buffer: bytes) -> RequestMessage | None:
        """The message that the buffer begins with; None where it is not whole yet, or was refused."""
        reader = self._context.reader
        head = buffer
        try:
            end = reader.end(buffer, self._searched)
            if end < 0:
                self._await_head()
                return None
            if end < len(buffer):
                head = buffer[:end]
            self._buffer = buffer[end:]
            self._searched = 0
            self._head_begun = False
            return reader.read(head)
        except DownstreamError as error:
            self._refuse_head(head, error)
            return None

    def _await_head(self) -> None:
        self._searched = len(self._buffer)
        if not self._head_begun:
            self._head_begun = True
            self.wait(self._context.ticks.head)

    def _begin(self, message: RequestMessage) -> None:
        context = self._context
        trust = context.trust if self.trusted else None
        try:
            head = take(message, self._client, trust, self._listener.port)
        except DownstreamError as error:
            self._refuse_head(message.line, error)
            return
        self._exchange = exchange = Exchange(
            line=message.line, head=head, client=head.client, context=context
        )
        has_body = self._expect_body(message)
        exchange.begin(self, message, has_body=has_body)
        if has_body and self._buffer and self._serves(exchange):
            data, self._buffer = self._buffer, b""
            self._read_body(data)
        if self._serves(exchange):
            exchange.forward()

    def _serves(self, exchange: Exchange) -> bool:
        """Whether it is still the one under way: mypy believes that of the attribute itself."""
        return self._exchange is exchange

    def _expect_body(self, message: RequestMessage) -> bool:
        self._minor = message.minor
        self._head_only = message.method == "HEAD"
        self._requests_left -= 1
        self._keep_alive = message.keep_alive and self._requests_left > 0
        self.wants_payload = message.minor == 0
        self._body_remaining = message.content_length
        self._scanner = ChunkScanner(BadRequest) if message.chunked else None
        self._reading_body = message.chunked or message.content_length > 0
        return self._reading_body

    def _refuse_head(self, received: bytes, error: DownstreamError) -> None:
        """Answers what is no request; nothing that follows on the connection is read as one."""
        line = received[: self._context.settings.limits.request_line].partition(b"\r\n")[0]
        self._keep_alive = False
        self._head_only = line.startswith(b"HEAD ")
        self._reading_body = True
        self._exchange = exchange = Exchange(line=line, head=None, client=self._client, context=self._context)
        exchange.refuse_head(error, self)

    def _read_body(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        scanner = self._scanner
        if scanner is None:
            consumed = min(self._body_remaining, len(data))
            piece = data if consumed == len(data) else data[:consumed]
            self._body_remaining -= consumed
            done = not self._body_remaining
        else:
            try:
                piece, consumed = scanner.feed(data)
            except BadRequest as error:
                exchange.fail(error)
                return
            done = scanner.done
            if scanner.size > exchange.max_body:
                exchange.fail(BodyTooLarge(f"the body has more than {exchange.max_body} bytes"))
                return
        if done:
            self._reading_body = False
        elif exchange.lags(len(piece)):
            exchange.fail(RequestTimeout("the body comes too slowly"))
            return
        if piece:
            exchange.on_body(piece)
        if done:
            exchange.on_body_end()
            rest = data[consumed:]
            if rest:
                self._read_ahead(rest)

    def send_informational(self, head: bytes) -> None:
        """HTTP/1.0 has no 1xx answers (RFC 9110 section 15.2)."""
        if self._minor == 1:
            self._write(head)

    def switch(self, head: bytes, worker: Side, rest: bytes, owner: TunnelOwner) -> None:
        """Passes a 101 on, and leaves the connection to a tunnel."""
        context, transport = self._context, self._transport
        assert transport is not None  # noqa: S101 - a client that is gone has no exchange to switch
        tunnel = Tunnel(
            owner,
            context.deadlines,
            context.settings.timeouts,
            client=(transport, self.as_protocol()),
            worker=worker,
        )
        context.deadlines.disarm(self)
        context.departures.forget(self)
        early, self._buffer = self._buffer, b""
        self._write(head)
        tunnel.open(early, rest, client_full=self._writing_paused)

    def send_head(self, message: ResponseMessage, data: bytes) -> None:
        """Begins the answer; the connection ends with it where the client still sends, or wants it so."""
        self._end_with_answer()
        close, added = not self._keep_alive, self._listener.fields
        self._write(answer_start(message, data, close=close, unchunk=self.wants_payload, added=added))

    def send_body(self, data: bytes) -> None:
        """Passes a piece of the answer on."""
        self._write(data)

    def send_local(self, answer: Refusal | Response) -> int:
        """Answers in the worker's place; returns the body's bytes."""
        self._end_with_answer()
        return self._send_reply(*local_reply(answer, close=not self._keep_alive))

    def send_error(self, error: ProxyError) -> int:
        """Answers in the worker's place; returns the body's bytes."""
        self._end_with_answer()
        return self._send_reply(*error_reply(error, close=not self._keep_alive))

    def _end_with_answer(self) -> None:
        if self._reading_body or self._context.draining or self._minor == 0:
            self._keep_alive = False

    def _send_reply(self, head: bytes, body: bytes) -> int:
        if self._listener.fields and b"\r\nstrict-transport-security:" not in head.lower():
            head = head[:-2] + self._listener.fields + b"\r\n"
        if self._head_only:
            self._write(head)
            return 0
        self._write(head + body)
        return len(body)

    def _write(self, data: bytes) -> None:
        transport = self._transport
        if transport is not None and not transport.is_closing():
            transport.write(data)

    def end(self) -> None:
        """The answer is whole: the next request, or the end of the connection."""
        self._exchange = None
        self._scanner = None
        if not self._keep_alive:
            self._close()
            return
        if self._writing_paused:
            self.wait(self._context.ticks.send)
            return
        self.resume()
        if self._context.draining:
            self.arm(DRAIN_IDLE)
        else:
            self.wait(self._context.ticks.idle)
        if self._buffer:
            self._serve()

    def _close(self) -> None:
        """Closes once all is sent; a client that still sends gets the time to read why."""
        self._closing = True
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._unsent = transport.get_write_buffer_size()
        if self._reading_body or self._buffer:
            if self._context.draining:
                self._forget(self)  # it has its answer: nothing that a drain would wait for
            self._linger_until = self._context.clock() + LINGER_LONGEST
            self.resume()
            transport.write_eof()
        else:
            transport.close()
        self.arm(self._context.settings.timeouts.send if self._unsent else LINGER)
        self._buffer = b""

    def abort(self) -> None:
        """Resets the connection, so that a cut answer cannot be taken for a whole one."""
        self._closing = True
        self._exchange = None
        if self._transport is not None:
            reset(self._transport)

    def pause(self) -> None:
        """Stops reading."""
        if not self._reading_paused and self._transport is not None and not self._transport.is_closing():
            self._reading_paused = True
            self._transport.pause_reading()
            self._context.departures.watch(self)

    def resume(self) -> None:
        """Reads again."""
        if self._reading_paused and self._transport is not None and not self._transport.is_closing():
            self._reading_paused = False
            self._transport.resume_reading()
            self._context.departures.forget(self)

    def fileno(self) -> int:
        """The socket's descriptor, -1 where it is closed."""
        sock = self._transport.get_extra_info("socket") if self._transport is not None else None
        return sock.fileno() if sock is not None else -1

    def on_departure(self) -> None:
        """The client has left while it was not read."""
        self.cut()

    def on_deadline(self) -> None:
        """A client that takes nothing is reset, one that sends nothing is told or let go."""
        if self._writing_paused or self._closing:
            self._judge_slow_reader()
        elif self._exchange is not None:
            self._exchange.on_deadline()
        elif self._head_begun:
            self._refuse_head(self._buffer, RequestTimeout("the rest of the head did not come in time"))
        elif self._has_unread():
            self.arm(DRAIN_IDLE)  # it has asked at the last moment, and is about to be read
        else:
            self._close()

    def _has_unread(self) -> bool:
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def _judge_slow_reader(self) -> None:
        transport = self._transport
        if transport is None:
            return
        unsent, before = transport.get_write_buffer_size(), self._unsent
        self._unsent = unsent
        wait = self._context.settings.timeouts.send
        if unsent < before and (
            not unsent or before - unsent >= self._context.settings.limits.send_rate * wait
        ):
            self.arm(wait if unsent else LINGER)
        elif self._linger_until and not unsent:
            # No reset: what the kernel still holds of the answer is to arrive.
            transport.abort()
        else:
            self.cut()

    def cut(self, error: type[ProxyError] = ClientGone) -> None:
        """Resets the connection and ends the exchange under way, which had the client to go on.

        Where there is none, and nothing of an answer is left to send, the connection just ends.
        """
        exchange = self._exchange
        if self.is_idle and not self._writing_paused and self._transport is not None:
            self._transport.close()
            return
        self.abort()
        if exchange is not None:
            exchange.on_client_gone(error)

    def pause_writing(self) -> None:
        """The client takes the answer slower than it comes."""
        self._writing_paused = True
        self._unsent = self._transport.get_write_buffer_size() if self._transport is not None else 0
        if self._exchange is not None:
            self._exchange.on_client_paused()
        self.wait(self._context.ticks.send)

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._writing_paused = False
        if self._exchange is not None:
            self._exchange.on_client_resumed()
        elif not self._closing:
            self.end()

    def eof_received(self) -> None:
        """The client sends no more, which is how one that leaves looks: as nginx, cancels its request.

        One that only says so and reads on must not take the answer's first half for all of it.
        """
        if self._exchange is not None:
            self.cut()
        self._closing = True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The connection is gone, from whichever side."""
        self._closing = True
        self._transport = None
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.on_client_gone()
        self._context.deadlines.disarm(self)
        self._context.capacity.leave(self, self._counted_as)
        self._context.departures.forget(self)
        self._forget(self)

    def make_room(self) -> None:
        """Ends the connection now, if it is idle."""
        if self.is_idle:
            self._close()

    def drain(self) -> None:
        """Ends with the next answer whose head is not sent yet; an idle client has `DRAIN_IDLE` to ask."""
        if self._linger_until:
            self._forget(self)
        elif self.is_idle and not self._writing_paused:
            self.arm(DRAIN_IDLE)
