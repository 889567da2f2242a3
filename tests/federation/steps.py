"""Steps: what people on two homeservers do with each other, and what each sees of the other."""

from __future__ import annotations

import io
import secrets
from collections.abc import Sequence
from functools import partial
from urllib.parse import quote

import nio

from tests.end_to_end import encryption
from tests.end_to_end.media import picture
from tests.end_to_end.people import V1, V3, Device, done, eventually, room_path


class Two:
    """Alice, at home behind the router, and Nora, a neighbour; each with two devices."""

    def __init__(self, alice: Sequence[Device], nora: Sequence[Device]) -> None:
        self.alice, self.alice_phone = alice
        self.nora, self.nora_phone = nora
        self.room = ""
        """Made by Alice and joined by Nora, by one step for those after it."""

    @property
    def both(self) -> tuple[tuple[Device, Device], tuple[Device, Device]]:
        """Each of them, with the other one."""
        return (self.alice, self.nora), (self.nora, self.alice)


def server_of(device: Device) -> str:
    """The name of the homeserver of that device's user."""
    return device.user.partition(":")[2]


async def enter(two: Two) -> None:
    for first, second in ((two.alice, two.alice_phone), (two.nora, two.nora_phone)):
        await first.register()
        await second.login()
    for device in (two.alice, two.nora):
        done(await device.client.set_displayname(f"Is {device.user}"))


async def look_each_other_up(two: Two) -> None:
    """Profiles and keys of somebody with whom no room is shared; a user that is not there."""
    for device, other in two.both:
        assert done(await device.client.get_profile(other.user)).displayname == f"Is {other.user}"
        await other.sync()  # its keys are then on its server
        asked = await device.post(f"{V3}/keys/query", {"device_keys": {other.user: []}})
        assert asked["device_keys"][other.user].keys() == {other.client.device_id}
        wanted = {other.user: {other.client.device_id: "signed_curve25519"}}
        claimed = await device.post(f"{V3}/keys/claim", {"one_time_keys": wanted})
        assert claimed["one_time_keys"][other.user].keys() == {other.client.device_id}
        nobody = await device.ask("GET", f"{V3}/profile/{quote(f'@nobody:{server_of(other)}')}")
        assert (nobody.status, nobody.json["errcode"]) == (404, "M_NOT_FOUND")


async def join_a_room_with_a_history(two: Two) -> None:
    """Found in the other server's directory, joined by its alias; what was said before is asked for."""
    alice, nora = two.alice, two.nora
    local = f"fence-{secrets.token_hex(3)}"
    made = await alice.client.room_create(
        visibility=nio.RoomVisibility.public, preset=nio.RoomPreset.public_chat, alias=local, name=local
    )
    two.room = room = done(made).room_id
    said = [await alice.say(room, f"Before {n}") for n in range(30)]
    listed = await eventually(
        lambda: nora.post(
            f"{V3}/publicRooms?server={quote(server_of(alice))}", {"filter": {"generic_search_term": local}}
        ),
        lambda found: bool(found["chunk"]),
    )
    assert [entry["room_id"] for entry in listed["chunk"]] == [room]
    assert done(await nora.client.join(f"#{local}:{server_of(alice)}")).room_id == room
    for device in (alice, two.alice_phone, nora, two.nora_phone):
        await device.until(partial(_has, device, room, {alice.user, nora.user}))
    await _page_back(nora, room, said)


async def be_invited_to_a_room_with_a_history(two: Two) -> None:
    """The other way: the neighbour's room, by her invitation."""
    alice, nora = two.alice, two.nora
    room = done(await nora.client.room_create(name="Next door")).room_id
    said = [await nora.say(room, f"Earlier {n}") for n in range(30)]
    await _invite(nora, alice, room)
    done(await alice.client.join(room))
    await alice.until(partial(_has, alice, room, {alice.user, nora.user}))
    await _page_back(alice, room, said)
    await alice.says_and(nora, room, "Nice here")
    await nora.says_and(alice, room, "Stay")


async def decline(two: Two) -> None:
    for device, other in two.both:
        room = done(await device.client.room_create(name="Not for everybody")).room_id
        await _invite(device, other, room)
        done(await other.client.room_leave(room))
        await device.until(partial(_left, device, room, other.user))


def _left(device: Device, room: str, user: str) -> bool:
    return any(
        isinstance(event, nio.RoomMemberEvent) and (event.state_key, event.membership) == (user, "leave")
        for event in device.events[room]
    )


