"""Workers killed by SIGKILL, and back soon, under the requests of 64 connections: who loses what."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.client import TALLY, Client, End, table
from tests.faults.stage import Stage

CONNECTIONS = 64
EVERY, AWAY = 1.5, 0.5
"""Seconds between two kills, and until the killed one is started again: one is away at a time."""

MIX = (
    *[("GET", "/fast", 0)] * 4,
    *[("GET", "/slow", 0)] * 3,
    ("GET", "/stream", 0),
    ("PUT", "/slow", 2000),
    ("PUT", "/fast", 90_000),
    ("POST", "/slow", 2000),
    ("POST", "/fast", 0),
)
IDEMPOTENT = ("GET", "PUT")
HELD = 65_536
"""Bytes of a body that the router keeps at hand; what is larger is no longer the claim's."""


@dataclass(kw_only=True)
class Losses:
    """What became of all requests, and what the router says that it did."""

    tally: TALLY = field(default_factory=Counter)
    kills: int = 0
    sent: int = 0
    counted: int = 0
    retries: int = 0

    def lines(self) -> list[str]:
        """For people."""
        said = (
            f"{CONNECTIONS} connections, {self.kills} workers killed by SIGKILL, {self.retries:,} requests "
            f"tried again; {self.sent:,} sent, {self.counted:,} ended in the router"
        )
        return [said, *table(self.tally)]

    def require(self) -> None:
        """Raises AssertionError where a request is lost that must not be."""
        ends = self.tally
        said = "\n".join(self.lines())
        assert sum(ends.values()) == self.sent, said
        assert self.counted == self.sent, said
        for method in IDEMPOTENT:
            lost = sum(ends[method, end] for end in End if end not in (End.WHOLE, End.CUT))
            assert lost == 0, f"{lost} {method} had no answer byte and no success\n{said}"
        assert all(ends[method, End.LOST] == 0 for method, _ in ends), f"a connection without a word\n{said}"
        assert self.kills, said
        assert self.retries, f"nobody was in the way of a kill\n{said}"


async def run(folder: Path, seconds: float) -> Losses:
    """Kills and asks for that long."""
    losses = Losses()
    stage = Stage(folder, workers=3)
    try:
        await stage.start()
        stop = asyncio.Event()
        asking = [asyncio.create_task(_ask(stage, losses, stop, seed)) for seed in range(CONNECTIONS)]
        await stage.kill_and_bring_back(seconds, every=EVERY, away=AWAY)
        stop.set()
        await asyncio.gather(*asking)
        losses.kills = stage.kills
        losses.retries = await stage.counted("router_retries_total")
        losses.counted = await stage.counted("router_requests_total")
    finally:
        await stage.stop()
    return losses


async def _ask(stage: Stage, losses: Losses, stop: asyncio.Event, seed: int) -> None:
    dice = random.Random(seed)
    client = Client(stage.port, losses.tally)
    while not stop.is_set():
        method, target, size = dice.choice(MIX)
        name = f"{method} >64K" if size > HELD else method
        losses.sent += 1
        await client.ask(method, target, bytes(size), name=name)
        await asyncio.sleep(0.005)
    client.close()
