from __future__ import annotations

import re

import pytest

from router.local.asking.person import MAKERS, CanNotMake, Person, Place
from router.local.asking.wire import Wire
from router.local.deployment import Deployment

MADE = {
    "account": r"\{.*", "alias": r"#x[0-9a-f]+:localhost", "auth": r"\{'type': 'm.login.password'.*",
    "device": "[A-Z]{10}", "event": r"\$.{43}", "filter": r"\d+", "key": "[A-Za-z0-9+/]{43}",
    "media": "[A-Za-z]{24}", "new_alias": r"#x[0-9a-f]+:localhost", "new_delayed_event": "unknown",
    "new_device": "[A-Z]{10}", "new_event": r"\$.{43}", "new_knockable_room": "!.*",
    "new_left_room": "!.*", "new_media_id": "[A-Za-z]{24}", "new_muted_room": "!.*",
    "new_refresh_token": "syr_.*", "new_room": "!.*", "new_user": "@x[0-9a-f]+:localhost",
    "openid_token": "[A-Za-z]+", "other": "@x[0-9a-f]+:localhost", "password": ".+", "room": "!.*",
    "since": "s.*", "thread": r"\$.{43}", "token": "syt_.*", "unique": "x[0-9a-f]{16}",
    "user": "@x[0-9a-f]+:localhost", "version": r"\d+",
}  # fmt: skip


def place(deployment: Deployment) -> Place:
    ports = {i.name: i.client_port for i in deployment.layout.instances if i.client_port is not None}
    return Place(ports=ports, media="main", writers={})


async def test_everything_that_has_a_name_can_be_made(deployment: Deployment) -> None:
    async with Wire() as wire:
        person = Person(wire, place(deployment))
        values = {name: await person.text(name) for name in MAKERS}

        assert {name: value for name, value in values.items() if not re.fullmatch(MADE[name], value)} == {}
        assert len({values["user"], values["other"], values["new_user"]}) == 3
        again = {name: await person.text(name) for name in MAKERS}

    made_anew = {name for name in MAKERS if again[name] != values[name]}
    assert made_anew == {n for n in MAKERS if n.startswith("new_")} - {"new_delayed_event"} | {"unique"}


async def test_what_the_deployment_refuses_is_told(deployment: Deployment) -> None:
    async with Wire() as wire:
        person = Person(wire, place(deployment))

        with pytest.raises(CanNotMake, match=r"POST /_matrix/client/v3/nothing at generic1 answered 404: "):
            await person.ask("POST", "/nothing", {}, at="generic1")
        with pytest.raises(KeyError, match="unheard_of"):
            await person.value("unheard_of")