async def _invite(device: Device, other: Device, room: str) -> None:
    done(await device.client.room_invite(room, other.user))
    await other.until(partial(other.client.invited_rooms.get, room))


def _has(device: Device, room: str, members: set[str]) -> bool:
    return room in device.client.rooms and members <= set(device.room(room).users)


async def _page_back(device: Device, room: str, said: Sequence[str]) -> None:
    """Each message once and in order, once a server has got them all from the other one."""
    await eventually(partial(_pages, device, room), lambda found: found == list(said)[::-1])


async def _pages(device: Device, room: str) -> list[str]:
    """The messages on all pages, to the beginning of the room."""
    found: list[str] = []
    start = ""
    while True:
        page = done(await device.client.room_messages(room, start, limit=10))
        found += [event.event_id for event in page.chunk if isinstance(event, nio.RoomMessageText)]
        if not page.end:
            return found
        start = page.end


async def talk_over_the_fence(two: Two) -> None:
    """Both ways, in order, and changed afterwards; a message wakes a long poll on the other server."""
    for device, other in two.both:
        said = [await device.say(two.room, f"{device.user} {n}") for n in range(10)]
        await other.sees(two.room, said[-1])
        seen = [event.event_id for event in other.events[two.room] if event.event_id in said]
        assert seen == said
        content = {"m.relates_to": {"rel_type": "m.annotation", "event_id": said[0], "key": "+1"}}
        liked = done(await other.client.room_send(two.room, "m.reaction", content)).event_id
        assert isinstance(await device.sees(two.room, liked), nio.ReactionEvent)
        done(await device.client.room_redact(two.room, said[1], "never mind"))
        await eventually(
            partial(other.get, room_path(two.room, "event", said[1])), lambda event: event["content"] == {}
        )
    done(await two.alice.client.room_put_state(two.room, "m.room.topic", {"topic": "The fence"}))
    await two.nora.until(lambda: two.nora.room(two.room).topic == "The fence")


async def type_read_and_be_there(two: Two) -> None:
    for device, other in two.both:
        await other.sync()
        done(await device.client.room_typing(two.room, typing_state=True))
        await other.until(partial(_is_typing, other, two.room, device.user))
        sent = await device.says_and(other, two.room, "Read me")
        done(await device.client.room_typing(two.room, typing_state=False))
        done(await other.client.update_receipt_marker(two.room, sent))
        await device.until(partial(_has_read, device, two.room, other.user, sent))
        status = f"at {secrets.token_hex(4)}"
        done(await device.client.set_presence("unavailable", status))
        await other.until(
            lambda other=other, user=device.user, status=status: (  # type: ignore[misc]
                getattr(other.presence.get(user), "status_msg", "") == status
            )
        )
        done(await device.client.set_presence("online"))


def _is_typing(device: Device, room: str, user: str) -> bool:
    return user in device.room(room).typing_users


def _has_read(device: Device, room: str, user: str, event_id: str) -> bool:
    known = device.room(room)
    receipt = known.threaded_read_receipts.get(user, {}).get("main") or known.read_receipts.get(user)
    return receipt is not None and receipt.event_id == event_id


async def keep_a_secret(two: Two) -> None:
    """Keys of rooms go from device to device, with those that are claimed on the other server."""
    await encryption.talk_among(two.nora, two.nora_phone, two.alice, two.alice_phone)


async def show_pictures(two: Two) -> None:
    """From the other server, then whole and small from what one's own has kept of it."""
    content = picture()
    for device, other in two.both:
        uploaded, _ = await device.client.upload(
            io.BytesIO(content), content_type="image/png", filename="fence.png", filesize=len(content)
        )
        uri = done(uploaded).content_uri
        assert uri.startswith(f"mxc://{server_of(device)}/")
        for _ in range(2):
            down = done(await other.client.download(uri))
            assert (down.body, down.content_type, down.filename) == (content, "image/png", "fence.png")
        small = await other.ask(
            "GET", f"{V1}/media/thumbnail/{uri.removeprefix('mxc://')}?width=96&height=96&method=crop"
        )
        assert (small.status, small.body[1:4]) == (200, b"PNG")


async def part(two: Two) -> None:
    """Who leaves is seen to be gone, and hears nothing any more."""
    done(await two.nora.client.room_leave(two.room))
    await two.alice.until(lambda: two.nora.user not in two.alice.room(two.room).users)
    assert isinstance(await two.nora.client.room_send(two.room, "m.room.message", {}), nio.RoomSendError)
