"""What four users on seven devices do together, step by step, and what Synapse's logs must say of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from tests.end_to_end import accounts, encryption, finding, media, rooms, talk
from tests.end_to_end.cast import HOME, Cast
from tests.evidence import Chapter

STEPS: tuple[Callable[[Cast], Awaitable[None]], ...] = (
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


async def take(cast: Cast, steps: Iterable[Callable[[Cast], Awaitable[None]]]) -> None:
    """One step after another; an error says in which of them it was."""
    for step in steps:
        try:
            await step(cast)
        except BaseException as error:
            error.add_note(f"in the step {step.__name__}")
            raise


def judge(chapter: Chapter, cast: Cast) -> None:
    """Everything was served where the table sends it, and one user or room by one process."""
    assert chapter.misplaced() == []
    assert chapter.misrouted() == []

    syncs = {user: set(counted) for user, counted in chapter.syncs().items()}
    homes = {f"@{name}:{cast.server_name}": {HOME[person]} for person, name in cast.names.items()}
    assert {user: syncs[user] for user in homes} == homes

    assert set(chapter.of("/typing/", "/receipt/", "/read_markers")) == {"receipts_writer"}
    pages = chapter.rooms("messages")
    assert pages
    assert {room: len(processes) for room, processes in pages.items()} == dict.fromkeys(pages, 1)
