"""Steps: messages and what refers to them; who reads, who types; everything once and in order."""

from __future__ import annotations

import asyncio

import nio
from nio.api import MessageDirection, RelationshipType

from tests.end_to_end.cast import Cast
from tests.end_to_end.people import V1, V3, Device, done, room_path

LONG_POLL_MS = 30_000
THREAD = RelationshipType.thread


async def wake_three_devices(cast: Cast) -> None:
    """Long polls of all devices of one user wait side by side, and one message ends them all."""
    devices = (cast.alice, cast.alice_phone, cast.alice_tablet)
    await _read_all(*devices)
    polls = [asyncio.create_task(device.sync(LONG_POLL_MS)) for device in devices]
    await asyncio.sleep(0.3)  # nothing tells from outside that a /sync waits
    assert not any(poll.done() for poll in polls)
    sent = await cast.bob.say(cast.lobby, "Wake up")
    await asyncio.wait_for(asyncio.gather(*polls), LONG_POLL_MS / 2000)
    for device in devices:
        assert (await device.sees(cast.lobby, sent)).body == "Wake up"


async def _read_all(*devices: Device) -> None:
    """Reads until nothing is new for any of them: what one does may be news for another."""
    before: list[str] = []
    while (now := [device.client.next_batch for device in devices]) != before:
        before = now
        await asyncio.gather(*(device.sync(300) for device in devices))


async def sync_through_a_filter(cast: Cast) -> None:
    carol, lobby = cast.carol, cast.lobby
    kept = done(
        await carol.client.upload_filter(
            room={"timeline": {"types": ["m.room.message"], "limit": 50}, "state": {"types": []}}
        )
    ).filter_id
    await carol.sync()
    done(await cast.alice.client.update_room_topic(lobby, "Filtered"))
    sent = await cast.alice.say(lobby, "Not filtered")
    news: list[nio.Event] = []
    while sent not in [event.event_id for event in news]:
        answer = await carol.sync(1000, sync_filter=kept)
        news += answer.rooms.join[lobby].timeline.events if lobby in answer.rooms.join else []
    assert {type(event) for event in news} == {nio.RoomMessageText}


async def edit_react_redact(cast: Cast) -> None:
    alice, bob, lobby = cast.alice, cast.bob, cast.lobby
    first = await alice.says_and(bob, lobby, "Hullo")
    edit = await alice.say(
        lobby,
        "* Hello",
        **{"m.new_content": {"msgtype": "m.text", "body": "Hello"}},
        **{"m.relates_to": {"rel_type": "m.replace", "event_id": first}},
    )
    assert (await bob.sees(lobby, edit)).source["content"]["m.new_content"]["body"] == "Hello"
    reaction = {"m.relates_to": {"rel_type": "m.annotation", "event_id": first, "key": "+1"}}
    liked = done(await bob.client.room_send(lobby, "m.reaction", reaction)).event_id
    assert isinstance(await alice.sees(lobby, liked), nio.ReactionEvent)

    event = await bob.get(room_path(lobby, "event", first))
    assert event["unsigned"]["m.relations"]["m.replace"]["event_id"] == edit
    found = [
        event.event_id
        async for event in bob.client.room_get_event_relations(
            lobby, first, RelationshipType.annotation, "m.reaction"
        )
    ]
    assert found == [liked]

    done(await alice.client.room_redact(lobby, first, "said better elsewhere"))
    await bob.until(
        lambda: [e for e in bob.events[lobby] if isinstance(e, nio.RedactionEvent) and e.redacts == first]
    )
    assert (await bob.get(room_path(lobby, "event", first)))["content"] == {}


async def talk_in_a_thread(cast: Cast) -> None:
    alice, bob, lobby = cast.alice, cast.bob, cast.lobby
    root = await alice.says_and(bob, lobby, "A thread begins")
    relation = {"rel_type": "m.thread", "event_id": root}
    answers = [await bob.say(lobby, f"Answer {n}", **{"m.relates_to": relation}) for n in range(3)]
    for answer in answers:
        assert (await alice.sees(lobby, answer)).source["content"]["m.relates_to"] == relation
    assert [event.event_id async for event in alice.client.room_get_threads(lobby)] == [root]
    listed = [event.event_id async for event in alice.client.room_get_event_relations(lobby, root, THREAD)]
    assert sorted(listed) == sorted(answers)


