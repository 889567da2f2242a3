from __future__ import annotations

import pytest

from router.answers import Redirect, Response
from router.errors import ProxyError
from router.request import RequestHead
from router.routing.decision import Decision, Forward, Refuse, Respond, decide
from router.routing.snapshot import Snapshot
from router.settings import Guard
from router.table import Pattern, Refusal, Route, RouteTable
from tests.routing.tables import BY_USER, IP_HASH, View, head, ports, route, table, upstream

SNAPSHOT = Snapshot.build(
    table(
        [
            route("/sync$", "users", absent="since", name="initial_sync", line=10),
            route("/sync$", "workers", name="sync", line=12),
            route("^/_matrix/client/v3/rooms/", "workers", methods=["GET"], name="rooms", line=14),
            Route(name="gone", pattern=Pattern(text="^/gone"), refusal=Refusal(status=410, errcode="M_GONE")),
            route("^/_matrix/", "main", name="rest", line=20),
            route("^/_synapse/", "main", name="rest", line=21),
        ],
        {
            "main": upstream("main", 8008),
            "workers": upstream("workers", 8101, 8102, 8103, policy=IP_HASH),
            "users": upstream("users", 8101, 8102, 8103, policy=BY_USER),
        },
    )
)


def routed(decision: Decision) -> str:
    """The route's name, or the reason of a refusal."""
    return decision.route.name if isinstance(decision, Forward) else decision.reason


@pytest.mark.parametrize(
    ("request_head", "expected"),
    [
        (head("/_matrix/client/v3/sync"), "initial_sync"),
        (head("/_matrix/client/v3/sync?since=s1"), "sync"),
        (head("/_matrix/client/v3/rooms/!a/members"), "rooms"),
        (head("/_matrix/client/v3/rooms/!a/members", "HEAD"), "rooms"),
        (head("/_matrix/client/v3/rooms/!a/members", "OPTIONS"), "rooms"),
        (head("/_matrix/client/v3/rooms/!a/members", "PUT"), "rest"),
        (head("/gone"), "route"),
        (head("/"), "unmatched"),
        (head("/_synapse/client/pick_idp"), "rest"),
        (head("/_synapse/admin/v2/users"), "guard"),
        (head("/_matrix/client/%2E%2E/%2E%2E/_synapse/client/x"), "guard"),
    ],
)
def test_guard_then_first_route_then_balancer(request_head: RequestHead, expected: str) -> None:
    assert routed(decide(SNAPSHOT, request_head, View())) == expected


def test_a_refusal_is_the_route_s_own() -> None:
    decision = decide(SNAPSHOT, head("/gone"), View())
    assert isinstance(decision, Refuse)
    assert (decision.refusal.status, decision.refusal.errcode) == (410, "M_GONE")
    assert decision.route is not None
    assert decision.route.name == "gone"


def test_what_no_route_takes_is_404_unrecognized() -> None:
    decision = decide(SNAPSHOT, head("/favicon.ico"), View())
    assert isinstance(decision, Refuse)
    assert (decision.refusal.status, decision.refusal.errcode) == (404, "M_UNRECOGNIZED")


def test_the_answer_holds_key_and_candidates_and_leaves_out_what_is_down() -> None:
    asked = head("/_matrix/client/v3/sync", authorization="Bearer syt_YWxpY2U_x_y")
    whole = decide(SNAPSHOT, asked, View())
    assert isinstance(whole, Forward)
    assert whole.key == b"YWxpY2U"
    assert sorted(ports(whole.candidates)) == [8101, 8102, 8103]
    first = ports(whole.candidates)[0]
    without = decide(SNAPSHOT, asked, View(down=frozenset({first})))
    assert isinstance(without, Forward)
    assert first not in ports(without.candidates)
    assert len(without.candidates) == 2


def test_with_no_endpoint_up_there_are_no_candidates() -> None:
    decision = decide(SNAPSHOT, head("/_matrix/x"), View(down=frozenset({8008})))
    assert isinstance(decision, Forward)
    assert decision.candidates == ()


def test_round_robin_s_step_is_in_the_answer_and_nowhere_else() -> None:
    pair = Snapshot.build(table([route("^/")], {"main": upstream("main", 1, 2)}))
    view = View()
    seen = []
    for _ in range(4):
        decision, again = decide(pair, head("/"), view), decide(pair, head("/"), view)
        assert isinstance(decision, Forward)
        assert isinstance(again, Forward)
        assert (decision.candidates, decision.rotation) == (again.candidates, again.rotation)
        assert decision.rotation is not None
        seen.append(ports(decision.candidates))
        view.weights["main"] = decision.rotation
    assert seen == [[1, 2], [2, 1], [1, 2], [2, 1]]


def test_opened_prefixes_are_routed() -> None:
    opened = Snapshot.build(
        table([route("^/", "main", name="all")]), Guard(open_prefixes=frozenset({"/_synapse/admin"}))
    )
    assert routed(decide(opened, head("/_synapse/admin/v2/users"), View())) == "all"
    assert routed(decide(opened, head("/_synapse/mas/query_user"), View())) == "guard"


def test_a_table_that_gives_no_answer_is_an_error_and_never_main() -> None:
    broken = Snapshot.build(table([route("^/a", "main")]))
    broken.matcher._raw._match = lambda _: []
    with pytest.raises(ProxyError) as raised:
        decide(broken, head("/a"), View())
    assert raised.value.status == 500


HERE = Snapshot.build(
    RouteTable(
        routes=(
            Route(
                name="ok",
                pattern=Pattern(text="^/ok"),
                response=Response(body=b"ok", media_type="text/plain"),
            ),
            Route(name="down", pattern=Pattern(text="^/down"), response=Response(status=503)),
            Route(
                name="own",
                pattern=Pattern(text="^/own"),
                redirect=Redirect(to="https://$host$request_uri", status=301),
            ),
            Route(name="other", pattern=Pattern(text="^/"), redirect=Redirect(to="https://o$request_uri")),
        ),
        upstreams={},
    )
)


@pytest.mark.parametrize(
    ("asked", "status", "place", "reason"),
    [
        (head("/ok"), 200, None, ""),
        (head("/ok", "POST"), 200, None, ""),
        (head("/ok", "OPTIONS"), 204, None, ""),
        (head("/down"), 503, None, "route"),
        (head("/own/?a=b", host="H.Example:8448"), 301, "https://h.example/own/?a=b", ""),
        (head("/own", host="[::1]:80"), 301, "https://[::1]/own", ""),
        (head("/own", host="[::1]"), 301, "https://[::1]/own", ""),
        (head("http://H:1/own", host="h:1"), 301, "https://h/own", ""),
        (head("/own", "OPTIONS", host="h"), 204, None, ""),
        (head("//evil.example/%2e", host="h"), 302, "https://o//evil.example/%2e", ""),
        (head("/x"), 302, "https://o/x", ""),
    ],
)
def test_what_a_route_answers_by_itself(
    asked: RequestHead, status: int, place: str | None, reason: str
) -> None:
    decision = decide(HERE, asked, View())
    assert isinstance(decision, Respond)
    assert (decision.response.status, decision.reason) == (status, reason)
    assert dict(decision.response.fields).get("Location") == place


def test_a_redirect_to_the_own_host_needs_one() -> None:
    decision = decide(HERE, head("/own"), View())
    assert isinstance(decision, Refuse)
    assert decision.refusal.status == 400
