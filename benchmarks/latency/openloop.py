"""Requests at a constant rate, whether or not answers come: an open loop, on kept-alive connections.

Run as a program: `python -m benchmarks.latency.openloop RATE SECONDS CONNECTIONS FILE`, where FILE holds what
`write_plan` wrote; it prints an `Outcome` as JSON. A request's time counts from the moment at which it was
*meant* to be sent, so that waiting for a connection, or for a generator that was late, is part of it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import NamedTuple, cast

import uvloop

from benchmarks.latency.ticks import Ticks
from benchmarks.latency.waiting import waited
from benchmarks.percentiles import percentiles
from benchmarks.reference import HOST

GRACE = 15.0
"""Seconds for the first answers and for the last ones."""

_LEAD = 20_000_000
"""Nanoseconds from the last preparation to the first request."""

Plan = Sequence[tuple[int, bytes]]
"""Ports and the requests that go there, sent in turn, again and again."""


class Outcome(NamedTuple):
    """`asked` requests were meant to be sent in `seconds`; times of the `answered` ones in microseconds.

    `errors` are answers but 200, and requests without one; `late` is how far the generator itself was behind
    its clock (p99), which is part of every time here; `waited` is how long it stood ready without a core, in
    microseconds a request.
    """

    asked: int
    answered: int
    errors: int
    seconds: float
    late: float
    waited: float
    times: dict[str, float]


def write_plan(plan: Plan, file: Path) -> None:
    """As JSON; the bytes of a request are latin-1."""
    file.write_text(json.dumps([(port, raw.decode("latin-1")) for port, raw in plan]), encoding="ascii")


def read_plan(file: Path) -> Plan:
    """What `write_plan` wrote."""
    return [(port, raw.encode("latin-1")) for port, raw in json.loads(file.read_text(encoding="ascii"))]


class Connection(asyncio.Protocol):
    """One request at a time; `warm` is done with the first answer, whose time nobody takes."""

    __slots__ = ("_buffer", "_door", "_due", "_transport", "warm")

    def __init__(self, door: Door) -> None:
        self._door = door
        self._transport: asyncio.WriteTransport | None = None
        self._buffer = b""
        self._due = 0
        self.warm: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Waits to be asked for something."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def ask(self, due: int, request: bytes) -> None:
        """Sends it now."""
        self._due = due
        if self._transport is not None:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Takes the time once the answer is whole."""
        buffer = self._buffer + data if self._buffer else data
        if not is_whole(buffer):
            self._buffer = buffer
            return
        self._buffer = b""
        spent, self._due = time.monotonic_ns() - self._due, 0
        if not self.warm.done():
            self.warm.set_result(None)
        else:
            self._door.take(spent, good=buffer[9:12] == b"200")
        if b"\r\nConnection: close\r\n" in buffer:
            self._door.replace()
        else:
            self._door.free(self)

    def close(self) -> None:
        """Nothing comes any more."""
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """What it was asked has no answer."""
        self._transport = None
        self._door.open_ones.discard(self)
        if not self.warm.done():
            self.warm.set_exception(exc or ConnectionResetError("closed before an answer"))
        elif self._due:
            self._door.fail()


