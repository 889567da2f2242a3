"""Long polls that wait at every contender while the requests of others are measured."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvloop

from benchmarks.load import LoadFailed
from benchmarks.memory.clients import Client, Door, Failed, close, long_polls
from benchmarks.mix import POLLING
from benchmarks.reference import Ports
from benchmarks.rounds import Running


@contextmanager
def waiting(running: Sequence[Running], ports: Ports, count: int) -> Iterator[None]:
    """So many at each, which have all come to the stand-ins; raises LoadFailed where one ends too early.

    Nothing of this process runs in between: the connections are open, and that is all.
    """
    request = POLLING.raw("user1")
    clients: list[Client] = []
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            for each in running:
                door = Door(port=each.port, tls=each.tls)
                clients += runner.run(long_polls(door, ports.synapse, count, request=request))
            yield
            ended = runner.run(_ended(clients))
            if ended:
                raise LoadFailed(f"{ended} of {len(clients)} long polls ended while others were measured")
        except Failed as error:
            raise LoadFailed(f"long polls: {error}") from error
        finally:
            runner.run(close(clients))


async def _ended(clients: Sequence[Client]) -> int:
    """What has come meanwhile is read first, in several turns of the loop."""
    for _ in range(10):
        await asyncio.sleep(0.02)
    return sum(client.answered.done() for client in clients)
