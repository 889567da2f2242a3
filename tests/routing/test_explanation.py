from __future__ import annotations

import json
from zlib import crc32

import pytest

from router.errors import ProxyError, Source, UriTooLong
from router.request import RequestHead
from router.routing.decision import Forward, decide
from router.routing.explanation import Explanation, explain, explain_request
from router.routing.snapshot import Snapshot
from router.routing.trace import Verdict
from router.settings import Limits, Settings, Timeouts
from router.table import PathForm, Route
from tests.routing.tables import (
    BY_ORIGIN,
    BY_ROOM,
    BY_USER,
    IP_HASH,
    View,
    by_header,
    head,
    route,
    table,
    upstream,
)

TOKEN = "syt_YWxpY2U_SECRETSECRET_1a2b3c"
SNAPSHOT = Snapshot.build(
    table(
        [
            route("/sync$", "users", name="initial_sync", absent="since", line=10),
            route("/sync$", "users", name="sync", line=12),
            route("^/_matrix/federation/", "origins", name="federation", line=14),
            route("^/_matrix/client/v3/rooms/", "workers", name="rooms", line=16),
            route("^/_matrix/client/", "main", name="client", form=PathForm.NORMALISED, line=18),
            route("^/_matrix/", "turns", name="rest", line=20),
        ],
        {
            "main": upstream("main", 8008, policy=BY_USER),
            "workers": upstream("workers", 8101, 8102, 8103, policy=IP_HASH),
            "users": upstream("users", 8101, 8102, 8103, policy=BY_USER),
            "origins": upstream("origins", 8101, 8102, policy=by_header("authorization")),
            "turns": upstream("turns", 8101, 8102),
        },
    ),
    generation=3,
)


def asked(target: str, view: View | None = None, *, authorization: str = "") -> Explanation:
    headers = {"authorization": authorization} if authorization else {}
    return explain(SNAPSHOT, head(target, **headers), view or View())


def test_it_says_route_line_upstream_endpoint_key_and_candidates() -> None:
    told = asked("/_matrix/client/v3/sync?since=s1", authorization=f"Bearer {TOKEN}").as_dict()
    decision = decide(
        SNAPSHOT, head("/_matrix/client/v3/sync?since=s1", authorization=f"Bearer {TOKEN}"), View()
    )
    assert isinstance(decision, Forward)
    names = [each.name for each in decision.candidates]
    assert told["route"] == "sync"
    assert told["source"] == "routes.yaml:12"
    assert told["upstream"] == "users"
    assert told["policy"] == "consistent_hash"
    assert told["endpoint"] == names[0]
    assert told["key"] == {"kind": "user", "crc32": f"{crc32(b'YWxpY2U'):08x}", "hashed": True}
    assert told["candidates"] == [
        {"endpoint": name, "instance": None, "up": True, "chosen": place == 0, "tls": False}
        for place, name in enumerate(names)
    ]
    assert told["generation"] == 3
    assert told["guard"] == "pass"
    assert told["refusal"] is None


def test_every_earlier_route_says_why_not_and_later_ones_that_they_would() -> None:
    steps = asked("/_matrix/client/v3/sync?since=s1").steps
    assert [(step.route.name, step.verdict) for step in steps] == [
        ("initial_sync", Verdict.QUERY),
        ("sync", Verdict.TAKEN),
        ("federation", Verdict.PATH),
        ("rooms", Verdict.PATH),
        ("client", Verdict.LATER),
        ("rest", Verdict.LATER),
    ]


@pytest.mark.parametrize(
    ("target", "authorization", "kind", "hashed"),
    [
        ("/_matrix/client/v3/sync", "", "user", b""),
        ("/_matrix/client/v3/sync?access_token=opaque", "", "user", b"opaque"),
        ("/_matrix/federation/v1/x", "", "header authorization", b""),
        ("/_matrix/federation/v1/x", "X-Matrix a", "header authorization", b"X-Matrix a"),
        ("/_matrix/client/v3/rooms/x", "", "client address", b"\xc0\x00\x02"),
    ],
)
def test_the_kind_of_key_and_its_checksum(target: str, authorization: str, kind: str, hashed: bytes) -> None:
    key = asked(target, authorization=authorization).key
    assert key is not None
    assert (key.kind, key.crc32) == (kind, f"{crc32(hashed):08x}" if hashed else None)


