"""What is measured of each contender, and in which unit: peak growth over what it held just before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from benchmarks.memory import clients
from benchmarks.memory.clients import Client, Door
from benchmarks.memory.tree import Growth

WARM = 200
"""Connections that come and go first, so that what is allocated once for all is there before."""

KIB, MIB = 1 << 10, 1 << 20

Drive = Callable[[Door, int, int], Awaitable[list[Client]]]
"""Does it, given the worker's port and how many clients; what it returns is closed once it is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`unit` bytes in which growth is given, for each of `count` clients; `target` is ours."""

    name: str
    title: str
    unit: int
    count: int
    target: float
    drive: Drive

    @property
    def measure(self) -> str:
        """The unit in words."""
        return "MiB" if self.unit == MIB else "KiB each"


async def _down(door: Door, worker: int, count: int) -> list[Client]:  # noqa: ARG001 - as all are driven
    await clients.download(door)
    return []


async def _up(door: Door, worker: int, count: int) -> list[Client]:  # noqa: ARG001 - as all are driven
    await clients.upload(door)
    return []


async def _idle(door: Door, worker: int, count: int) -> list[Client]:  # noqa: ARG001 - as all are driven
    return await clients.idle(door, count)


SCENARIOS = (
    Scenario(name="down", title="1 GiB down to a slow reader", unit=MIB, count=1, target=8, drive=_down),
    Scenario(name="up", title="1 GiB up to a slow worker", unit=MIB, count=1, target=8, drive=_up),
    Scenario(name="idle", title="idle kept-alive clients", unit=KIB, count=5000, target=4, drive=_idle),
    Scenario(
        name="polls",
        title="concurrent long polls, two sockets each",
        unit=KIB,
        count=5000,
        target=9,
        drive=clients.long_polls,
    ),
)


async def grown(scenario: Scenario, *, pid: int, door: Door, worker: int) -> float:
    """Peak growth of the process tree in the scenario's unit; raises Failed."""
    opened: list[Client] = []

    async def warm_up() -> None:
        await clients.close(await clients.idle(door, WARM))
        await clients.close(await clients.long_polls(door, worker, WARM))

    async def drive() -> None:
        opened.extend(await scenario.drive(door, worker, scenario.count))

    await clients.patiently(warm_up)
    growth = Growth(pid)
    try:
        await clients.patiently(drive)
        return growth.peak() / scenario.unit / scenario.count
    finally:
        await clients.close(opened)
