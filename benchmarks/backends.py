"""Stand-ins for Synapse's processes: answers that are built once a second, each sent by one write.

Run as a program: `python -m benchmarks.backends PORT|SOCKET...` listens on all of them in one process. The
target says what is answered: 64 KiB of JSON, 1 MiB of media, nothing to a long poll, else 200 bytes of JSON.
"""

from __future__ import annotations

import asyncio
import sys
import time
from email.utils import formatdate
from pathlib import Path
from typing import NamedTuple, cast

import uvloop

from benchmarks.mix import DOWNLOAD, KIB, LARGE, LONG_POLL, MIB
from benchmarks.reference import HOST, Ports, socket_of
from router.local.loopback import answers
from router.local.processes import Program

BODY = (
    b'{"next_batch":"s72596_4484_1934_12_7_1_24","presence":{"events":[]},"rooms":{"join":{}},'
    b'"device_one_time_keys_count":{"signed_curve25519":50},"event_id":"$h29iv0s8G3qsXyOdzPrAsKzCvwkzDNvTVG"}'
)
LARGE_BODY = b'{"chunk":"%b"}' % (b"x" * (64 * KIB - 12))
FILE = b"x" * MIB
CHUNK = 4 * KIB
"""Bytes in a chunk of a large answer: as many as Synapse writes at once."""

POLLS = b"/polls"
"""The target that asks how many long polls have come."""

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


class Answer(NamedTuple):
    """The same answer to HTTP/1.1, and to HTTP/1.0, where a body ends with the connection."""

    new: bytes
    old: bytes


class Answers(NamedTuple):
    """What is answered within one second."""

    small: Answer
    large: Answer
    file: Answer


def answers_at(now: float) -> Answers:
    """All of them, dated `now` (seconds since 1970) as Twisted dates its own."""
    fields = _FIELDS % formatdate(now, usegmt=True).encode("ascii")
    media = fields.replace(b"application/json", b"image/png") + b"Content-Length: %d\r\n" % len(FILE)
    return Answers(
        small=_json(fields, BODY),
        large=_json(fields, LARGE_BODY),
        file=Answer(
            new=b"HTTP/1.1 200 OK\r\n%b\r\n%b" % (media, FILE),
            old=b"HTTP/1.0 200 OK\r\nConnection: close\r\n%b\r\n%b" % (media, FILE),
        ),
    )


def _json(fields: bytes, body: bytes) -> Answer:
    pieces = (body[at : at + CHUNK] for at in range(0, len(body), CHUNK))
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return Answer(
        new=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n%b\r\n%b0\r\n\r\n" % (fields, chunks),
        old=b"HTTP/1.0 200 OK\r\nConnection: close\r\n%b\r\n%b" % (fields, body),
    )


class Worker(asyncio.BufferedProtocol):
    """Answers whatever comes, once its body (by Content-Length, never chunked) is whole.

    All connections read into one buffer: what is in it is looked at before the next read. The bytes of a
    body are counted and not kept.
    """

    answers = answers_at(0)
    """Of all connections; `serve` keeps the date."""

    polls = 0
    """Long polls that have come, on all connections."""

    _received = memoryview(bytearray(256 * KIB))

    def __init__(self) -> None:
        self._head = b""
        self._line = b""
        self._missing = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing is sent before a request."""
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """The one of all connections."""
        return self._received

    def buffer_updated(self, size: int) -> None:
        """Counts off the body that is under way, then answers each whole request."""
        missing = self._missing
        if size < missing:
            self._missing = missing - size
            return
        if missing:
            self._missing = 0
            self._answer(self._line)
        buffer = self._head + bytes(self._received[missing:size])
        while buffer:
            end = end_of_request(buffer)
            if not end:
                break
            line = buffer[: buffer.find(b"\r\n")]
            if end > len(buffer):
                self._line, self._missing = line, end - len(buffer)
                buffer = b""
                break
            self._answer(line)
            buffer = buffer[end:]
        self._head = buffer

    def _answer(self, line: bytes) -> None:
        transport, answer = self._transport, self._answer_to(line)
        if transport is None or answer is None:
            return
        if line.endswith(b"1.0"):
            transport.write(answer.old)
            transport.close()
        else:
            transport.write(answer.new)

    def _answer_to(self, line: bytes) -> Answer | None:
        if _LARGE in line:
            return self.answers.large
        if _DOWNLOAD in line:
            return self.answers.file
        if _LONG_POLL in line:
            Worker.polls += 1
            return None
        if POLLS in line:
            return _json(b"", b'{"polls":%d}' % Worker.polls)
        return self.answers.small


_LARGE, _DOWNLOAD, _LONG_POLL = LARGE.encode(), DOWNLOAD.encode(), LONG_POLL.encode()


def end_of_request(buffer: bytes) -> int:
    """Where the first request ends with its body, be that here yet or not; 0 before its head is whole."""
    end = buffer.find(b"\r\n\r\n") + 4
    if end < 4:
        return 0
    at = buffer.find(b"ontent-", 0, end)
    while at >= 0:
        if buffer[at + 7 : at + 14].lower() == b"length:":
            return end + int(buffer[at + 14 : buffer.find(b"\r\n", at)])
        at = buffer.find(b"ontent-", at + 1, end)
    return end


def program(ports: Ports, folder: Path, *, sockets: bool = False) -> Program:
    """The stand-ins as a child process; with `sockets` they listen on unix sockets in the folder, too."""
    places = [*map(str, ports.all())]
    if sockets:
        places += [str(socket_of(folder, port)) for port in ports.all()]
    return Program(
        name="backends",
        command=(sys.executable, "-m", "benchmarks.backends", *places),
        log=folder / "backends.log",
        pid_file=folder / "backends.pid",
        ready=lambda: all(answers(port) for port in ports.all()),
    )


async def serve(places: list[str]) -> None:
    """Listens for ever, and dates the answers anew each second."""
    loop = asyncio.get_running_loop()
    for place in places:
        if place.isdigit():
            await loop.create_server(Worker, HOST, int(place), backlog=1024)
        else:
            await loop.create_unix_server(Worker, place, backlog=1024)
    while True:
        Worker.answers = answers_at(time.time())
        await asyncio.sleep(1)


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1:]))
