from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
import yaml

from router.local.asking.person import MAKERS
from router.local.asking.requests import (
    FILE,
    FIXED_OR_NEW,
    GROUPS,
    Request,
    Valid,
    anonymous,
    authenticated,
    shown,
    valid_for,
    valid_requests,
    wants_credentials,
)
from router.local.asking.servlets import Servlet
from router.synapse.catalogue import shipped

SEND = Servlet(
    pattern="^/_matrix/client/(r0|v3)/rooms/(?P<room_id>[^/]*)/send/(?P<event_type>[^/]*)/(?P<txn_id>[^/]*)$",
    method="PUT",
    name="RoomSendEventRestServlet",
)
VALUES: Mapping[str, object] = {
    "room": "!r:localhost", "unique": "t1", "event": "$e", "auth": {"type": "m.login.password"},
    "new_device": "NEW", "user": "@u/1:localhost", "version": "7", "since": "s1_2&3",
}  # fmt: skip


async def making(name: str) -> object:
    return VALUES[name]


def servlet(method: str, name: str, pattern: str = "^/_matrix/client/v3/x$") -> Servlet:
    return Servlet(pattern=pattern, method=method, name=name)


def test_each_alternative_is_asked_without_credentials_and_with_fixed_ids() -> None:
    assert anonymous(SEND) == (
        Request(
            method="PUT",
            target="/_matrix/client/r0/rooms/!room:localhost/send/m.room.message/transaction",
            body={},
        ),
        Request(
            method="PUT",
            target="/_matrix/client/v3/rooms/!room:localhost/send/m.room.message/transaction",
            body={},
        ),
    )
    assert shown(SEND) == "/_matrix/client/v3/rooms/!room:localhost/send/m.room.message/transaction"


async def test_a_valid_request_has_ids_and_a_body_of_its_own() -> None:
    assert await authenticated(SEND, making) == Request(
        method="PUT",
        target="/_matrix/client/v3/rooms/!r:localhost/send/m.room.message/t1",
        body={"msgtype": "m.text", "body": "hello"},
    )


async def test_values_are_put_where_a_body_names_them() -> None:
    delete = servlet("POST", "DeleteDevicesRestServlet")
    signatures = servlet("POST", "SignaturesUploadServlet")

    assert (await authenticated(delete, making)).body == {"devices": ["NEW"], "auth": VALUES["auth"]}
    assert (await authenticated(signatures, making)).body == {"@u/1:localhost": {}}


async def test_ids_and_queries_are_written_as_a_target_wants_them() -> None:
    changes = servlet("GET", "KeyChangesServlet")
    profile = servlet("GET", "ProfileRestServlet", "^/_matrix/client/v3/profile/(?P<user_id>[^/]*)$")
    alias = servlet("GET", "X", "^/_matrix/client/v3/directory/(?P<room_alias>[^/]*)$")

    assert (await authenticated(changes, making)).target.endswith("/x?from=s1_2%263&to=s1_2%263")
    assert (await authenticated(profile, making)).target.endswith("/profile/@u/1:localhost")
    assert anonymous(alias)[0].target.endswith("/directory/%23alias:localhost")


async def test_only_what_is_posted_or_put_has_a_body() -> None:
    for method, body in (("GET", None), ("DELETE", None), ("POST", {}), ("PUT", {})):
        assert (await authenticated(servlet(method, "Unknown"), making)).body == body
        assert anonymous(servlet(method, "Unknown"))[0].body == body


def test_an_experiments_servlet_is_asked_as_the_one_that_it_stands_for() -> None:
    assert valid_for(servlet("PUT", "UnstableProfileFieldRestServlet")).alone
    assert valid_for(servlet("PUT", "UnstableProfileFieldRestServlet")).body
    assert valid_for(servlet("PUT", "NobodyKnowsServlet")) == Valid()


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("^/_matrix/client/v3/sync$", True),
        ("/_matrix/client/v1/media/config$", True),
        ("/_matrix/media/v3/upload$", True),
        ("^/_matrix/federation/v1/openid/userinfo$", True),
        ("^/_matrix/federation/v1/version$", False),
        ("^/_synapse/client/unsubscribe$", False),
    ],
)
def test_users_have_credentials_for_clients_endpoints(pattern: str, *, wanted: bool) -> None:
    assert wants_credentials(servlet("GET", "X", pattern)) is wanted


def test_every_valid_request_is_one_of_an_endpoint_that_there_is() -> None:
    """So that a name that Synapse changes, or a slip of the pen, does not leave an endpoint half asked."""
    named = {(e.method, e.servlet) for e in shipped().endpoints}

    missing = {name for name in valid_requests() if tuple(name.split(" ")) not in named}

    assert missing == set()


def test_every_name_has_somebody_who_makes_it_and_every_id_a_fixed_value() -> None:
    texts = [*GROUPS.values(), *(text for valid in valid_requests().values() for text in valid.ids.values())]
    ids = {name for text in texts for name in re.findall(r"\$([a-z_]+)", text)}
    named = set(re.findall(r"\$([a-z_]+)", FILE.read_text(encoding="utf-8")))

    assert ids <= FIXED_OR_NEW.keys()
    assert ids | named <= MAKERS.keys()


def test_no_request_is_written_twice() -> None:
    """YAML would let the last one win."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[0] for line in lines if re.match("[A-Z]+ ", line)]

    assert sorted(names) == sorted(yaml.safe_load(FILE.read_text(encoding="utf-8")))
