"""Holds idle client connections open: each has had one answer, and asks for nothing more.

Run as a program: `python -m benchmarks.scale.holder PORT=COUNT...`. It prints `HELD` once all are there, and
ends with an error when one is closed from the other side.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import uvloop

from benchmarks.memory.clients import Client, Door, idle
from router.local.processes import Program
from router.server.process import raise_descriptor_limit

HELD = "all are held"
"""What is printed then."""

CLOSED = "has closed a connection"
"""What is printed, behind a port, before it ends."""

LOOK = 0.5
"""Seconds between two looks at them."""


def program(folder: Path, name: str, wanted: dict[int, int]) -> Program:
    """So many connections to each port, ready once they are open."""
    log = folder / f"{name}.log"
    return Program(
        name=name,
        command=(
            *(sys.executable, "-m", "benchmarks.scale.holder"),
            *(f"{port}={count}" for port, count in wanted.items()),
        ),
        log=log,
        pid_file=folder / f"{name}.pid",
        ready=lambda: HELD in log.read_text(encoding="utf-8", errors="replace"),
        death_signal=signal.SIGTERM,
    )


async def hold(wanted: dict[int, int], *, look: float = LOOK) -> str:
    """For ever; what has happened, once one of them is closed. Raises what keeps one from being opened."""
    held: list[tuple[int, Client]] = []
    for port, count in wanted.items():
        held += [(port, client) for client in await idle(Door(port=port), count)]
    print(HELD, flush=True)
    while True:
        for port, client in held:
            if client.transport is None or client.transport.is_closing():
                return f"port {port} {CLOSED}"
        await asyncio.sleep(look)


if __name__ == "__main__":
    raise_descriptor_limit()
    pairs = (argument.split("=") for argument in sys.argv[1:])
    sys.exit(uvloop.run(hold({int(port): int(count) for port, count in pairs})))