async def type_and_read(cast: Cast) -> None:
    alice, bob, carol, lobby = cast.alice, cast.bob, cast.carol, cast.lobby
    await bob.sync()
    done(await alice.client.room_typing(lobby, typing_state=True))
    await bob.until(lambda: bob.room(lobby).typing_users == [alice.user])
    sent = await alice.says_and(bob, lobby, "Read me")
    done(await alice.client.room_typing(lobby, typing_state=False))
    await bob.until(lambda: bob.room(lobby).typing_users == [])
    assert bob.room(lobby).unread_notifications > 0

    done(await bob.client.update_receipt_marker(lobby, sent))
    await alice.until(lambda: _read_by(alice, lobby, bob.user) == sent)
    await bob.until(lambda: bob.room(lobby).unread_notifications == 0)
    done(await carol.client.room_read_markers(lobby, fully_read_event=sent, read_event=sent))
    await alice.until(lambda: _read_by(alice, lobby, carol.user) == sent)
    await carol.until(lambda: carol.room(lobby).fully_read_marker == sent)


def _read_by(device: Device, room: str, user: str) -> str | None:
    """What that user has read, to the device's knowledge, of the main timeline or of everything."""
    known = device.room(room)
    receipt = known.threaded_read_receipts.get(user, {}).get("main") or known.read_receipts.get(user)
    return None if receipt is None else str(receipt.event_id)


async def send_once(cast: Cast) -> None:
    """A request made again with its transaction id is the same message, and the other side has it once."""
    alice, bob, lobby = cast.alice, cast.bob, cast.lobby
    content = {"msgtype": "m.text", "body": "Only once"}
    twice = [
        done(await alice.client.room_send(lobby, "m.room.message", content, tx_id="once")).event_id
        for _ in range(2)
    ]
    assert twice[0] == twice[1]
    await alice.says_and(bob, lobby, "And after")
    assert [event.event_id for event in bob.events[lobby]].count(twice[0]) == 1


async def page_through_a_room(cast: Cast) -> None:
    """Pages back and forth give each message once, in order; so do the neighbours of one of them."""
    alice, bob = cast.alice, cast.bob
    room = done(await alice.client.room_create(name="Long", invite=[bob.user])).room_id
    done(await bob.client.join(room))
    said = [await alice.say(room, f"Line {n}") for n in range(23)]
    await bob.sees(room, said[-1])
    forth = f"{room_path(room, 'messages')}?dir=f&limit=100"
    await bob.comes_to(forth, lambda page: said[-1] in [event["event_id"] for event in page["chunk"]])

    back: list[str] = []
    start = ""
    while True:
        page = done(await bob.client.room_messages(room, start, limit=7))
        back += [event.event_id for event in page.chunk if isinstance(event, nio.RoomMessageText)]
        if not page.end:
            break
        start = page.end
    assert back == said[::-1]
    all_of_it = done(
        await bob.client.room_messages(
            room,
            direction=MessageDirection.front,
            limit=40,
            message_filter={"types": ["m.room.message"]},
        )
    )
    assert [event.event_id for event in all_of_it.chunk] == said

    around = done(await bob.client.room_context(room, said[10], limit=4))
    assert [event.event_id for event in reversed(around.events_before)] == said[8:10]
    assert [event.event_id for event in around.events_after] == said[11:13]
    assert done(await bob.client.room_get_event(room, said[5])).event.body == "Line 5"
    when = around.event.server_timestamp
    found = await bob.get(f"{V1}/rooms/{room}/timestamp_to_event?ts={when}&dir=f")
    assert found["event_id"] in said


async def come_back_to_it_all(cast: Cast) -> None:
    """A first /sync with everything in it, and the one that sees it in slices."""
    await cast.bob_phone.sync(0)
    assert cast.bob_phone.room(cast.lobby).member_count >= 4
    slices = await cast.bob_phone.post(
        "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?timeout=0",
        {
            "lists": {
                "all": {"ranges": [[0, 20]], "required_state": [["m.room.name", ""]], "timeline_limit": 1}
            }
        },
    )
    assert slices["rooms"][cast.lobby]["name"] == "The lobby"
    old = await cast.bob_phone.get(f"{V3}/rooms/{cast.lobby}/initialSync?limit=1")
    assert old["room_id"] == cast.lobby
