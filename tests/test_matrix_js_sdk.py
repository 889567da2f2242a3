"""matrix-js-sdk with its Rust crypto, a client nobody here wrote, through the router to the real deployment.

The walk itself is in tests/matrix_js_sdk/; what each process served is read from Synapse's own logs.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from router.local.deployment import Deployment
from tests import node
from tests.evidence import Chapter, Evidence

GENERIC = {"generic1", "generic2", "generic3"}

NOBODYS = {
    "GET /_matrix/client/v3/nothing/here 404 unrecognized",
    "GET /_matrix/client/unstable/org.matrix.msc4143/rtc/transports 404 unrecognized",
}
"""No process of this deployment has these: one is asked by the walk, one by the SDK at each start."""


@pytest.fixture(scope="session", autouse=True)
def _installed() -> None:
    """Before the deployment is brought up, so that a machine without npm does not wait for it."""
    node.node()


def the_only(chapter: Chapter, route: str) -> str:
    """The one process that served all requests of a route."""
    (process,) = chapter.processes(route)
    return process


def misrouted(chapter: Chapter) -> set[str]:
    """What was asked of a process that can't serve it, whichever that was."""
    return {text.partition(": ")[2] for text in chapter.misrouted()}


def sync_worker(chapter: Chapter, user: str) -> str:
    """The one generic worker that answered every /sync of all devices of that user."""
    (process,) = chapter.syncs()[user]
    assert process in GENERIC
    return process


def test_a_walk_through_all_that_the_sdk_does(
    deployment: Deployment, evidence: Evidence, tmp_path: Path
) -> None:
    steps = {step.name: step for step in node.run("main.mjs", deployment.layout.base_url, tmp_path / "err")}

    chapter = evidence.chapter(f"matrix-js-sdk, {len(steps)} steps")
    assert chapter.misplaced() == []
    assert misrouted(chapter) == NOBODYS
    people = steps["register"].detail
    assert isinstance(people, list)
    assert len(people) == 2
    for user in people:
        sync_worker(chapter, user)
    assert {the_only(chapter, route) for route in ("typing", "receipts")} == {"receipts_writer"}
    writes = ("media", "account_data_write", "push_rules_write", "send_to_device")
    assert {the_only(chapter, route) for route in writes} == {"main"}
    reads = ("sync", "initial_sync", "sliding_sync", "send", "keys", "room_keys", "media_read", "search")
    for route in reads:
        assert chapter.processes(route).keys() <= GENERIC, route
        assert chapter.processes(route), route
    assert chapter.rooms("messages")
    for room, processes in chapter.rooms("messages").items():
        assert len(processes) == 1, room


class Reaper:
    """Kills and restarts whom it is told; `send` and `sync of USER` are who served that before."""

    def __init__(self, deployment: Deployment, evidence: Evidence) -> None:
        self._deployment = deployment
        self._evidence = evidence
        self._before: Chapter | None = None
        self.killed: dict[str, str] = {}

    def __call__(self, verb: str, whom: str) -> None:
        if verb == "restart":
            self._evidence.collect()
            self._deployment.restart(self.killed[whom])
            return
        if self._before is None:
            self._before = self._evidence.chapter("matrix-js-sdk, a conversation before workers are killed")
        self.killed[whom] = self._process(whom, self._before)
        self._deployment.kill(self.killed[whom])

    def _process(self, whom: str, before: Chapter) -> str:
        kind, _, user = whom.partition(" of ")
        if user:
            return sync_worker(before, user)
        return the_only(before, "send") if kind == "send" else kind

    def revive(self) -> None:
        for name in self.killed.values():
            if not self._deployment.processes[name].running:
                self._deployment.restart(name)


@pytest.mark.xdist_group("kills")
def test_a_conversation_goes_on_while_workers_are_killed(
    deployment: Deployment, evidence: Evidence, tmp_path: Path
) -> None:
    reaper = Reaper(deployment, evidence)
    try:
        steps = node.run("kills.mjs", deployment.layout.base_url, tmp_path / "err", reaper)
    finally:
        reaper.revive()

    killed = ", ".join(reaper.killed.values())
    chapter = evidence.chapter(f"matrix-js-sdk, while {killed} are killed and come back")
    people = steps[0].detail
    assert isinstance(people, list)
    bob = people[1]
    assert set(reaper.killed) == {"send", f"sync of {bob}", "receipts_writer"}
    assert chapter.misplaced() == []
    assert misrouted(chapter) <= NOBODYS
    assert the_only(chapter, "typing") == "receipts_writer"
    for workers, killed_one in (
        (chapter.processes("send"), reaper.killed["send"]),
        (chapter.syncs()[bob], reaper.killed[f"sync of {bob}"]),
    ):
        # A third one helps out where the second is killed before the first is seen to be back.
        assert workers.keys() <= GENERIC
        assert workers.keys() > {killed_one}
