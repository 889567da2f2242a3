"""Steps: make rooms, name them, come in by each door, be put out, move to a new version."""

from __future__ import annotations

from functools import partial

import nio

from tests.end_to_end.cast import Cast
from tests.end_to_end.people import V3, Device, done, room_path


async def meet_in_a_room(cast: Cast) -> None:
    """By invitation, by alias, by invitation and decline; everybody sees who is there."""
    alice, bob, carol = cast.alice, cast.bob, cast.carol
    made = await alice.client.room_create(
        visibility=nio.RoomVisibility.public,
        preset=nio.RoomPreset.public_chat,
        alias=cast.alias.removeprefix("#").partition(":")[0],
        name="The lobby",
        topic="All and nothing",
    )
    cast.lobby = lobby = done(made).room_id

    done(await alice.client.room_invite(lobby, bob.user))
    invitation = await bob.until(lambda: bob.client.invited_rooms.get(lobby))
    assert invitation.inviter == alice.user
    done(await bob.client.join(lobby))
    assert done(await carol.client.join(cast.alias)).room_id == lobby
    done(await alice.client.room_invite(lobby, cast.dave.user))
    done(await cast.dave.client.room_leave(lobby))

    for device in (alice, bob, cast.alice_phone):
        await device.until(partial(_has_with, device, lobby, carol.user))
    room = bob.room(lobby)
    assert (room.name, room.topic, room.canonical_alias) == ("The lobby", "All and nothing", cast.alias)
    members = {member.user_id for member in done(await carol.client.joined_members(lobby)).members}
    assert members == {alice.user, bob.user, carol.user}
    assert lobby in done(await carol.client.joined_rooms()).rooms
    everybody = await bob.get(room_path(lobby, "members"))
    assert {event["state_key"]: event["content"]["membership"] for event in everybody["chunk"]} == {
        **dict.fromkeys(members, "join"),
        cast.dave.user: "leave",
    }


def _has_with(device: Device, room: str, user: str) -> bool:
    return room in device.client.rooms and user in device.room(room).users


async def give_it_aliases(cast: Cast) -> None:
    alice, bob = cast.alice, cast.bob
    second = cast.alias.replace("#lobby", "#hall/east")
    done(await alice.client.room_put_alias(second, cast.lobby))
    assert done(await bob.client.room_resolve_alias(second)).room_id == cast.lobby
    assert second in (await bob.get(room_path(cast.lobby, "aliases")))["aliases"]
    done(await alice.client.room_delete_alias(second))
    assert isinstance(await bob.client.room_resolve_alias(second), nio.RoomResolveAliasError)


async def change_its_state(cast: Cast) -> None:
    alice, bob, lobby = cast.alice, cast.bob, cast.lobby
    done(await alice.client.update_room_topic(lobby, "Something"))
    await bob.until(lambda: bob.room(lobby).topic == "Something")
    state = done(await bob.client.room_get_state_event(lobby, "m.room.topic"))
    assert state.content["topic"] == "Something"
    done(await alice.client.room_put_state(lobby, "org.example.seat", {"row": 1}, state_key="a/b c"))
    every = done(await bob.client.room_get_state(lobby)).events
    assert {"row": 1} in [event["content"] for event in every if event.get("state_key") == "a/b c"]

    denied = await bob.client.update_room_topic(lobby, "Mine")
    assert isinstance(denied, nio.RoomPutStateError)
    assert denied.status_code == "M_FORBIDDEN"
    levels = await bob.get(room_path(lobby, "state", "m.room.power_levels"))
    levels["users"][bob.user] = 50
    done(await alice.client.room_put_state(lobby, "m.room.power_levels", levels))
    await bob.until(lambda: bob.room(lobby).power_levels.users.get(bob.user) == 50)
    done(await bob.client.update_room_topic(lobby, "Mine"))
    await alice.until(lambda: alice.room(lobby).topic == "Mine")


async def put_one_out(cast: Cast) -> None:
    alice, dave, lobby = cast.alice, cast.dave, cast.lobby
    done(await dave.client.join(lobby))
    await alice.until(lambda: dave.user in alice.room(lobby).users)
    done(await alice.client.room_kick(lobby, dave.user, "for a minute"))
    await alice.until(lambda: dave.user not in alice.room(lobby).users)
    assert (await dave.ask("PUT", room_path(lobby, "send", "m.room.message", "1"), {})).status == 403
    done(await alice.client.room_ban(lobby, dave.user))
    assert isinstance(await dave.client.join(lobby), nio.JoinError)
    done(await alice.client.room_unban(lobby, dave.user))
    done(await dave.client.join(lobby))
    await dave.until(lambda: lobby in dave.client.rooms)


async def knock(cast: Cast) -> None:
    alice, dave = cast.alice, cast.dave
    room = done(await alice.client.room_create(name="Behind a door")).room_id
    done(await alice.client.room_enable_knocking(room))
    done(await dave.client.room_knock(room, "let me in"))
    await alice.until(
        lambda: [
            event
            for event in alice.events[room]
            if isinstance(event, nio.RoomMemberEvent) and event.membership == "knock"
        ]
    )
    done(await alice.client.room_invite(room, dave.user))
    await dave.until(lambda: dave.client.invited_rooms.get(room))
    done(await dave.client.join(room))
    await alice.says_and(dave, room, "Come in")


async def move_to_a_new_version(cast: Cast) -> None:
    """Ids of room version 12 have no domain: the new room is told from the old one by all the same."""
    alice, bob = cast.alice, cast.bob
    old = done(await alice.client.room_create(name="Old", room_version="11", invite=[bob.user])).room_id
    done(await bob.client.join(old))
    upgraded = await alice.post(room_path(old, "upgrade"), {"new_version": "12"})
    new = str(upgraded["replacement_room"])
    assert ":" in old
    assert ":" not in new
    assert await bob.until(lambda: old in bob.client.rooms and bob.room(old).replacement_room) == new
    done(await alice.client.room_invite(new, bob.user))
    await bob.until(lambda: new in bob.client.invited_rooms)
    done(await bob.client.join(new))
    await bob.until(lambda: new in bob.client.rooms and bob.room(new).name == "Old")
    await bob.says_and(alice, new, "All moved in")

    done(await bob.client.room_leave(old))
    done(await bob.client.room_forget(old))
    assert (await bob.ask("GET", f"{room_path(old, 'messages')}?dir=b")).status == 403
    assert (await bob.post(f"{V3}/rooms/{new}/report", {"reason": "only a test"})) == {}
