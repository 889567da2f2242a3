"""The router, a real nginx and a real HAProxy side by side, each before a worker that records.

All three and their workers are asked over loopback. Nothing here sleeps: a client of nginx or HAProxy sends
all it has, then a FIN, and reads until they end the connection; the router is in this process, so that it is
known when it has nothing more to do.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import socket
import struct
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any, cast

import uvloop

from router.proxy.record import ExchangeRecord
from router.routing.snapshot import Snapshot
from router.settings import Settings
from tests.fuzz.readings import CUT, Request, lenient, strict
from tests.real_haproxy import haproxy
from tests.real_nginx import free_ports, nginx
from tests.wire import Peer, Proxy, all_to, settle, tcp

PATIENCE = 2.0
"""Seconds that nginx and HAProxy may take to end a connection on which all is said."""

ANSWERS_WITHIN = 0.02
"""Seconds that all answers take where all requests are answered; the rest are not waited for."""

LINGER = struct.pack("ii", 1, 0)
TAG = b"x-fuzz-client"
"""The field in which nginx and HAProxy tell the port of the client that a request came from."""

NGINX = """\
proxy_http_version 1.1;
server {{
  listen 127.0.0.1:{port};
  client_max_body_size 0; underscores_in_headers on; ignore_invalid_headers off; lingering_close off;
  proxy_request_buffering off; proxy_ignore_client_abort on; proxy_next_upstream off;
  proxy_set_header Host $http_host;
  proxy_set_header X-Fuzz-Client $remote_port;
  location / {{ proxy_pass http://127.0.0.1:{worker}; }}
}}
"""

HAPROXY = """\
listen fuzz
  bind 127.0.0.1:{port}
  option http-server-close
  http-reuse never
  retries 0
  http-request set-header X-Fuzz-Client %[src_port]
  server w 127.0.0.1:{worker}
"""


class Worker(asyncio.Protocol):
    """One connection to a worker: answers each request that it can read, by the letter or else leniently."""

    def __init__(self, records: Records) -> None:
        self.data = b""
        self._records = records
        self._answered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._records.connections.append(self)

    def data_received(self, data: bytes) -> None:
        self.data += data
        self._records.events += 1
        reading = strict(self.data)
        if reading.fault not in ("", CUT) and len(lenient(self.data).requests) > len(reading.requests):
            reading = lenient(self.data)
        for request in reading.requests[self._answered :]:
            if request.whole and not self._transport.is_closing():
                self._answered += 1
                self._answer(request)

    def _answer(self, request: Request) -> None:
        ends = (b"connection", b"close") in request.fields or self._records.closes()
        close = b"Connection: close\r\n" if ends else b""
        body = b"" if request.method == b"HEAD" else b"ok"
        self._transport.write(b"HTTP/1.1 200 OK\r\n%bContent-Length: 2\r\n\r\n%b" % (close, body))
        if ends:
            self._transport.close()


class Records:
    """What came to the workers of one of the three."""

    def __init__(self) -> None:
        self.connections: list[Worker] = []
        self.events = 0
        self.random: Random | None = None

    def closes(self) -> bool:
        """Whether a worker ends its connection with the answer, by its own will."""
        return self.random is not None and self.random.randrange(4) == 0

    def by_client(self) -> dict[int, list[Request]]:
        """Requests in order, by the port of the client that nginx or HAProxy had them from."""
        found: dict[int, list[Request]] = defaultdict(list)
        for worker in self.connections:
            # What leaves nginx or HAProxy is read as they mean it: they may write what the letter forbids.
            reading = strict(worker.data)
            requests = reading.requests or lenient(worker.data).requests
            for request in requests:
                port = next((value for name, value in request.fields if name == TAG), b"0")
                found[int(port)].append(request)
        return found


class Seen:
    """What the router made of one input: its workers' bytes, its records, and what the client got."""

    def __init__(self, workers: list[bytes], ended: list[ExchangeRecord], got: bytes) -> None:
        self.workers = workers
        self.ended = ended
        self.got = got

    @property
    def requests(self) -> list[Request]:
        return [request for data in self.workers for request in strict(data).requests]


class Rivals:
    """All three, running."""

    def __init__(self) -> None:
        self.loop = uvloop.new_event_loop()
        self._stack = ExitStack()
        atexit.register(self.close)
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._records = {name: Records() for name in ("router", "nginx", "haproxy")}
        workers = {name: self._listen(records) for name, records in self._records.items()}
        first, second = free_ports(2)
        self._stack.enter_context(nginx(folder, NGINX.format(port=first, worker=workers["nginx"])))
        self._stack.enter_context(
            haproxy(folder, HAPROXY.format(port=second, worker=workers["haproxy"]), listens_on=second)
        )
        self._ports = {"nginx": first, "haproxy": second}
        self._table = all_to(tcp(workers["router"]))
        self._snapshot = Snapshot.build(self._table, Settings().guard)

    def _listen(self, records: Records) -> int:
        server = self.loop.run_until_complete(
            self.loop.create_server(lambda: Worker(records), "127.0.0.1", 0, backlog=1000)
        )
        port: int = cast("asyncio.Server", server).sockets[0].getsockname()[1]
        return port

    def close(self) -> None:
        """Ends nginx and HAProxy."""
        self._stack.close()

    def play(self, data: bytes, random: Random) -> tuple[Seen, dict[str, list[Request]]]:
        """The same input to all three: what the router's worker got, and what theirs did."""
        return self.loop.run_until_complete(self._play(data, random))

    async def _play(self, data: bytes, random: Random) -> tuple[Seen, dict[str, list[Request]]]:
        others = asyncio.gather(*(self._ask(port, data) for port in self._ports.values()))
        seen = await self._ask_router(data, random)
        ports = await others
        theirs = {}
        for name, client in zip(self._ports, ports, strict=True):
            theirs[name] = self._records[name].by_client()[client]
            self._records[name].connections.clear()
        return seen, theirs

    def ask_again(self, data: bytes) -> dict[str, list[Request]]:
        """The same of nginx and HAProxy alone, with time for what is still under way."""

        async def patiently() -> dict[str, list[Request]]:
            found = {}
            for name, port in self._ports.items():
                client = await self._ask(port, data)
                await asyncio.sleep(0.05)
                found[name] = self._records[name].by_client()[client]
            return found

        return self.loop.run_until_complete(patiently())

    async def _ask(self, port: int, data: bytes) -> int:
        """Sends all and a FIN, and reads to the end; the client's port."""
        with socket.socket() as client:
            client.setblocking(False)
            await self.loop.sock_connect(client, ("127.0.0.1", port))
            own: int = client.getsockname()[1]
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self.loop.sock_sendall(client, data)
                    await self._read_answers(client, len(lenient(data).requests))
                    client.shutdown(socket.SHUT_WR)
                    while await self.loop.sock_recv(client, 65_536):
                        pass
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
        return own

    async def _read_answers(self, client: socket.socket, count: int) -> None:
        """Reads so many, or to the end: HAProxy answers no further request once it has seen a FIN."""
        got = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWERS_WITHIN):
                while got.count(b"HTTP/1.1 ") < count:
                    data = await self.loop.sock_recv(client, 65_536)
                    if not data:
                        return
                    got += data

    async def _ask_router(self, data: bytes, random: Random) -> Seen:
        records = self._records["router"]
        records.random = random
        proxy = Proxy(self._table, snapshot=self._snapshot)
        await proxy.listen()
        client = await proxy.connect()
        with contextlib.suppress(OSError, AssertionError):
            await client.send(data)
        got = await _until_quiet(client, proxy, records)
        client.reset()
        await proxy.stop()
        self.loop.set_exception_handler(None)
        workers = [worker.data for worker in records.connections]
        for worker in records.connections:
            worker._transport.abort()
        records.connections.clear()
        return Seen(workers, proxy.recorder.ended, got)


async def _until_quiet(client: Peer, proxy: Proxy, records: Records) -> bytes:
    """What the client got, once nothing happens any more."""
    got = b""
    before: Any = None
    while before != (now := (len(got), records.events, len(proxy.recorder.begun), len(proxy.recorder.ended))):
        before = now
        await settle()
        with contextlib.suppress(OSError):
            got += client.sock.recv(262_144)
    return got
