"""Two homeservers over TLS: what one's people do with the other's, and which process took it from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from router.local.deployment import Deployment
from tests.end_to_end.cast import name_for
from tests.end_to_end.people import Device
from tests.evidence import Chapter, Evidence
from tests.federation import steps
from tests.federation.authority import Authority
from tests.federation.neighbour import Neighbour
from tests.federation.steps import Two

pytestmark = pytest.mark.xdist_group("federation")

STEPS: tuple[Callable[[Two], Awaitable[None]], ...] = (
    steps.enter,
    steps.look_each_other_up,
    steps.join_a_room_with_a_history,
    steps.be_invited_to_a_room_with_a_history,
    steps.decline,
    steps.talk_over_the_fence,
    steps.type_read_and_be_there,
    steps.keep_a_secret,
    steps.show_pictures,
    steps.part,
)

ASKED = (
    "/key/v2/server",
    "/v1/query/directory",
    "/v1/query/profile",
    "/v1/publicRooms",
    "/v1/make_join/",
    "/v2/send_join/",
    "/v2/invite/",
    "/v1/make_leave/",
    "/v2/send_leave/",
    "/v1/backfill/",
    "/v1/user/keys/query",
    "/v1/user/keys/claim",
    "/v1/media/download/",
    "/v1/send/",
)
"""What the neighbour must have asked of us; Synapse makes thumbnails itself, of what it has downloaded."""

GENERIC = {"generic1", "generic2", "generic3"}


@pytest.mark.timeout(300)
async def test_people_of_two_servers_and_who_served_the_other_one(
    deployment: Deployment, neighbour: Neighbour, authority: Authority, evidence: Evidence, tmp_path: Path
) -> None:
    home, ca = deployment.layout, authority.context
    async with AsyncExitStack() as closing:

        def devices(base_url: str, user: str, *names: str) -> list[Device]:
            made = [Device(base_url, user, name, tmp_path, ca=ca) for name in names]
            for device in made:
                closing.push_async_callback(device.close)
            return made

        two = Two(
            devices(home.base_url, name_for("alice", "generic1", evidence.table), "laptop", "phone"),
            devices(neighbour.base_url, "nora", "laptop", "phone"),
        )
        for step in STEPS:
            try:
                await step(two)
            except BaseException as error:
                error.add_note(f"in the step {step.__name__}")
                raise
        title = f"federation with {neighbour.name}, over TLS: {len(STEPS)} steps of 2 users on 4 devices"
        _judge(evidence.chapter(title), evidence, neighbour)


def _judge(chapter: Chapter, evidence: Evidence, neighbour: Neighbour) -> None:
    assert chapter.misplaced() == []
    assert chapter.misrouted() == []
    for path in ASKED:
        served = chapter.of(f"/_matrix/federation{path}", f"/_matrix{path}")
        assert served.keys() <= GENERIC, path
        assert served, f"nobody asked for {path}"
    assert set(chapter.transactions()) == {neighbour.name}
    assert set(chapter.transactions()[neighbour.name]) == {evidence.table.origin_worker(neighbour.name)}
    assert chapter.of("/rooms/*/typing/", "/rooms/*/receipt/").keys() == {"receipts_writer"}
