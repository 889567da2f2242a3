"""A dialogue of four users on seven devices, all of them matrix-nio; Synapse says who served it."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.local.deployment import Deployment
from tests.end_to_end import accounts, encryption, finding, media, rooms, talk
from tests.end_to_end.admin import admin_token
from tests.end_to_end.cast import HOME, Cast
from tests.evidence import Chapter, Evidence

STEPS = (
    accounts.register_and_log_in,
    accounts.name_devices_and_oneself,
    rooms.meet_in_a_room,
    rooms.give_it_aliases,
    rooms.change_its_state,
    rooms.put_one_out,
    talk.wake_three_devices,
    talk.sync_through_a_filter,
    talk.edit_react_redact,
    talk.talk_in_a_thread,
    talk.type_and_read,
    talk.send_once,
    talk.page_through_a_room,
    accounts.keep_settings,
    accounts.set_push_rules,
    accounts.show_presence,
    encryption.send_from_device_to_device,
    encryption.compare_emoji,
    encryption.talk_in_secret,
    encryption.notice_another_device,
    encryption.back_up_keys,
    media.share_a_picture,
    media.reserve_and_fill,
    finding.look_it_up_in_the_directory,
    finding.look_for_people_and_words,
    finding.walk_through_a_space,
    finding.find_administration_closed,
    rooms.knock,
    rooms.move_to_a_new_version,
    talk.come_back_to_it_all,
    accounts.log_out,
)


@pytest.fixture
def admins_token(deployment: Deployment) -> str:
    """Made before the evidence is collected: the table sends nobody to the admin API."""
    return admin_token(deployment.layout)


@pytest.mark.timeout(300)
async def test_a_dialogue_and_who_served_it(
    deployment: Deployment, admins_token: str, evidence: Evidence, tmp_path: Path
) -> None:
    async with Cast(deployment.layout, evidence.table, tmp_path) as cast:
        cast.admin_token = admins_token
        for step in STEPS:
            try:
                await step(cast)
            except BaseException as error:
                error.add_note(f"in the step {step.__name__}")
                raise
        chapter = evidence.chapter(f"matrix-nio: {len(STEPS)} steps of 4 users on 7 devices")
        _judge(chapter, cast)


def _judge(chapter: Chapter, cast: Cast) -> None:
    assert chapter.misplaced() == []
    assert chapter.misrouted() == []

    syncs = {user: set(counted) for user, counted in chapter.syncs().items()}
    homes = {f"@{name}:localhost": {HOME[person]} for person, name in cast.names.items()}
    assert {user: syncs[user] for user in homes} == homes

    assert set(chapter.of("/typing/", "/receipt/", "/read_markers")) == {"receipts_writer"}
    pages = chapter.rooms("messages")
    assert pages
    assert {room: len(processes) for room, processes in pages.items()} == dict.fromkeys(pages, 1)
