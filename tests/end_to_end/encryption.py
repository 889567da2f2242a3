"""Steps: two people with two devices each, and a room that only they can read.

nio's crypto is vodozemac, in Rust.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from functools import partial
from typing import Any
from urllib.parse import quote

import nio
from nio.event_builders import ToDeviceMessage

from tests.end_to_end.cast import Cast
from tests.end_to_end.people import V3, Device, done, eventually

ENCRYPTED = {"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}, "state_key": ""}


async def send_from_device_to_device(cast: Cast) -> None:
    """A message to one device reaches that one, a message to all of them reaches all."""
    alice, phone, bob = cast.alice, cast.alice_phone, cast.bob
    for device, text in ((str(phone.client.device_id), "phone"), ("*", "all")):
        content = {"text": text, "action": "request", "nonce": secrets.token_hex(4)}
        done(await bob.client.to_device(ToDeviceMessage("org.example.hint", alice.user, device, content)))
    await phone.until(lambda: [e.source["content"]["text"] for e in phone.to_device] == ["phone", "all"])
    await alice.until(lambda: [e.source["content"]["text"] for e in alice.to_device] == ["all"])


async def compare_emoji(cast: Cast) -> None:
    """Two devices of one user verify each other: six messages to and fro, each through /sync."""
    laptop, phone = cast.alice, cast.alice_phone
    for device in (laptop, phone):  # nio asks by itself once an encrypted room is there
        device.client.olm.users_for_key_query.add(device.user)
    await phone.until(lambda: _device_of(phone, laptop))
    other = await laptop.until(lambda: _device_of(laptop, phone))
    done(await laptop.client.start_key_verification(other))
    transaction = await phone.until(lambda: next(iter(phone.client.key_verifications), None))
    done(await phone.client.accept_key_verification(transaction))

    verifications = await eventually(
        partial(_verifications, transaction, laptop, phone),
        lambda found: all(sas.established_sas for sas in found),
    )
    emoji = [sas.get_emoji() for sas in verifications]
    assert emoji[0] == emoji[1]
    assert len(emoji[0]) == 7
    for device in (laptop, phone):
        done(await device.client.confirm_short_auth_string(transaction))
    await laptop.until(lambda: verifications[0].verified)
    await phone.until(lambda: verifications[1].verified)
    assert _device_of(laptop, phone).verified


async def _verifications(transaction: str, *devices: Device) -> list[Any]:
    """What each device has of it after another /sync, which answers what the other one said."""
    await asyncio.gather(*(device.sync(300) for device in devices))
    return [device.client.key_verifications[transaction] for device in devices]


async def talk_in_secret(cast: Cast) -> None:
    await talk_among(cast.alice, cast.alice_phone, cast.bob, cast.bob_phone)


async def talk_among(*devices: Device) -> None:
    """What one device encrypts, each of the others decrypts; keys go from device to device.

    They are of two users: the first one's makes the room, the last one's is invited.
    """
    host, guest = devices[0], devices[-1]
    made = done(await host.client.room_create(invite=[guest.user], initial_state=[ENCRYPTED]))
    room = made.room_id
    done(await guest.client.join(room))
    await _ready(devices, room)
    for device in devices:
        _trust(device, devices)

    said = []
    for device in devices:
        text = f"{device.name} of {device.user} says {secrets.token_hex(8)}"
        event_id = await device.say(room, text)
        said.append(text)
        for other in devices:
            event = await other.sees(room, event_id)
            assert isinstance(event, nio.RoomMessageText), (other.user, other.name, event)
            assert (event.body, event.decrypted) == (text, other is not device or event.decrypted)
    stored = await guest.get(f"{V3}/rooms/{quote(room)}/messages?dir=b&limit=50")
    kinds = [event["type"] for event in stored["chunk"]]
    assert kinds.count("m.room.encrypted") == len(said)
    assert not any(text in str(stored) for text in said)


async def _ready(devices: Iterable[Device], room: str) -> None:
    """All have the room, its members and their devices' keys."""

    def ready(device: Device) -> bool:
        known = device.client.rooms.get(room)
        return (
            known is not None
            and known.encrypted
            and len(known.users) == 2
            and all(other is device or _device_of(device, other) is not None for other in devices)
            and not device.client.should_upload_keys
        )

    await asyncio.gather(*(device.until(partial(ready, device)) for device in devices))


def _device_of(device: Device, other: Device) -> Any:
    """What one device knows of the other, None before it has heard of it."""
    return device.client.device_store[other.user].get(other.client.device_id)


def _trust(device: Device, trusted: Iterable[Device]) -> None:
    """Trusts those devices, and no other one of their users."""
    ids = {other.client.device_id for other in trusted}
    for user in {other.user for other in trusted}:
        for known in device.client.device_store.active_user_devices(user):
            if known.id in ids:
                device.client.verify_device(known)
            else:
                device.client.blacklist_device(known)


async def back_up_keys(cast: Cast) -> None:
    """What one device puts into the backup, another one of that user finds there, as often as it changes."""
    alice, phone = cast.alice, cast.alice_phone
    algorithm = "m.megolm_backup.v1.curve25519-aes-sha2"
    made = await alice.post(
        f"{V3}/room_keys/version",
        {"algorithm": algorithm, "auth_data": {"public_key": "abcdefg", "signatures": {}}},
    )
    version = made["version"]
    room, session = "!backup/1:localhost", "session/1+a"
    path = f"{V3}/room_keys/keys/{quote(room, safe='')}/{quote(session, safe='')}?version={version}"
    for index in (5, 2):  # what can decrypt more replaces what can decrypt less
        key: dict[str, object] = {
            "first_message_index": index,
            "forwarded_count": 0,
            "is_verified": True,
            "session_data": {},
        }
        assert (await alice.put(path, key))["count"] == 1
        assert (await phone.get(path))["first_message_index"] == index
    every = await phone.get(f"{V3}/room_keys/keys?version={version}")
    assert list(every["rooms"][room]["sessions"]) == [session]
    current = await phone.get(f"{V3}/room_keys/version")
    assert (current["algorithm"], current["version"], current["count"]) == (algorithm, version, 1)

    assert (await phone.get(path, method="DELETE"))["count"] == 0
    await phone.get(f"{V3}/room_keys/version/{version}", method="DELETE")
    gone = await alice.ask("GET", f"{V3}/room_keys/version")
    assert (gone.status, gone.json["errcode"]) == (404, "M_NOT_FOUND")


async def notice_another_device(cast: Cast) -> None:
    """A login of one user shows in the device lists of those who share a room with them."""
    new = cast.device("bob", "watch")
    await new.login()
    await new.sync()
    await cast.alice.until(lambda: _device_of(cast.alice, new))
    before = cast.alice.client.next_batch
    done(await new.client.logout())
    await cast.alice.until(lambda: _device_of(cast.alice, new).deleted)
    await cast.alice.comes_to(
        f"{V3}/keys/changes?from={before}&to={cast.alice.client.next_batch}",
        lambda changes: cast.bob.user in changes["changed"],
    )
