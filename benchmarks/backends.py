"""Stand-ins for Synapse's processes: small JSON answers, chunked as Synapse's are, at next to no cost.

Run as a program: `python -m benchmarks.backends PORT...` listens on all of them in one process.
"""

from __future__ import annotations

import asyncio
import sys
import time
from email.utils import formatdate
from pathlib import Path
from typing import NamedTuple, cast

import uvloop

from benchmarks.reference import HOST, Ports
from router.local.loopback import answers
from router.local.processes import Program

BODY = (
    b'{"next_batch":"s72596_4484_1934_12_7_1_24","presence":{"events":[]},"rooms":{"join":{}},'
    b'"device_one_time_keys_count":{"signed_curve25519":50},"event_id":"$h29iv0s8G3qsXyOdzPrAsKzCvwkzDNvTVG"}'
)

_FIELDS = (
    b"Server: Synapse/1.163.2\r\n"
    b"Date: %b\r\n"
    b"Content-Type: application/json\r\n"
    b"Cache-Control: no-cache, no-store, must-revalidate\r\n"
    b"Access-Control-Allow-Origin: *\r\n"
    b"Access-Control-Allow-Methods: GET, HEAD, POST, PUT, DELETE, OPTIONS\r\n"
    b"Access-Control-Allow-Headers: X-Requested-With, Content-Type, Authorization, Date\r\n"
    b"Access-Control-Expose-Headers: Synapse-Trace-Id, Server\r\n"
)


class Answers(NamedTuple):
    """What is answered within one second: `old` is for HTTP/1.0, where the body ends with the connection."""

    chunked: bytes
    old: bytes


def answers_at(now: float) -> Answers:
    """Both answers, dated `now` (seconds since 1970) as Twisted dates its own."""
    fields = _FIELDS % formatdate(now, usegmt=True).encode("ascii")
    return Answers(
        chunked=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n"
        % (fields, len(BODY), BODY),
        old=b"HTTP/1.0 200 OK\r\nConnection: close\r\n%b\r\n%b" % (fields, BODY),
    )


class Worker(asyncio.Protocol):
    """Answers whatever comes, once its body (by Content-Length, never chunked) is whole."""

    answers = answers_at(0)
    """Of all connections; `serve` keeps the date."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing is sent before a request."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answers each whole request."""
        transport = self._transport
        if transport is None:
            return
        buffer = self._buffer + data if self._buffer else data
        while True:
            end = whole_request(buffer)
            if not end:
                break
            if buffer.find(b" HTTP/1.0\r\n", 0, end) >= 0:
                transport.write(self.answers.old)
                transport.close()
                return
            transport.write(self.answers.chunked)
            buffer = buffer[end:]
        self._buffer = buffer


def whole_request(buffer: bytes) -> int:
    """Where the first request ends, its body included; 0 while bytes of it are missing."""
    end = buffer.find(b"\r\n\r\n") + 4
    if end < 4:
        return 0
    at = buffer.find(b"ontent-", 0, end)
    while at >= 0:
        if buffer[at + 7 : at + 14].lower() == b"length:":
            end += int(buffer[at + 14 : buffer.find(b"\r\n", at)])
            break
        at = buffer.find(b"ontent-", at + 1, end)
    return end if end <= len(buffer) else 0


def program(ports: Ports, folder: Path) -> Program:
    """The stand-ins as a child process."""
    return Program(
        name="backends",
        command=(sys.executable, "-m", "benchmarks.backends", *map(str, ports.all())),
        log=folder / "backends.log",
        pid_file=folder / "backends.pid",
        ready=lambda: all(answers(port) for port in ports.all()),
    )


async def serve(ports: list[int]) -> None:
    """Listens for ever, and dates the answers anew each second."""
    loop = asyncio.get_running_loop()
    for port in ports:
        await loop.create_server(Worker, HOST, port, backlog=1024)
    while True:
        Worker.answers = answers_at(time.time())
        await asyncio.sleep(1)


if __name__ == "__main__":
    uvloop.run(serve([int(port) for port in sys.argv[1:]]))