def test_a_server_is_told_by_its_checksum_alone() -> None:
    servers = {"servers": upstream("servers", 8101, 8102, policy=BY_ORIGIN)}
    snapshot = Snapshot.build(table([route("^/", "servers")], servers))
    signed = head("/_matrix/federation/v1/send/1", authorization='X-Matrix origin="a.org",key="k",sig="s"')
    told = explain(snapshot, signed, View())
    assert told.key is not None
    assert (told.key.kind, told.key.crc32) == ("origin", f"{crc32(b'a.org'):08x}")
    assert "a.org" not in str(told.as_dict())
    unsigned = explain(snapshot, head("/_matrix/federation/v1/send/1"), View()).key
    assert unsigned is not None
    assert (unsigned.kind, unsigned.crc32) == ("origin", None)


def test_a_room_has_one_checksum_however_its_id_is_escaped() -> None:
    rooms = {"rooms": upstream("rooms", 8101, 8102, policy=BY_ROOM)}
    snapshot = Snapshot.build(table([route("^/", "rooms")], rooms))
    told = [
        explain(snapshot, head(f"/_matrix/client/v3/rooms/{name}/messages"), View()).key
        for name in ("!a:hs", "%21a%3Ahs", "a:hs")
    ]
    assert [each and (each.kind, each.crc32) for each in told] == [
        ("room", f"{crc32(b'!a:hs'):08x}"),
        ("room", f"{crc32(b'!a:hs'):08x}"),
        ("room", None),
    ]


def test_round_robin_has_no_key_and_one_endpoint_needs_none() -> None:
    assert asked("/_matrix/x").key is None
    key = asked("/_matrix/client/v3/other", authorization=f"Bearer {TOKEN}").key
    assert key is not None
    assert (key.kind, key.hashed) == ("user", False)


@pytest.mark.parametrize(
    "target",
    [
        f"/_matrix/client/v3/sync?access_token={TOKEN}",
        f"/_matrix/client/v3/rooms/x?access_token={TOKEN}&a=b",
        f"/_synapse/admin/x?access_token={TOKEN}",
        f"/nowhere?access_token={TOKEN}",
        f"http://matrix.example/_matrix/x?access_token={TOKEN}",
    ],
)
def test_no_token_and_no_key_in_it(target: str) -> None:
    for authorization in ("", f"Bearer {TOKEN}"):
        text = json.dumps(asked(target, authorization=authorization).as_dict())
        assert "SECRET" not in text
        assert "YWxpY2U" not in text


def test_endpoints_that_are_down_come_last_and_are_never_chosen() -> None:
    whole = asked("/_matrix/client/v3/rooms/x")
    first = whole.candidates[0].endpoint
    down = asked("/_matrix/client/v3/rooms/x", View(down=frozenset({int(first[-4:])})))
    assert [each.endpoint for each in down.candidates if each.chosen] == [down.endpoint]
    assert down.endpoint == whole.candidates[1].endpoint
    assert (down.candidates[-1].endpoint, down.candidates[-1].up) == (first, False)


def test_with_all_down_no_endpoint_is_chosen() -> None:
    down = asked("/_matrix/client/v3/rooms/x", View(down=frozenset({8101, 8102, 8103})))
    assert down.endpoint is None
    assert [each.up for each in down.candidates] == [False, False, False]


@pytest.mark.parametrize(
    ("target", "guard", "status", "reason", "routes"),
    [
        ("/_synapse/admin/x", "closed", 404, "guard", 0),
        ("/_matrix/client/%2e%2e/%2e%2e/_synapse/client", "ambiguous", 400, "guard", 0),
        ("/favicon.ico", "pass", 404, "unmatched", 7),
    ],
)
def test_what_the_router_answers_itself(
    target: str, guard: str, status: int, reason: str, routes: int
) -> None:
    told = asked(target)
    assert told.refusal is not None
    assert (told.guard, told.refusal.status, told.reason, len(told.steps)) == (guard, status, reason, routes)
    assert told.endpoint is None
    assert json.loads(json.dumps(told.as_dict()))["refusal"]["status"] == status


