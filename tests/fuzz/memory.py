"""An event loop without sockets and without a clock, and connections that are bytes in memory.

What is ready runs in order, the same for the same input. Transports do what uvloop's do: they pause whoever
writes beyond the mark, say nothing after the end, and tell a reset (SO_LINGER of 0) from a FIN.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, Self, TypeVar, cast

T = TypeVar("T")


class Far(Protocol):
    """Who is at the other end of a transport."""

    def got(self, data: bytes) -> None:
        """Bytes have come."""

    def ended(self, *, reset: bool) -> None:
        """No more will come."""


class _Nothing:
    """A selector of no sockets."""

    def select(self, _timeout: float | None) -> list[Any]:
        return []


class MemoryLoop(asyncio.BaseEventLoop):
    """Runs what is ready; connections that it opens are the network's affair."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Nothing()
        self.network: Callable[[asyncio.Protocol], MemoryTransport] | None = None

    def time(self) -> float:
        """It stands still."""
        return 1000.0

    def _process_events(self, _events: object) -> None:
        pass

    def settle(self) -> None:
        """Runs until nothing is left to do."""
        while self._ready:  # type: ignore[attr-defined]  # asyncio's own queue
            self.call_soon(self.stop)
            self.run_forever()

    def finish(self, doing: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine to its end, which has to need no time."""
        task = self.create_task(doing)
        self.settle()
        assert task.done(), "it waits for what will never come"
        return task.result()

    async def create_connection(  # type: ignore[override]  # whoever asks gets the same
        self, factory: Any, *_: Any, **__: Any
    ) -> Any:
        """A connection to whoever the network says."""
        assert self.network is not None
        protocol = factory()
        return self.network(protocol), protocol

    create_unix_connection = create_connection  # type: ignore[assignment]  # the same


_QUIET, _LOUD = socket.socketpair()
_QUIET.send(b"something to read")


class MemorySocket:
    """What the router asks of a socket: to end by a reset, and whether there is something to be read."""

    family = socket.AF_INET

    def __init__(self, unread: list[bytes]) -> None:
        self.resets = False
        self._unread = unread

    def fileno(self) -> int:
        """A descriptor that can be polled."""
        return (_LOUD if self._unread else _QUIET).fileno()

    def setsockopt(self, _level: int, option: int, _value: object) -> None:
        self.resets = self.resets or option == socket.SO_LINGER

    def dup(self) -> MemorySocket:
        return self

    def recv(self, _size: int) -> bytes:
        raise ConnectionResetError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class MemoryTransport(asyncio.Transport):
    """One connection, seen from the router's side of it."""

    def __init__(self, loop: MemoryLoop, protocol: asyncio.Protocol, far: Far, peer: tuple[str, int]) -> None:
        super().__init__()
        self._loop = loop
        self._protocol = protocol
        self._far = far
        self._unread: list[bytes] = []
        self._extra_info = {
            "peername": peer,
            "sockname": ("127.0.0.1", 1),
            "socket": MemorySocket(self._unread),
        }
        self._high, self._low = 65_536, 16_384
        self._unsent = bytearray()
        self._stalled = False
        self._full = False
        self._reading = True
        self._eof = False
        self._closing = False
        self.lost = False
        protocol.connection_made(self)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._extra_info.get(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high, self._low = high or 65_536, low or 16_384

    def get_write_buffer_size(self) -> int:
        return len(self._unsent)

    def is_closing(self) -> bool:
        return self._closing

    def is_reading(self) -> bool:
        return self._reading

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert isinstance(data, bytes), "the router writes bytes"
        assert not self._closing, "written after the end"
        assert not self._eof, "written after FIN"
        self._unsent += data
        if not self._stalled:
            self._flush()
        elif len(self._unsent) > self._high and not self._full:
            self._full = True
            self._protocol.pause_writing()

    def writelines(self, pieces: Any) -> None:
        self.write(b"".join(pieces))

    def write_eof(self) -> None:
        self._eof = True
        if not self._unsent:
            self._loop.call_soon(self._end, False)

    def can_write_eof(self) -> bool:
        return True

    def _flush(self) -> None:
        data, self._unsent = bytes(self._unsent), bytearray()
        if data:
            self._loop.call_soon(self._far.got, data)
        if self._full:
            self._full = False
            self._protocol.resume_writing()
        if self._eof and not self._closing:
            self._loop.call_soon(self._end, False)
        if self._closing:
            self._loop.call_soon(self._lose, None)

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            if not self._unsent:
                self._loop.call_soon(self._lose, None)

    def abort(self) -> None:
        self._closing = True
        self._unsent.clear()
        self._loop.call_soon(self._lose, None)

    def _end(self, reset: bool) -> None:
        self._far.ended(reset=reset)

    def _lose(self, error: Exception | None) -> None:
        if self.lost:
            return
        self.lost = True
        self._closing = True
        self._far.ended(reset=cast("MemorySocket", self._extra_info["socket"]).resets)
        self._protocol.connection_lost(error)

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        if not self._reading:
            self._reading = True
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        while self._unread and self._reading and not self._closing:
            self._hand_over(self._unread.pop(0))

    def _hand_over(self, data: bytes) -> None:
        if data:
            self._protocol.data_received(data)
        elif not self._protocol.eof_received():
            self.close()

    # What the far end does.

    def feed(self, data: bytes) -> None:
        """Sends bytes to the router; none for the end."""
        if self.lost:
            return
        self._unread.append(data)
        self._deliver()

    def feed_soon(self, data: bytes) -> None:
        """The same, after what is being done."""
        self._loop.call_soon(self.feed, data)

    def reset(self) -> None:
        """Resets the connection under the router."""
        self._closing = True
        self._unsent.clear()
        self._loop.call_soon(self._lose, ConnectionResetError("reset by the far end"))

    def reset_soon(self) -> None:
        """The same, after what is being done."""
        self._loop.call_soon(self.reset)

    def stall(self) -> None:
        """Takes nothing that the router writes."""
        self._stalled = True

    def take(self) -> None:
        """Takes it all again."""
        self._stalled = False
        if not self.lost:
            self._flush()
