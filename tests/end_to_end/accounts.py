"""Steps: register, log in on several devices, say who one is; what a user keeps; log out."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

import nio

from tests.end_to_end.cast import Cast
from tests.end_to_end.people import PASSWORD, V3, Device, done, eventually


async def register_and_log_in(cast: Cast) -> None:
    first = cast.alice
    assert "v1.12" in (await first.get("/_matrix/client/versions"))["versions"]
    assert "m.login.password" in done(await first.client.login_info()).flows
    path = f"{V3}/register/available?username={cast.names['alice']}"
    assert (await first.get(path))["available"] is True

    for device in (cast.alice, cast.bob, cast.carol, cast.dave):
        await device.register()
    assert (await first.ask("GET", path)).json["errcode"] == "M_USER_IN_USE"
    for device in (cast.alice_phone, cast.alice_tablet, cast.bob_phone):
        await device.login()

    wrong = await cast.device("carol", "stolen").client.login("wrong")
    assert isinstance(wrong, nio.LoginError)
    assert wrong.status_code == "M_FORBIDDEN"
    assert done(await cast.alice_phone.client.whoami()).user_id == cast.alice.user
    assert "m.room_versions" in (await first.get(f"{V3}/capabilities"))["capabilities"]
    assert done(await cast.bob.client.get_openid_token(cast.bob.user)).access_token


async def name_devices_and_oneself(cast: Cast) -> None:
    alice, phone = cast.alice, cast.alice_phone
    done(await alice.client.update_device(phone.client.device_id, {"display_name": "Alice's phone"}))
    listed = {device.id: device.display_name for device in done(await phone.client.devices()).devices}
    assert listed[phone.client.device_id] == "Alice's phone"
    assert len(listed) == 3

    done(await alice.client.set_displayname("Alice"))
    done(await cast.bob.client.set_displayname("Bob"))
    assert done(await cast.bob.client.get_displayname(alice.user)).displayname == "Alice"
    assert done(await cast.carol.client.get_profile(cast.bob.user)).displayname == "Bob"


async def keep_settings(cast: Cast) -> None:
    alice, phone = cast.alice, cast.alice_phone
    user = f"{V3}/user/{quote(alice.user)}"
    await alice.put(f"{user}/account_data/org.example.theme", {"dark": True})
    await phone.comes_to(f"{user}/account_data/org.example.theme", lambda found: found == {"dark": True})
    assert await phone.until(lambda: phone.account_data.get("org.example.theme")) == {"dark": True}

    room = f"{user}/rooms/{quote(cast.lobby)}"
    await alice.put(f"{room}/account_data/org.example.colour", {"is": "red"})
    assert await phone.until(lambda: phone.room_account_data.get((cast.lobby, "org.example.colour"))) == {
        "is": "red"
    }
    await alice.put(f"{room}/tags/m.favourite", {"order": 0.25})
    await phone.comes_to(f"{room}/tags", lambda found: found["tags"] == {"m.favourite": {"order": 0.25}})
    await phone.until(lambda: "m.favourite" in phone.room(cast.lobby).tags)
    await alice.get(f"{room}/tags/m.favourite", method="DELETE")
    await phone.comes_to(f"{room}/tags", lambda found: found["tags"] == {})

    stranger = await cast.bob.ask("GET", f"{user}/account_data/org.example.theme")
    assert (stranger.status, stranger.json["errcode"]) == (403, "M_FORBIDDEN")


async def set_push_rules(cast: Cast) -> None:
    alice, phone = cast.alice, cast.alice_phone
    override = nio.PushRuleKind.override
    done(
        await alice.client.set_pushrule(
            "global", nio.PushRuleKind.content, "cake", actions=[nio.PushNotify()], pattern="cake"
        )
    )
    done(await alice.client.enable_pushrule("global", nio.PushRuleKind.content, "cake", enable=False))
    cake = f"{V3}/pushrules/global/content/cake"
    rule = await phone.comes_to(cake, lambda rule: rule["enabled"] is False)
    assert rule["pattern"] == "cake"
    await phone.until(lambda: "cake" in str(phone.account_data.get("PushRulesEvent")))

    done(await alice.client.set_pushrule_actions("global", override, ".m.rule.tombstone", [nio.PushNotify()]))
    done(await alice.client.delete_pushrule("global", nio.PushRuleKind.content, "cake"))
    await eventually(lambda: phone.ask("GET", cake), lambda answer: answer.status == 404)
    assert "global" in await phone.get(f"{V3}/pushrules/")
    assert (await phone.get(f"{V3}/pushers"))["pushers"] == []
    assert "notifications" in await phone.get(f"{V3}/notifications?limit=1")


async def show_presence(cast: Cast) -> None:
    done(await cast.bob.client.set_presence("unavailable", "at lunch"))
    seen = done(await cast.alice.client.get_presence(cast.bob.user))
    assert (seen.presence, seen.status_msg) == ("unavailable", "at lunch")
    carol = cast.carol
    await carol.until(lambda: getattr(carol.presence.get(cast.bob.user), "status_msg", "") == "at lunch")
    # A client that syncs says anew, each time, that its user is there.
    done(await cast.bob.client.set_presence("online"))


async def log_out(cast: Cast) -> None:
    """Two tokens die, one by itself and one with all of its user's; the third user's lives on."""
    tablet, bob, phone = cast.alice_tablet, cast.bob, cast.bob_phone
    gone = [tablet.token, bob.token, phone.token]
    done(await tablet.client.logout())
    done(await bob.client.logout(all_devices=True))
    for device, token in zip((tablet, bob, phone), gone, strict=True):
        device.client.access_token = token
        await _until_dead(device)
    assert done(await cast.alice.client.whoami()).user_id == cast.alice.user
    assert len(done(await cast.alice.client.devices()).devices) == 2

    again = cast.device("bob", "new laptop")
    done(await again.client.login(PASSWORD))
    assert again.token not in gone
    await again.until(lambda: cast.lobby in again.client.rooms)


async def _until_dead(device: Device) -> None:
    """Other processes hear through replication, just after the answer to the logout, that a token is dead."""
    paths = [f"{V3}/account/whoami", f"{V3}/sync?timeout=0", f"{V3}/pushrules/", f"{V3}/pushers"]
    for path in paths:
        answer = await eventually(partial(device.ask, "GET", path), lambda answer: answer.status == 401)
        assert answer.json["errcode"] == "M_UNKNOWN_TOKEN"