def test_a_route_s_own_limits_are_told() -> None:
    slow = Route(
        name="slow",
        pattern=route("^/").pattern,
        upstream="main",
        first_byte=90.0,
        max_body=1024,
        wait_for_worker=15.0,
        source=Source(file="r.yaml", line=3),
    )
    told = explain(Snapshot.build(table([slow])), head("/"), View()).as_dict()
    assert (told["connect"], told["first_byte"], told["max_body"]) == (5.0, 90.0, 1024)
    assert told["wait_for_worker"] == 15.0
    assert explain(SNAPSHOT, head("/_matrix/x"), View()).wait_for_worker is None


@pytest.mark.parametrize(("offered", "upgrade"), [(b"WebSocket", "websocket"), (b"h2c", None)])
def test_the_protocol_that_is_asked_for_is_told(offered: bytes, upgrade: str | None) -> None:
    talking = Route(name="a", pattern=route("^/").pattern, upstream="main", upgrade=("websocket",))
    headers = [(b"connection", b"upgrade"), (b"upgrade", offered)]
    asked_for = RequestHead(method="GET", target=b"/", headers=headers)
    told = explain(Snapshot.build(table([talking])), asked_for, View())
    assert told.upgrade == told.as_dict()["upgrade"] == upgrade


def test_the_file_s_limits_are_told_where_a_route_has_none() -> None:
    settings = Settings(limits=Limits(body=10, media_body=20), timeouts=Timeouts(connect=1.0, first_byte=2.0))
    told = explain(SNAPSHOT, head("/_matrix/media/x"), View(), settings=settings)
    assert (told.connect, told.first_byte, told.max_body) == (1.0, 2.0, 20)
    assert explain(SNAPSHOT, head("/_matrix/x"), View(), settings=settings).max_body == 10
    nowhere = explain(SNAPSHOT, head("/nowhere"), View(), settings=settings)
    assert (nowhere.connect, nowhere.first_byte, nowhere.max_body) == (None, None, None)


@pytest.mark.parametrize(("length", "status"), [(-1, None), (10, None), (11, 413)])
def test_a_length_above_the_limit_is_refused_by_the_route_that_was_taken(
    length: int, status: int | None
) -> None:
    settings = Settings(limits=Limits(body=10))
    told = explain(SNAPSHOT, head("/_matrix/x"), View(), settings=settings, content_length=length)
    assert told.route is not None
    assert told.route.name == "rest"
    assert (told.refusal.status if told.refusal else None) == status
    assert told.reason == ("body_too_large" if status else "")
    assert (told.endpoint is None) == (status is not None)


def test_a_refusal_of_the_wire_is_explained_as_it_is() -> None:
    told = explain_request(
        SNAPSHOT, View(), method="GET", target=b"/_matrix/x?access_token=SECRET", refused=UriTooLong("long")
    )
    assert told.refusal is not None
    assert (told.guard, told.refusal.status, told.refusal.error) == ("not asked", 414, "long")
    assert (told.reason, told.query) == ("uri_too_long", ("access_token",))
    assert "SECRET" not in json.dumps(told.as_dict())


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [("get", b"/", 501), ("TRACE", b"/", 405), ("GET", b"/a%zz", 400), ("GET", b"*", 400)],
)
def test_a_head_that_is_refused_outright_is_explained(method: str, target: bytes, status: int) -> None:
    told = explain_request(SNAPSHOT, View(), method=method, target=target)
    assert told.refusal is not None
    assert (told.guard, told.refusal.status) == ("not asked", status)
    assert json.dumps(told.as_dict())


def test_userinfo_of_a_refused_target_is_not_shown() -> None:
    told = explain_request(
        SNAPSHOT, View(), method="GET", target=b"http://bob:SECRET@h/a?access_token=SECRET"
    )
    assert told.refusal is not None
    assert "SECRET" not in json.dumps(told.as_dict())


def test_a_good_head_is_explained_the_same_way() -> None:
    told = explain_request(SNAPSHOT, View(), method="GET", target=b"/_matrix/x", client="192.0.2.7")
    assert told == asked("/_matrix/x")


def test_matcher_and_trace_are_held_against_each_other() -> None:
    snapshot = Snapshot.build(SNAPSHOT.table)
    snapshot.seen[b"/_matrix/client/v3/sync"] = (5,)
    with pytest.raises(ProxyError, match=r"routes\.yaml:20.*routes\.yaml:12"):
        explain(snapshot, head("/_matrix/client/v3/sync?since=1"), View())
