"""A client and a worker that have left HTTP (RFC 9110 section 7.8): their bytes go both ways as they come.

    both open ── one ends ──> half open ── the other ends ──> both closed
        └── reset, time over, or the process ends ──────────> both reset

Both connections are given a new protocol each, so that ordinary requests know nothing of this file. The
old protocols are told of the end, and are closed from outside as ever: whoever aborts one ends the tunnel.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from router.errors import BadResponse, ClientGone, ProxyError, TunnelIdle, UpstreamAborted, UpstreamTimeout
from router.http1.responses import UNASKED, ResponseMessage
from router.proxy.deadlines import Deadlines
from router.proxy.reset import reset
from router.routing.upgrade import tokens
from router.settings import Timeouts

Side = tuple[asyncio.Transport, asyncio.Protocol]
"""A connection, and the protocol that had it before the tunnel."""


def check_switch(message: ResponseMessage, protocol: str) -> None:
    """Raises BadResponse for a 101 that does not grant the protocol; an empty one was never asked for.

    That its Connection field names `upgrade`, llhttp has seen.
    """
    if not protocol:
        raise BadResponse(UNASKED)
    granted = list(tokens(message.headers, b"upgrade"))
    if granted != [protocol.lower().encode("ascii")] or message.minor == 0:
        raise BadResponse(f"the answer switches protocols (101), but not to {protocol}, which was asked for")


class TunnelOwner(Protocol):
    """Whose request it is: the exchange."""

    bytes_in: int
    bytes_out: int

    def on_tunnel_end(self, error: type[ProxyError] | None) -> None:
        """Both connections are gone: ended by both sides where there is no error."""


class TunnelEnd(asyncio.Protocol):
    """One of the two connections.

    `full` tells that it takes no more for now, `finished` that nothing more comes from it, `lost` that it is
    gone; `unsent` is how many bytes waited for it when that was last looked at.
    """

    __slots__ = ("_before", "_tunnel", "finished", "full", "lost", "other", "transport", "unsent")

    def __init__(self, tunnel: Tunnel, transport: asyncio.Transport, before: asyncio.Protocol) -> None:
        self._tunnel = tunnel
        self._before = before
        self.transport = transport
        self.other = self
        self.full = False
        self.finished = False
        self.lost = False
        self.unsent = 0

    def take_over(self, *, full: bool) -> None:
        """From here on, what happens on the connection is told to this end."""
        self.full = full
        self.transport.set_protocol(self)

    def send(self, data: bytes) -> None:
        """What has come from the other end."""
        if not self.transport.is_closing():
            self.transport.write(data)

    def read(self, *, on: bool) -> None:
        """Goes on reading, or stops: while the other end is full."""
        if self.finished or self.transport.is_closing():
            return
        if on:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def has_moved(self) -> bool:
        """Whether fewer bytes wait for it than when this was last asked."""
        unsent, before = self.transport.get_write_buffer_size() if not self.lost else 0, self.unsent
        self.unsent = unsent
        return unsent < before

    def data_received(self, data: bytes) -> None:
        """Bytes for the other end."""
        self._tunnel.pass_on(self, data)

    def pause_writing(self) -> None:
        """It takes its bytes slower than they come."""
        self.full = True
        self.other.read(on=False)
        self._tunnel.arm()

    def resume_writing(self) -> None:
        """It has caught up."""
        self.full = False
        self.other.read(on=True)
        self._tunnel.arm()

    def eof_received(self) -> bool:
        """It sends no more: the other end is told so, and may go on, where both can."""
        self.finished = True
        halves = self.transport.can_write_eof() and self.other.transport.can_write_eof()
        if not halves or self.other.finished:
            self._tunnel.close()
            return False
        if not self.other.transport.is_closing():
            self.other.transport.write_eof()
        self._tunnel.arm()
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """It is gone, from whichever side."""
        self.lost = True
        self._tunnel.on_lost(self)

    def leave(self) -> None:
        """Tells the protocol that had the connection before that it is gone."""
        self._before.connection_lost(None)


class Tunnel:
    """Both ends, their one deadline, and how it ended.

    `timeouts.tunnel` is how long nothing may come from either; `timeouts.read` holds once one of them has
    ended, `timeouts.send` while one takes nothing of what waits for it.
    """

    __slots__ = (
        "_client",
        "_closing",
        "_deadlines",
        "_error",
        "_owner",
        "_timeouts",
        "_worker",
        "due",
        "filed",
    )

    def __init__(
        self,
        owner: TunnelOwner,
        deadlines: Deadlines,
        timeouts: Timeouts,
        *,
        client: Side,
        worker: Side,
    ) -> None:
        self.due = 0
        self.filed = 0
        self._owner = owner
        self._deadlines = deadlines
        self._timeouts = timeouts
        self._closing = False
        self._error: type[ProxyError] | None = None
        self._client = TunnelEnd(self, *client)
        self._worker = TunnelEnd(self, *worker)
        self._client.other, self._worker.other = self._worker, self._client

    def open(self, early: bytes, rest: bytes, *, client_full: bool) -> None:
        """Begins with what the client had sent behind its request, and the worker behind its 101."""
        self._client.take_over(full=client_full)
        self._worker.take_over(full=False)
        self._client.read(on=True)
        self.arm()
        if early:
            self.pass_on(self._client, early)
        if rest:
            self.pass_on(self._worker, rest)

    def pass_on(self, end: TunnelEnd, data: bytes) -> None:
        """Bytes from one end to the other."""
        if end is self._client:
            self._owner.bytes_in += len(data)
        else:
            self._owner.bytes_out += len(data)
        end.other.send(data)
        if not (self._client.full or self._worker.full):
            self.arm()

    def arm(self) -> None:
        """Sets the deadline to what holds now."""
        timeouts = self._timeouts
        if self._closing or self._client.full or self._worker.full:
            limit = timeouts.send
        elif self._client.finished or self._worker.finished:
            limit = timeouts.read
        else:
            limit = timeouts.tunnel
        for end in (self._client, self._worker):
            end.has_moved()
        self._deadlines.arm(self, limit)

    def on_deadline(self) -> None:
        """Nothing has moved for too long."""
        moved = [end.has_moved() for end in (self._client, self._worker)]
        if any(moved):
            self.arm()
        elif self._client.unsent:
            self._cut(ClientGone)
        elif self._worker.unsent:
            self._cut(UpstreamTimeout)
        else:
            self._cut(TunnelIdle)

    def close(self) -> None:
        """Both have ended: closes once all is sent."""
        self._closing = True
        self.arm()
        for end in (self._client, self._worker):
            end.transport.close()

    def _cut(self, error: type[ProxyError]) -> None:
        self._error = error
        self._closing = True
        self._deadlines.disarm(self)
        for end in (self._client, self._worker):
            if not end.lost:
                reset(end.transport)

    def on_lost(self, end: TunnelEnd) -> None:
        """One connection is gone: so is the other, and once both are, the request has ended."""
        if not end.other.lost:
            if not self._closing:
                self._cut(ClientGone if end is self._client else UpstreamAborted)
            return
        self._deadlines.disarm(self)
        self._owner.on_tunnel_end(self._error)
        self._client.leave()
        self._worker.leave()
