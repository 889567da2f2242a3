"""A stand-in for Synapse that holds long polls, sends a large file fast and takes a large upload slowly.

Run as a program: `python -m benchmarks.memory.worker PORT`. Small requests are answered at once; `GET /polls`
says how many long polls have come.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

from benchmarks.reference import HOST

LARGE = 1 << 30
"""Bytes of the file and of the upload."""

SLICE = 4 << 20
"""Bytes that whoever is slow takes before each `PAUSE`."""

PAUSE = 0.02
"""Seconds: with `SLICE`, 200 MiB/s, which is slower than any of the contenders passes bytes on."""

_PIECE = bytes(256 << 10)
_JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
_FILE = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n"


class Worker(asyncio.Protocol):
    """One connection, one request at a time; the kernel is asked not to hide a proxy's buffers."""

    polls = 0
    """Long polls that have come, on all connections."""

    def __init__(self) -> None:
        self._buffer = b""
        self._upload = 0
        self._taken = 0
        self._unsent = 0
        self._writing_paused = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing is sent before a request."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """A long poll ends so."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """A head, or a piece of the upload."""
        if self._upload:
            self._take(len(data))
            return
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if end:
            self._buffer = b""
            self._answer(head, len(rest))

    def _answer(self, head: bytes, come: int) -> None:
        line, _, _ = head.partition(b"\r\n")
        if b"/sync" in line:
            Worker.polls += 1
        elif b"/media/" in line and line.startswith(b"GET"):
            self._write(_FILE % LARGE)
            self._unsent = LARGE
            self._send()
        elif b"/media/" in line:
            self._upload = LARGE
            self._take(come)
        else:
            body = b'{"polls":%d}' % Worker.polls
            self._write(_JSON % (len(body), body))

    def _take(self, size: int) -> None:
        self._upload -= size
        self._taken += size
        if self._upload <= 0:
            self._upload = 0
            self._write(_JSON % (2, b"{}"))
        elif self._taken >= SLICE and self._transport is not None:
            self._taken = 0
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(PAUSE, self._go_on)

    def _go_on(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _send(self) -> None:
        while self._unsent and not self._writing_paused and self._transport is not None:
            self._unsent -= len(_PIECE)
            self._transport.write(_PIECE)

    def pause_writing(self) -> None:
        """The proxy takes no more for now."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """The proxy takes bytes again."""
        self._writing_paused = False
        self._send()


async def serve(port: int) -> None:
    """Listens for ever."""
    server = await asyncio.get_running_loop().create_server(Worker, HOST, port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
