"""SIGTERM under load: kept-alive clients, new ones, long polls, uploads; nobody may lose anything."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.client import TALLY, Client, End, table
from tests.faults.stage import PATIENCE, Stage

BUSY, THINKING, NEW, POLLS, UPLOADS = 24, 24, 8, 16, 4
THINKS = 0.6
"""Seconds at most between two requests of a client that thinks: below what an idle client is given."""

POLL = 2.0
WARM_UP = 1.0


@dataclass(kw_only=True)
class Ended:
    """What became of all requests, and how the process ended.

    `told` counts clients who were told that their connection closes, `unasked` those whose connection was
    closed while they had nothing to ask. Times are seconds from the signal: until nobody could connect any
    more, and until the process had ended.
    """

    tally: TALLY = field(default_factory=Counter)
    told: int = 0
    unasked: int = 0
    refused_after: float = 0.0
    ended_after: float = 0.0
    status: int | None = None

    def lines(self) -> list[str]:
        """For people."""
        said = (
            f"SIGTERM: nobody could connect any more after {self.refused_after:.2f} s, ended after "
            f"{self.ended_after:.2f} s with {self.status}; {self.told} kept-alive connections were told to "
            f"close, {self.unasked} closed while idle"
        )
        return [said, *table(self.tally)]


async def run(folder: Path, *, poll: float = POLL, drain_timeout: str = "30s") -> Ended:
    """Load, the signal, and what comes of it."""
    ended = Ended()
    stage = Stage(folder, workers=1, drain_timeout=drain_timeout)
    loop = asyncio.get_running_loop()
    try:
        await stage.start()
        stop = asyncio.Event()
        crowd = _Crowd(stage.port, ended, stop)
        asking = [
            *(asyncio.create_task(crowd.keep_asking(seed, 0.0)) for seed in range(BUSY)),
            *(asyncio.create_task(crowd.keep_asking(seed, THINKS)) for seed in range(THINKING)),
            *(asyncio.create_task(crowd.come_anew()) for _ in range(NEW)),
        ]
        await asyncio.sleep(WARM_UP)
        asking += [asyncio.create_task(crowd.ask_once("GET", f"/poll?{poll}")) for _ in range(POLLS)]
        asking += [asyncio.create_task(crowd.upload()) for _ in range(UPLOADS)]
        await asyncio.sleep(0.3)
        stage.terminate()
        signalled = loop.time()
        router = stage.router
        assert router is not None
        watching = asyncio.create_task(_until_refused(stage.port))
        async with asyncio.timeout(PATIENCE + poll):
            await watching
            ended.refused_after = loop.time() - signalled
            ended.status = await router.wait()
            ended.ended_after = loop.time() - signalled
            stop.set()
            await asyncio.gather(*asking)
    finally:
        await stage.stop()
    return ended


async def _until_refused(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return
        writer.close()
        await asyncio.sleep(0.05)


class _Crowd:
    """Clients of every kind; who cannot connect any more leaves."""

    def __init__(self, port: int, ended: Ended, stop: asyncio.Event) -> None:
        self._port = port
        self._ended = ended
        self._stop = stop

    async def keep_asking(self, seed: int, thinks: float) -> None:
        """On one connection, until it is closed; then that client is gone."""
        dice = random.Random(seed)
        client = Client(self._port, self._ended.tally)
        await client.connect()
        while not self._stop.is_set():
            await asyncio.sleep(dice.random() * thinks)
            if client.is_over():
                self._ended.unasked += 1
                break
            await client.ask("GET", dice.choice(("/fast", "/slow")))
            if client.told_to_close:
                self._ended.told += 1
                break
        client.close()

    async def come_anew(self) -> None:
        """A new connection for each request: whoever gets one gets an answer."""
        while not self._stop.is_set():
            client = Client(self._port, self._ended.tally)
            if not await client.connect():
                return
            await client.ask("POST", "/fast")
            client.close()

    async def ask_once(self, method: str, target: str, body: bytes = b"") -> None:
        """One request on a connection of its own."""
        client = Client(self._port, self._ended.tally)
        await client.ask(method, target, body, name="poll")
        client.close()

    async def upload(self) -> None:
        """A body that is half sent when the signal comes."""
        client = Client(self._port, self._ended.tally)
        await client.ask("PUT", "/slow", bytes(40_000), pause=1.0)
        client.close()


def require(ended: Ended) -> None:
    """Raises AssertionError where anybody lost anything."""
    said = "\n".join(ended.lines())
    assert {end for _, end in ended.tally} == {End.WHOLE}, said
    assert ended.status == 0, said
