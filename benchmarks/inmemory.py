"""One whole request through the data plane without bytes on a socket: connections, exchange, metrics, log."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import uvloop

from benchmarks.backends import answers_at
from router.app import Application
from router.proxy.connection import ClientConnection
from router.proxy.record import ExchangeRecord
from router.settings import Config
from router.upstream.connection import UpstreamConnection

ANSWER = answers_at(0).small.new


class Wire(asyncio.Transport):
    """Takes what is written and forgets it; notes who wrote. `sock` is what the kernel is asked about."""

    def __init__(
        self, writers: list[asyncio.Protocol], protocol: asyncio.Protocol, sock: socket.socket
    ) -> None:
        super().__init__({"peername": ("127.0.0.1", 40000), "socket": sock})
        self._writers = writers
        self._protocol = protocol
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:  # noqa: ARG002 - asyncio's signature
        """Nothing goes anywhere."""
        self._writers.append(self._protocol)

    def is_closing(self) -> bool:
        """Whether it was given up."""
        return self._closing

    def abort(self) -> None:
        """Gives it up."""
        self._closing = True

    def get_write_buffer_size(self) -> int:
        """Nothing waits."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Marks of what never waits."""


class Lane:
    """One client connection, and one idle connection to every worker of a configuration."""

    def __init__(self, config: Config, loop: asyncio.AbstractEventLoop) -> None:
        self.application = Application(config, loop=loop)
        context = self.application.context
        context.settings = replace(
            config.settings, limits=replace(config.settings.limits, requests_per_connection=sys.maxsize)
        )
        self.sockets = socket.socketpair()
        self._asked: list[asyncio.Protocol] = []
        self._answered: list[asyncio.Protocol] = []
        for endpoint in {each.name: each for each in self.application.discovery.endpoints()}.values():
            worker = UpstreamConnection(endpoint, context.pool)
            worker.connection_made(Wire(self._asked, worker.as_protocol(), self.sockets[0]))
            context.pool.release(worker)
        self._client = ClientConnection(context, config.settings.listen[0], lambda _: None)
        self._client.connection_made(Wire(self._answered, self._client.as_protocol(), self.sockets[0]))

    def serve(self, request: bytes) -> None:
        """Takes one request in one piece, and its worker's answer in one piece.

        Raises RuntimeError where the answer does not come back out.
        """
        self._client.data_received(request)
        worker = self._asked.pop()
        self._asked.clear()
        worker.data_received(ANSWER)
        if not self._answered:
            raise RuntimeError("the request was not answered")
        self._answered.clear()

    def serve_pieces(self, request: Sequence[bytes], answer: Sequence[bytes]) -> None:
        """Takes a request and its worker's answer in pieces; `answer` is empty where no worker is asked.

        Raises RuntimeError where a worker is asked and has nothing to say, or the other way round, and where
        no answer comes back out.
        """
        for piece in request:
            self._client.data_received(piece)
        if bool(self._asked) is not bool(answer):
            raise RuntimeError("a worker was asked" if self._asked else "no worker was asked")
        for piece in answer:
            self._asked[0].data_received(piece)
        self._asked.clear()
        if not self._answered:
            raise RuntimeError("the request was not answered")
        self._answered.clear()

    def record_of(self, request: bytes) -> ExchangeRecord:
        """The record that the request leaves."""
        return self.record_while(lambda: self.serve(request))

    def record_while(self, call: Callable[[], object]) -> ExchangeRecord:
        """The record of the last exchange that has ended while that was called."""
        context = self.application.context
        notes = Notes()
        observer, context.observer = context.observer, notes
        try:
            call()
        finally:
            context.observer = observer
        return notes.ended[-1]


class Notes:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.ended: list[ExchangeRecord] = []

    def begin(self, exchange: ExchangeRecord) -> None:
        """Of no interest here."""

    def finish(self, exchange: ExchangeRecord) -> None:
        """Keeps the record."""
        self.ended.append(exchange)


@contextmanager
def lane(config: Config) -> Iterator[Lane]:
    """A lane on a loop that never runs."""
    loop = uvloop.new_event_loop()
    opened = Lane(config, loop)
    try:
        yield opened
    finally:
        opened.application.pool.close()
        opened.application.access_log.close()
        for sock in opened.sockets:
            sock.close()
        loop.close()
