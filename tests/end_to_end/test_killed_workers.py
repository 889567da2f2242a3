"""Each process of Synapse is killed and comes back, while matrix-nio's clients go on: nothing is lost."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import nio
import pytest

from router.local.deployment import Deployment
from router.local.layout import HOST
from tests.end_to_end.cast import HOME, WORKERS, Cast
from tests.end_to_end.people import Device, done
from tests.end_to_end.traffic import Traffic, Trouble
from tests.evidence import Chapter, Evidence

WITHOUT_MAIN = b"Failed to talk to main process"
"""What a worker says once it has asked main in vain for 63 s."""

EVERYTHING = ("send", "sync", "typing", "receipt", "account data")


class Outages:
    """Kills one process at a time, lets it come back, and says what was served meanwhile."""

    def __init__(self, deployment: Deployment, evidence: Evidence, traffic: Traffic) -> None:
        self._deployment = deployment
        self._evidence = evidence
        self._traffic = traffic
        self._troubles = 0
        self._killed = time.time()

    def kill(self, process: str) -> None:
        """Ends it at once, whatever it is doing."""
        self._troubles = len(self._traffic.troubles)
        self._killed = time.time()
        self._deployment.kill(process)

    async def start(self, process: str) -> None:
        """Starts it and waits until it is ready; the traffic goes on meanwhile."""
        child = self._deployment.processes[process]
        self._evidence.collect()
        child.start()
        while not await asyncio.to_thread(child.program.ready):
            assert child.exit_code is None, child.log_end()
            await asyncio.sleep(0.05)

    async def synced(self, user: str, where: Callable[[str], bool]) -> set[str]:
        """Waits until such a process has served a /sync of that user, from now on; all that have."""
        before = len(self._evidence.collect())

        def processes() -> set[str]:
            new = self._evidence.collect()[before:]
            return {s.process for s in new if s.user == user and s.target.partition("?")[0].endswith("/sync")}

        await self._traffic.until(lambda: any(where(process) for process in processes()))
        return processes()

    def troubles(self) -> list[Trouble]:
        """What has failed since the kill, and was tried again."""
        return self._traffic.troubles[self._troubles :]

    def _aborted(self) -> list[str]:
        """What the router could not try elsewhere, by its own word: where it was, and why it ended."""
        status = f"http://{HOST}:{self._deployment.layout.admin_port}/status"
        with urllib.request.urlopen(status) as answer:
            failures = json.load(answer)["failures"]
        return [
            f"{failure['route']} at {failure['endpoint']}: {failure['reason']}"
            for failure in failures
            if failure["time"] >= self._killed and failure["status"] == 502
        ]

    def chapter(self, title: str) -> Chapter:
        """What was served since the last one, everything being up again."""
        failed = Counter(str(trouble) for trouble in self.troubles())
        text = ", ".join(f"{what} {times}" for what, times in sorted(failed.items()))
        text += "".join(f"; {reason}" for reason in self._aborted())
        return self._evidence.chapter(f"{title} (failed, then tried again: {text or 'nothing'})")


async def _a_generic_worker_ends(out: Outages, traffic: Traffic, worker: str, device: Device) -> Chapter:
    """Its users' /sync moves to one other worker, and returns to it."""
    out.kill(worker)
    refuge = await out.synced(device.user, lambda process: process != worker)
    assert len(refuge) == 1
    await traffic.goes_on(*EVERYTHING)
    await out.start(worker)
    await out.synced(device.user, lambda process: process == worker)
    return out.chapter(f"{worker} killed and back; {device.user} was on {refuge.pop()} meanwhile")


async def _the_receipts_writer_ends(out: Outages, traffic: Traffic) -> Chapter:
    """Nobody can stand in for a stream's writer: its requests fail, all others go on."""
    out.kill("receipts_writer")
    await traffic.fails("typing", "receipt")
    await traffic.goes_on("send", "sync", "account data")
    await out.start("receipts_writer")
    await traffic.goes_on("typing", "receipt")
    assert {trouble.what for trouble in out.troubles()} == {"typing", "receipt"}
    return out.chapter("receipts_writer killed and back")