class Door:
    """The connections to one port, and the nanoseconds that each request took there."""

    def __init__(self, port: int, warming: bytes) -> None:
        self.times: list[int] = []
        self.bad = 0
        self.open_ones: set[Connection] = set()
        self._port = port
        self._warming = warming
        self._asked = 0
        self._ended = 0
        self._free: deque[Connection] = deque()
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._idle = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def open(self, count: int) -> None:
        """Connects, and has one answer on each connection, all at a time, so that nothing is new later on."""
        await asyncio.wait_for(asyncio.gather(*(self._connect() for _ in range(count))), GRACE)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(self), HOST, self._port)
        self.open_ones.add(connection)
        connection.ask(0, self._warming)
        await connection.warm

    def replace(self) -> None:
        """The other side ends a connection with its answer: there is another one soon."""
        if self._closed:
            return
        task = asyncio.ensure_future(self._connect())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def ask(self, due: int, request: bytes) -> None:
        """On the connection that has been free longest; without one, on the first that becomes so."""
        self._asked += 1
        if self._free:
            self._free.popleft().ask(due, request)
        else:
            self._waiting.append((due, request))

    async def close(self) -> None:
        """All of it; what has not ended by now never will."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        for connection in tuple(self.open_ones):
            connection.close()
        await asyncio.sleep(0)

    def free(self, connection: Connection) -> None:
        """It has nothing to do."""
        if self._waiting:
            connection.ask(*self._waiting.popleft())
        else:
            self._free.append(connection)

    def take(self, spent: int, *, good: bool) -> None:
        """An answer came after so many nanoseconds."""
        self.times.append(spent)
        self.bad += not good
        self._end_one()

    def fail(self) -> None:
        """A request stays without an answer, its connection is gone."""
        self._end_one()
        self.replace()

    def _end_one(self) -> None:
        self._ended += 1
        if self._ended == self._asked:
            self._idle.set()

    async def idle(self) -> None:
        """Until everything that was asked has ended, for a few seconds at most."""
        self._idle.clear()
        if self._ended < self._asked:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), GRACE)


def is_whole(answer: bytes) -> bool:
    """Whether one answer, with a length or in chunks, has come to its end."""
    end = answer.find(b"\r\n\r\n") + 4
    if end < 4:
        return False
    head = answer[:end].lower()
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        return len(answer) - end >= int(head[at + 17 : head.find(b"\r\n", at + 2)])
    return answer.endswith(b"\r\n0\r\n\r\n")


class Generator:
    """Sends what is due at each tick, until all has been sent that is meant to be."""

    def __init__(self, plan: Plan, doors: dict[int, Door], ticks: Ticks, total: int) -> None:
        self._turns: Iterator[tuple[int, bytes]] = cycle(plan)
        self._doors = doors
        self._ticks = ticks
        self._total = total
        self.sent = 0
        self.late: list[int] = []
        self.done = asyncio.Event()

    def tick(self) -> None:
        """Several ticks may have passed: the loop was busy, or the machine."""
        first, interval = self._ticks.first, self._ticks.interval
        for _ in range(min(self._ticks.passed(), self._total - self.sent)):
            due = first + self.sent * interval
            self.late.append(time.monotonic_ns() - due)
            port, request = next(self._turns)
            self._doors[port].ask(due, request)
            self.sent += 1
        if self.sent == self._total:
            self.done.set()


def shares(plan: Plan, connections: int) -> dict[int, int]:
    """How many of the connections go to each port: as many as requests do, and one at least."""
    counts = Counter(port for port, _ in plan)
    return {port: max(1, math.ceil(connections * count / len(plan))) for port, count in counts.items()}


async def drive(plan: Plan, *, rate: float, seconds: float, connections: int) -> Outcome:
    """Opens the connections, sends for so many seconds, and waits for the last answers.

    Raises OSError where nobody listens, TimeoutError or ValueError where nobody answers.
    """
    doors = {port: Door(port, raw) for port, raw in plan}
    total = round(rate * seconds)
    before = waited()
    try:
        for port, count in shares(plan, connections).items():
            await doors[port].open(count)
        late = await _send(plan, doors, interval=round(1e9 / rate), total=total)
        await asyncio.gather(*(door.idle() for door in doors.values()))
    finally:
        for door in doors.values():
            await door.close()
    times = [each / 1000 for door in doors.values() for each in door.times]
    return Outcome(
        asked=total,
        answered=len(times),
        errors=total - len(times) + sum(door.bad for door in doors.values()),
        seconds=seconds,
        late=percentiles(late)["p99"] / 1000,
        waited=(waited() - before) / total,
        times=percentiles(times),
    )


async def _send(plan: Plan, doors: dict[int, Door], *, interval: int, total: int) -> list[int]:
    """Until all is sent; how late each was, in nanoseconds. Nothing is collected meanwhile."""
    loop = asyncio.get_running_loop()
    gc.collect()
    gc.disable()
    ticks = Ticks(first=time.monotonic_ns() + _LEAD, interval=interval)
    generator = Generator(plan, doors, ticks, total)
    loop.add_reader(ticks.fileno(), generator.tick)
    try:
        await generator.done.wait()
    finally:
        loop.remove_reader(ticks.fileno())
        ticks.close()
        gc.enable()
    return generator.late


def main(rate: str, seconds: str, connections: str, file: str) -> None:
    """Prints one line."""
    plan = read_plan(Path(file))
    driving = drive(plan, rate=float(rate), seconds=float(seconds), connections=int(connections))
    print(json.dumps(uvloop.run(driving)._asdict()))


if __name__ == "__main__":
    main(*sys.argv[1:])
