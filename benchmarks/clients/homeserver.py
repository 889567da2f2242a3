"""A stand-in for Synapse as clients meet it: people, rooms, and a /sync that waits until there is news.

Run as a program: `python -m benchmarks.clients.homeserver PORT...` is all processes of a deployment in one,
so that what is sent to one port wakes who waits at another.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import cast
from urllib.parse import parse_qs, unquote

import uvloop

from benchmarks.reference import HOST, Ports
from router.local.loopback import answers
from router.local.processes import Program

SERVER = "localhost"
FILE = bytes(256 << 10)
"""What every download is."""

Json = Mapping[str, object]

_JSON = (
    b"HTTP/1.1 200 OK\r\n"
    b"Server: Synapse/1.163.2\r\n"
    b"Date: Mon, 23 Nov 2026 20:00:00 GMT\r\n"
    b"Content-Type: application/json\r\n"
    b"Cache-Control: no-cache, no-store, must-revalidate\r\n"
    b"Access-Control-Allow-Origin: *\r\n"
    b"Transfer-Encoding: chunked\r\n"
    b"\r\n%x\r\n%b\r\n0\r\n\r\n"
)


class Homeserver:
    """What is known to all connections. Positions in the stream of messages are the tokens of /sync."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, Json]] = []
        self.joined: defaultdict[str, set[str]] = defaultdict(set)
        self._rooms = 0
        self._waiting: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)

    def create_room(self, user: str) -> str:
        """Its id."""
        self._rooms += 1
        room = f"!{self._rooms}:{SERVER}"
        self.joined[user].add(room)
        return room

    def send(self, room: str, content: Json) -> str:
        """The event's id; wakes everybody in the room."""
        event = f"${len(self.messages)}"
        self.messages.append((room, {"event_id": event, "type": "m.room.message", "content": content}))
        for user, rooms in self.joined.items():
            if room in rooms:
                for waiting in self._waiting[user]:
                    if not waiting.done():
                        waiting.set_result(None)
        return event

    async def sync(self, user: str, since: str, patience: float) -> Json:
        """What is new in the user's rooms, at once or in so many seconds; without `since` only a token."""
        if since and patience and not self._news(user, since):
            woken = asyncio.get_running_loop().create_future()
            self._waiting[user].add(woken)
            try:
                await asyncio.wait([woken], timeout=patience)
            finally:
                self._waiting[user].discard(woken)
        news = self._news(user, since) if since else {}
        joined = {room: {"timeline": {"events": events}} for room, events in news.items()}
        return {"next_batch": f"s{len(self.messages)}", "rooms": {"join": joined}}

    def _news(self, user: str, since: str) -> dict[str, list[Json]]:
        found: defaultdict[str, list[Json]] = defaultdict(list)
        for room, event in self.messages[int(since[1:]) :]:
            if room in self.joined[user]:
                found[room].append(event)
        return found


class Connection(asyncio.Protocol):
    """One request at a time, as clients and the router send them."""

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._waiting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing is sent before a request."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Whoever waits has gone."""
        self._transport = None
        if self._waiting is not None:
            self._waiting.cancel()

    def data_received(self, data: bytes) -> None:
        """Answers a request once it is whole."""
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        fields = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
        }
        length = int(fields.get(b"content-length", b"0"))
        if not end or len(rest) < length:
            return
        self._buffer = rest[length:]
        method, target, _ = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
        path, _, query = target.partition("?")
        user = fields.get(b"authorization", b"").decode("latin-1").removeprefix("Bearer ")
        if path.endswith("/sync"):
            asked = parse_qs(query)
            self._waiting = asyncio.ensure_future(
                self._sync(user, asked.get("since", [""])[0], int(asked.get("timeout", ["0"])[0]) / 1000)
            )
        elif "/media/download/" in path:
            self._write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(FILE), FILE))
        else:
            self._answer(self._reply(method, unquote(path).split("/"), rest[:length], user))

    async def _sync(self, user: str, since: str, patience: float) -> None:
        self._answer(await self._homeserver.sync(user, since, patience))

    def _reply(self, method: str, path: list[str], body: bytes, user: str) -> Json:
        """`path` is split at its slashes: '', '_matrix', 'client', 'v3', …."""
        last = path[-1]
        if last == "upload":
            return {"content_uri": f"mxc://{SERVER}/{len(body)}"}
        if last == "register":
            name = json.loads(body)["username"]
            return {"user_id": f"@{name}:{SERVER}", "access_token": name, "device_id": "D"}
        if last == "createRoom":
            return {"room_id": self._homeserver.create_room(user)}
        if method == "POST" and path[-2] == "join":
            self._homeserver.joined[user].add(last)
            return {"room_id": last}
        if "send" in path and "rooms" in path:
            return {"event_id": self._homeserver.send(path[5], json.loads(body))}
        return {}

    def _answer(self, document: Json) -> None:
        body = json.dumps(document).encode()
        self._write(_JSON % (len(body), body))

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def program(ports: Ports, folder: Path) -> Program:
    """The stand-in as a child process."""
    return Program(
        name="homeserver",
        command=(sys.executable, "-m", "benchmarks.clients.homeserver", *map(str, ports.all())),
        log=folder / "homeserver.log",
        pid_file=folder / "homeserver.pid",
        ready=lambda: all(answers(port) for port in ports.all()),
    )


async def serve(ports: list[int]) -> None:
    """Listens for ever."""
    homeserver, loop = Homeserver(), asyncio.get_running_loop()
    servers = [await loop.create_server(lambda: Connection(homeserver), HOST, port) for port in ports]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    uvloop.run(serve([int(port) for port in sys.argv[1:]]))