async def _the_federation_sender_ends(out: Outages, traffic: Traffic) -> Chapter:
    """No client asks it anything."""
    out.kill("federation_sender1")
    await traffic.goes_on(*EVERYTHING)
    await out.start("federation_sender1")
    assert out.troubles() == []
    return out.chapter("federation_sender1 killed and back")


async def _the_events_persister_ends(out: Outages, traffic: Traffic) -> Chapter:
    """Workers hold what is sent until it is back (Synapse asks it again after 1, 2, 4 … seconds)."""
    out.kill("events_persister1")
    await traffic.goes_on("typing", "receipt", "account data", "sync")
    await out.start("events_persister1")
    await traffic.goes_on("send")
    assert {trouble.what for trouble in out.troubles()} <= {"send"}
    return out.chapter("events_persister1 killed and back")


async def _main_ends(out: Outages, traffic: Traffic) -> Chapter:
    """What only main can do fails; the rest goes on.

    A worker's /sync, typing and receipts may wait too, once in 25 s for each device: it tells main that
    its user is there, again after 1, 2, 4 … seconds.
    """
    out.kill("main")
    await traffic.fails("account data")
    await traffic.goes_on("send")
    await traffic.goes_on_for_the_impatient()
    await out.start("main")
    await traffic.goes_on(*EVERYTHING)
    failed = {trouble.what for trouble in out.troubles() if WITHOUT_MAIN not in trouble.body}
    assert failed <= {"account data", "sync"}
    return out.chapter("main killed and back")


@pytest.mark.xdist_group("kills")
@pytest.mark.timeout(300)
async def test_nothing_is_lost_while_each_process_is_killed_and_comes_back(
    deployment: Deployment, evidence: Evidence, tmp_path: Path
) -> None:
    async with Cast(deployment.layout, evidence.table, tmp_path) as cast:
        senders = (cast.alice, cast.bob, cast.carol)
        readers = (*senders, cast.alice_phone)
        room = await _gather(senders, cast.alice_phone)
        async with Traffic(room, senders=senders, readers=readers) as traffic:
            out = Outages(deployment, evidence, traffic)
            await traffic.until(lambda: {what for what, _ in traffic.counts} == set(EVERYTHING))
            await traffic.goes_on(*EVERYTHING)
            quiet = out.chapter("matrix-nio: 3 users on 4 devices send, sync, type and read")
            rounds = [
                await _a_generic_worker_ends(out, traffic, worker, device)
                for worker, device in zip(WORKERS, senders, strict=True)
            ]
            rounds.append(await _the_receipts_writer_ends(out, traffic))
            rounds.append(await _the_federation_sender_ends(out, traffic))
            rounds.append(await _the_events_persister_ends(out, traffic))
            rounds.append(await _main_ends(out, traffic))
        _judge(traffic, room)
    homes = {f"@{cast.names[person]}:localhost": {HOME[person]} for person in ("alice", "bob", "carol")}
    assert {user: set(processes) for user, processes in quiet.syncs().items()} == homes
    for chapter in (quiet, *rounds):
        assert chapter.misplaced() == []
        assert chapter.misrouted() == []


async def _gather(senders: Sequence[Device], second: Device) -> str:
    """A room that all are in and have synced; `second` is another device of the first one's user."""
    first, *others = senders
    for device in senders:
        await device.register()
    await second.login()
    room = str(done(await first.client.room_create(preset=nio.RoomPreset.public_chat)).room_id)
    for device in others:
        done(await device.client.join(room))
    for device in (*senders, second):
        await device.until(partial(_has_all, device, room, len(senders)))
    return room


def _has_all(device: Device, room: str, members: int) -> bool:
    return room in device.client.rooms and len(device.room(room).users) == members


def _judge(traffic: Traffic, room: str) -> None:
    """Every device has every message once, in one and the same order, which is each user's own."""
    for reader in traffic.readers:
        texts = defaultdict(list)
        for event in reader.events[room]:
            if isinstance(event, nio.RoomMessageText):
                texts[event.sender].append(event.body)
        assert texts == traffic.said, (reader.user, reader.name)
    orders = {
        tuple(e.event_id for e in r.events[room] if e.event_id in traffic.confirmed) for r in traffic.readers
    }
    assert len(orders) == 1
    assert [trouble for trouble in traffic.troubles if not trouble.well_told] == []
