"""TLS between a raw transport and a protocol: to the one a protocol, to the other a transport.

    raw transport ── data_received ──> TlsChannel ── data_received ──> protocol
                  <── write ─────────            <── write ─────────

uvloop's own keeps 256 KiB for each connection, loses what it has not decrypted yet when reading is paused
and the peer closes, cannot say how much waits to be sent, and cannot close one direction. Here everything
that has come is decrypted at once and whatever is written is encrypted at once, so that the raw
transport's flow control, buffers and ends are those of the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import cast

FEED = 32_768
"""Bytes that are decrypted at once: what a MemoryBIO has held once it keeps for good."""

PLAIN_HTTP = "http_request"
"""OpenSSL's word for a peer that speaks HTTP without TLS."""

Wrap = Callable[[ssl.MemoryBIO, ssl.MemoryBIO], ssl.SSLObject]
Settled = Callable[["TlsChannel", str], None]


class TlsChannel(asyncio.Transport, asyncio.Protocol):
    """One connection that speaks TLS.

    `make` gives the protocol once the handshake is done; it sees nothing of one that is not. `settled` is
    told once: by an empty reason where it is done, else why there will be no connection.
    """

    __slots__ = (
        "_ended",
        "_incoming",
        "_make",
        "_object",
        "_outgoing",
        "_plain_reply",
        "_protocol",
        "_raw",
        "_said_goodbye",
        "_settled",
    )

    def __init__(
        self,
        wrap: Wrap,
        make: Callable[[], asyncio.Protocol],
        settled: Settled,
        *,
        plain_reply: Callable[[], bytes] = bytes,
    ) -> None:
        """`plain_reply` makes the answer for a client that speaks plain HTTP."""
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = wrap(self._incoming, self._outgoing)
        self._make = make
        self._settled: Settled | None = settled
        self._plain_reply = plain_reply
        self._protocol: asyncio.Protocol | None = None
        self._raw: asyncio.Transport | None = None
        self._said_goodbye = False
        self._ended = False

    # What the raw transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client says hello."""
        self._raw = cast("asyncio.Transport", transport)
        if not self._object.server_side:
            self._shake()

    def data_received(self, data: bytes) -> None:
        """Decrypts, a bounded piece after the other, and hands all of it on in one call.

        What comes behind the peer's goodbye is thrown away: OpenSSL would keep it, however much it is.
        """
        if self._ended:
            return
        received: list[bytes] = []
        ended = False
        for at in range(0, len(data), FEED):
            self._incoming.write(data if len(data) <= FEED else memoryview(data)[at : at + FEED])
            if self._protocol is None and not self._shake():
                if self._settled is None:
                    return
                continue
            try:
                ended = self._decrypt(received)
            except ssl.SSLError:
                self._flush()
                self.abort()
                return
            if ended:
                break
        self._flush()
        protocol = self._protocol
        if received and protocol is not None:
            protocol.data_received(received[0] if len(received) == 1 else b"".join(received))
        if ended and self._protocol is not None:
            self._ended = True
            if not self._protocol.eof_received():
                self.close()

    def _decrypt(self, received: list[bytes]) -> bool:
        """Whether the peer has said that it sends no more (close_notify)."""
        incoming, wrapped = self._incoming, self._object
        try:
            while size := incoming.pending or wrapped.pending():
                piece = wrapped.read(size)
                if not piece:
                    return True
                received.append(piece)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            # What is b"" before this side has said goodbye.
            return True
        return False

    def eof_received(self) -> bool | None:
        """The peer ends the connection without a word of TLS, which anybody on the way could do as well.

        A client that does so has left. An answer that ends so may be cut: it is not whole.
        """
        if self._protocol is None:
            self._settle("left")
        elif self._ended:
            return True  # as the protocol wanted it, or it is closing already
        elif self._object.server_side:
            self._ended = True
            return self._protocol.eof_received()
        else:
            self.abort()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """Tells the protocol, if there ever was one."""
        self._settle("left")
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """Passed on."""
        if self._protocol is not None:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Passed on."""
        if self._protocol is not None:
            self._protocol.resume_writing()

    # The handshake.

    def _shake(self) -> bool:
        """Goes on with the handshake; whether it is done."""
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except ssl.SSLError as error:
            self._refuse(error)
            return False
        self._flush()
        self._protocol = protocol = self._make()
        self._settle("")
        protocol.connection_made(self)
        return True

    def _refuse(self, error: ssl.SSLError) -> None:
        """Sends the alert, or tells a client without TLS what this is."""
        raw = self._raw
        reason = reason_of(error)
        self._settle(reason)
        if raw is None:
            return
        reply = self._plain_reply() if reason == PLAIN_HTTP else b""
        if reply:
            raw.write(reply)
        else:
            self._flush()
        raw.close()

    def _settle(self, reason: str) -> None:
        settled, self._settled = self._settled, None
        if settled is not None:
            settled(self, reason)

    def give_up(self, reason: str) -> None:
        """Ends a handshake that is not done."""
        self._settle(reason)
        self.abort()

    def _flush(self) -> None:
        if self._outgoing.pending and self._raw is not None:
            self._raw.write(self._outgoing.read())

    # What the protocol asks for.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypts and sends; a record holds 16 KiB at most, or what the peer has asked for."""
        raw = self._raw
        if self._said_goodbye or raw is None or raw.is_closing():
            return
        write, read = self._object.write, self._outgoing.read
        sent = write(data)
        if sent == len(data):
            raw.write(read())
            return
        records, view = [read()], memoryview(data)
        while sent < len(data):
            sent += write(view[sent:])
            records.append(read())
        raw.writelines(records)

    def writelines(self, list_of_data: object) -> None:
        """Sends several pieces as one."""
        self.write(b"".join(cast("list[bytes]", list_of_data)))

    def write_eof(self) -> None:
        """Sends no more, and says so; what still comes is read."""
        self._say_goodbye()
        if self._raw is not None:
            self._raw.write_eof()

    def can_write_eof(self) -> bool:
        """Unlike other transports of TLS."""
        return True

    def close(self) -> None:
        """Closes once all is sent; the peer's goodbye is not waited for (RFC 8446 section 6.1)."""
        if self._raw is not None and not self._raw.is_closing():
            self._say_goodbye()
            self._raw.close()

    def _say_goodbye(self) -> None:
        if self._said_goodbye:
            return
        self._said_goodbye = True
        with contextlib.suppress(ssl.SSLError):
            # It wants to hear the peer's, too.
            self._object.unwrap()
        self._flush()

    def abort(self) -> None:
        """Ends the connection without a goodbye, so that what was cut is seen to be cut."""
        if self._raw is not None:
            self._raw.abort()

    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._raw is None or self._raw.is_closing()

    def pause_reading(self) -> None:
        """Stops reading from the socket."""
        if self._raw is not None:
            self._raw.pause_reading()

    def resume_reading(self) -> None:
        """Reads again."""
        if self._raw is not None:
            self._raw.resume_reading()

    def is_reading(self) -> bool:
        """Whether it reads."""
        return self._raw is not None and self._raw.is_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Those of the raw transport: nothing waits here."""
        if self._raw is not None:
            self._raw.set_write_buffer_limits(high, low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Low mark and high mark."""
        return self._raw.get_write_buffer_limits() if self._raw is not None else (0, 0)

    def get_write_buffer_size(self) -> int:
        """Encrypted bytes that wait to be sent."""
        return self._raw.get_write_buffer_size() if self._raw is not None else 0

    def get_extra_info(self, name: str, default: object = None) -> object:
        """`ssl_object`, or what the raw transport knows."""
        if name == "ssl_object":
            return self._object
        return self._raw.get_extra_info(name, default) if self._raw is not None else default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """From now on another one hears what comes."""
        self._protocol = cast("asyncio.Protocol", protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who hears what comes."""
        return cast("asyncio.Protocol", self._protocol)


def reason_of(error: ssl.SSLError) -> str:
    """Why a handshake failed, in OpenSSL's word for it; of a certificate, what is wrong with it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    return (error.reason or "unknown").lower().replace(" ", "_")
