"""Steps: find rooms, people and what was said; what nobody is to find."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

import nio

from tests.end_to_end.cast import Cast
from tests.end_to_end.people import V1, V3, done, eventually


async def look_it_up_in_the_directory(cast: Cast) -> None:
    alice, dave = cast.alice, cast.dave
    room = done(await alice.client.room_create(name=f"Club of {cast.names['alice']}")).room_id
    done(await alice.client.room_put_state(room, "m.room.join_rules", {"join_rule": "public"}))
    assert await _found(cast, cast.names["alice"]) == []
    await alice.put(f"{V3}/directory/list/room/{quote(room)}", {"visibility": "public"})
    assert done(await dave.client.room_get_visibility(room)).visibility == "public"
    await eventually(partial(_found, cast, cast.names["alice"]), lambda found: found == [room])
    listed = await dave.get(f"{V3}/publicRooms?limit=1")
    assert len(listed["chunk"]) == 1
    done(await dave.client.join(room))
    await alice.put(f"{V3}/directory/list/room/{quote(room)}", {"visibility": "private"})
    await eventually(partial(_found, cast, cast.names["alice"]), lambda found: found == [])


async def _found(cast: Cast, term: str) -> list[str]:
    answer = done(await cast.dave.client.list_public_rooms(filter_generic_search_term=term))
    return [room.room_id for room in answer.public_rooms]


async def look_for_people_and_words(cast: Cast) -> None:
    alice, bob = cast.alice, cast.bob
    word = f"needle{cast.names['alice'].partition('-')[2]}"
    said = await alice.says_and(bob, cast.lobby, f"There is a {word} in the hay")
    request = {"search_categories": {"room_events": {"search_term": word, "keys": ["content.body"]}}}
    events = (await bob.post(f"{V3}/search", request))["search_categories"]["room_events"]
    assert [hit["result"]["event_id"] for hit in events["results"]] == [said]
    nothing = {"search_categories": {"room_events": {"search_term": f"no{word}"}}}
    assert (await bob.post(f"{V3}/search", nothing))["search_categories"]["room_events"]["count"] == 0

    people = {"search_term": cast.names["carol"], "limit": 5}
    await eventually(
        lambda: bob.post(f"{V3}/user_directory/search", people),
        lambda found: [user["user_id"] for user in found["results"]] == [cast.carol.user],
    )


async def walk_through_a_space(cast: Cast) -> None:
    alice, bob = cast.alice, cast.bob
    space = done(
        await alice.client.room_create(name="House", space=True, preset=nio.RoomPreset.public_chat)
    ).room_id
    rooms = [
        done(await alice.client.room_create(name=name, preset=nio.RoomPreset.public_chat)).room_id
        for name in ("Kitchen", "Attic")
    ]
    for room in rooms:
        done(
            await alice.client.room_put_state(
                space,
                "m.space.child",
                {"via": [cast.server_name], "suggested": room == rooms[0]},
                state_key=room,
            )
        )
    done(await bob.client.join(space))
    walked = done(await bob.client.space_get_hierarchy(space)).rooms
    assert {room["room_id"] for room in walked} == {space, *rooms}
    suggested = await bob.get(f"{V1}/rooms/{quote(space)}/hierarchy?suggested_only=true&limit=5")
    assert {room["room_id"] for room in suggested["rooms"]} == {space, rooms[0]}
    summary = await bob.get(f"/_matrix/client/unstable/im.nheko.summary/summary/{quote(rooms[1])}")
    assert summary["name"] == "Attic"


async def find_administration_closed(cast: Cast) -> None:
    """Not even an admin's token opens what is for the machine's own network."""
    admin = {"Authorization": f"Bearer {cast.admin_token}"}
    for path in (
        "/_synapse/admin/v2/users",
        f"/_synapse/admin/v2/users/{quote(cast.alice.user)}",
        "/_synapse/replication/send_events/x",
        "/_synapse/mas/query_user",
    ):
        for method in ("GET", "POST", "PUT", "DELETE"):
            answer = await cast.alice.ask(method, path, headers=admin)
            assert (answer.status, answer.json["errcode"]) == (404, "M_UNRECOGNIZED"), (method, path)
