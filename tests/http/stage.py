"""The stage of one case: a worker that records and does as it is told, and clients that write raw bytes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.http.cases import Case, Client, Step
from tests.http.messages import Message, read_answers, read_requests

OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'
"""What the worker answers where the case does not say otherwise."""

ANSWERING = (Step("request"), Step("write", OK))

PATIENCE = 10.0
"""Seconds after which a step that waits for something fails the case."""

RESET = struct.pack("ii", 1, 0)

Breathe = Callable[[], Awaitable[None]]
"""Lets others do what they can without a further byte."""

Pass = Callable[[float], Awaitable[None]]
"""Lets so many seconds pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """What one client got: answers, and how the connection is at the end (`kept`, `closed`, `reset`)."""

    answers: tuple[Message, ...]
    end: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a case: of each client, and what the worker saw on each of its connections."""

    clients: tuple[Got, ...]
    connections: tuple[tuple[Message, ...], ...]
    worker_ends: tuple[str, ...]

    @property
    def requests(self) -> tuple[Message, ...]:
        return tuple(request for seen in self.connections for request in seen)


class Activity:
    """Counts whatever happens on a stage, and wakes those who wait for it."""

    def __init__(self) -> None:
        self.count = 0
        self._changed = asyncio.Event()

    def note(self) -> None:
        self.count += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def next(self) -> None:
        await self._changed.wait()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds():
                await self.next()

    async def until_quiet(self, breathe: Breathe) -> None:
        seen = -1
        while seen != self.count:
            seen = self.count
            await breathe()


class End:
    """One end of a connection, which is read all the time."""

    def __init__(self, sock: socket.socket, activity: Activity) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.received = b""
        self.state = "kept"
        self._activity = activity
        self._reader = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while data := await loop.sock_recv(self.sock, 262_144):
                self.received += data
                self._activity.note()
            self.state = "closed"
        except OSError:
            self.state = "reset"
        self._activity.note()

    async def write(self, data: bytes) -> None:
        """What the other side doesn't take any more is lost, as it is for a real peer."""
        with contextlib.suppress(OSError):
            async with asyncio.timeout(PATIENCE):
                await asyncio.get_running_loop().sock_sendall(self.sock, data)
        self._activity.note()

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)
        self._activity.note()

    async def stop(self, *, reset: bool = False) -> None:
        self.state = "reset" if reset else "closed"
        self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.sock.close()
        self._activity.note()


class Stage:
    """A worker that listens from the beginning, or never, and the clients that `play` makes."""

    def __init__(self, case: Case, breathe: Breathe, let_pass: Pass) -> None:
        self.case = case
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))  # without `listen` connections are refused, and the port stays ours
        self.sock.setblocking(False)
        if case.listens:
            self.sock.listen()
        self.port: int = self.sock.getsockname()[1]
        self._breathe = breathe
        self._let_pass = let_pass
        self._activity = Activity()
        self._acts = list(case.worker)
        self._workers: list[End] = []
        self._switched: set[End] = set()
        self._ends: list[End] = []
        self._tasks: list[asyncio.Future[None]] = []

    async def play(self, address: tuple[str, int]) -> Outcome:
        """Lets every client do its steps, one client after the other, and tells what became of it."""
        if self.case.listens:
            self._tasks.append(asyncio.ensure_future(self._accept()))
        clients = [await self._perform(client, address) for client in self.case.clients]
        await self._activity.until_quiet(self._breathe)
        return Outcome(
            clients=tuple(
                Got(
                    answers=tuple(read_answers(end.received, client.methods, closed=end.state == "closed")),
                    end=end.state,
                )
                for client, end in zip(self.case.clients, clients, strict=True)
            ),
            connections=tuple(tuple(self._requests(end)) for end in self._workers),
            worker_ends=tuple(end.state for end in self._workers),
        )

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        done = await asyncio.gather(*self._tasks, return_exceptions=True)
        for end in self._ends:
            await end.stop()
        self.sock.close()
        for fault in done:
            if isinstance(fault, Exception):
                raise AssertionError(f"the worker of {self.case.id!r} failed: {fault!r}") from fault

    async def _perform(self, client: Client, address: tuple[str, int]) -> End:
        sock = socket.socket()
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)
        end = End(sock, self._activity)
        self._ends.append(end)
        for step in client.steps:
            await self._do(step, end)
            await self._activity.until_quiet(self._breathe)
        return end

    async def _do(self, step: Step, end: End) -> None:
        if step.verb == "write":
            await end.write(step.data)
        elif step.verb == "bytewise":
            for byte in step.data:
                await end.write(bytes([byte]))
                await asyncio.sleep(0)
        elif step.verb == "wait":
            await self._let_pass(step.seconds)
            self._activity.note()
        elif step.verb == "until":
            await self._activity.until(lambda: step.data in end.received)
        elif step.verb == "fin":
            end.finish()
        elif step.verb == "reset":
            await end.stop(reset=True)
        elif step.verb == "quiet":
            self._activity.note()
            await self._breathe()

    async def _accept(self) -> None:
        while True:
            sock, _ = await asyncio.get_running_loop().sock_accept(self.sock)
            end = End(sock, self._activity)
            self._workers.append(end)
            self._ends.append(end)
            self._activity.note()
            self._tasks.append(asyncio.ensure_future(self._work(end)))

    async def _work(self, end: End) -> None:
        """Answers the requests of one connection in order, each by the next act of the case."""
        served = 0
        while await self._is_due(end, served):
            act = self._acts.pop(0) if self._acts else ANSWERING
            for step in _from_request(act):
                if step.verb in ("head", "request"):
                    if not await self._arrives(end, served, whole=step.verb == "request"):
                        return
                elif step.verb == "fin":
                    await end.stop()
                else:
                    if step.data.startswith(b"HTTP/1.1 101"):
                        self._switched.add(end)
                    await self._do(step, end)
            served += 1

    async def _is_due(self, end: End, served: int) -> bool:
        """Waits for the next request to begin, where the next act doesn't begin before it."""
        at_once = bool(self._acts) and self._acts[0][0].verb == "connect"
        return at_once or await self._arrives(end, served, whole=False)

    async def _arrives(self, end: End, served: int, *, whole: bool) -> bool:
        """Whether the head of that request, or all of it, comes before the connection ends."""
        while not self._has(end, served, whole=whole):
            if end.state != "kept":
                return False
            await self._activity.next()
        return True

    def _has(self, end: End, served: int, *, whole: bool) -> bool:
        requests = self._requests(end)
        if len(requests) <= served:
            return False
        return requests[served].whole if whole else requests[served].has_head

    def _requests(self, end: End) -> list[Message]:
        return read_requests(end.received, switched=end in self._switched)


def _from_request(act: tuple[Step, ...]) -> tuple[Step, ...]:
    """An act waits for the whole request, unless it says what it waits for."""
    if act and act[0].verb in ("head", "request", "connect"):
        return act
    return (Step("request"), *act)
