from __future__ import annotations

import pytest

from router.answers import Redirect, Response
from router.routing.explanation import explain, explain_request
from router.routing.rendering import render
from router.routing.snapshot import Snapshot
from router.settings import Limits, Settings, Timeouts
from router.table import (
    ClientTls,
    DnsAddress,
    Endpoint,
    PathForm,
    Pattern,
    Route,
    RouteTable,
    TcpAddress,
    UnixAddress,
    Upstream,
)
from tests.routing.tables import BY_USER, View, head, route, table, upstream

SYNC = [
    Endpoint(address=TcpAddress(host="127.0.0.1", port=port), instance=instance)
    for port, instance in ((8101, "generic1"), (8102, "generic2"), (8103, None))
]
SNAPSHOT = Snapshot.build(
    table(
        [
            route("^/_synapse/client/", "main", name="synapse", line=9),
            route("/sync$", "users", name="initial_sync", absent="since", line=22),
            route("^/_matrix/client/(r0|v3)/sync$", "users", name="sync", line=29),
            route("^/_matrix/client/", "main", name="client_any", form=PathForm.NORMALISED, line=147),
            route("^/later_and_no_match$", "main", name="not_shown", line=148),
        ],
        {
            "main": upstream("main", 8008),
            "users": Upstream(name="users", endpoints=tuple(SYNC), policy=BY_USER),
        },
    )
)


def test_the_whole_text() -> None:
    asked = head("/_matrix/client/v3/sync?since=s1&timeout=3", authorization="Bearer syt_YWxpY2U_x_y")
    first = "127.0.0.1:8102"
    assert render(explain(SNAPSHOT, asked, View(down=frozenset({8101})))).splitlines() == [
        "GET /_matrix/client/v3/sync?since=…&timeout=…",
        "1 guard       pass       path is open, and the same place in every reading",
        "2 routes      first match wins",
        "   - synapse       routes.yaml:9    path: needs ^/_synapse/client/",
        "   - initial_sync  routes.yaml:22   path matches; passed over: `since` is present",
        "   > sync          routes.yaml:29   matched ^/_matrix/client/(r0|v3)/sync$",
        "   . client_any    routes.yaml:147  would match too, comes later",
        "3 key         user, crc32 0d2ba4f2                       ketama, as nginx",
        f"4 candidates  {first} (generic2) up <- chosen | 127.0.0.1:8103 up | 127.0.0.1:8101 (generic1) down",
        "5 limits      connect 5s | first byte 10m | body 12.5 MiB",
        "=> http://127.0.0.1:8102  (generic2)",
    ]


def test_what_stands_for_any_number_of_endpoints_is_no_single_one() -> None:
    found_by_dns = Endpoint(address=DnsAddress(name="generic-worker", port=8008))
    users = Upstream(name="users", endpoints=(found_by_dns,), policy=BY_USER)
    snapshot = Snapshot.build(table([route("/sync$", "users")], {"users": users}))
    text = render(explain(snapshot, head("/sync", authorization="Bearer syt_YWxpY2U_x_y"), View()))
    assert "3 key         user, crc32 0d2ba4f2                       ketama, as nginx" in text
    assert text.splitlines()[-1].startswith("=> dns:generic-worker:8008: one of what DNS answers")


def test_without_a_token_there_is_no_key() -> None:
    text = render(explain(SNAPSHOT, head("/_matrix/client/v3/sync"), View()))
    line = next(line for line in text.splitlines() if line.startswith("3 key"))
    assert "user: no key in this request, so" in line
    assert "round robin" in line
    assert "ketama" not in line


def test_nothing_up() -> None:
    text = render(explain(SNAPSHOT, head("/_synapse/client/x"), View(down=frozenset({8008}))))
    assert text.splitlines()[-1] == "=> 503: no endpoint of the upstream is up"


def test_a_refusal_by_the_guard() -> None:
    lines = render(explain(SNAPSHOT, head("/_synapse/admin/x?a=secret"), View())).splitlines()
    assert lines == [
        "GET /_synapse/admin/x?a=…",
        "1 guard       closed     no route is asked",
        "=> 404 M_UNRECOGNIZED: Unrecognized request  (guard)",
    ]


def test_a_head_that_is_refused_outright() -> None:
    lines = render(explain_request(SNAPSHOT, View(), method="GET", target=b"/a\x1b[31m")).splitlines()
    assert lines == [
        "GET /a\\x1b[31m",
        "1 guard       not asked  the head is refused as it stands",
        "=> 400 M_UNKNOWN: byte 0x1b at byte 2 of the target: write it as %1B  (bad_request)",
    ]


def test_bytes_of_the_normalised_path_do_not_reach_the_terminal() -> None:
    text = render(explain(SNAPSHOT, head("/_matrix/client/%1B%5B31m%FF"), View()))
    assert "  normalised  /_matrix/client/\\x1b[31m\\xff" in text.splitlines()
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("first_byte", "max_body", "shown"),
    [
        (600.0, 52_428_800, "first byte 10m | body 50 MiB"),
        (5400.0, 8192, "first byte 90m | body 8 KiB"),
        (7200.0, 1_610_612_736, "first byte 2h | body 1.5 GiB"),
        (90.0, 1000, "first byte 90s | body 1000 bytes"),
        (0.5, 13_107_201, "first byte 0.5s | body 13107201 bytes"),
    ],
)
def test_limits_in_the_largest_unit_that_is_exact(first_byte: float, max_body: int, shown: str) -> None:
    settings = Settings(limits=Limits(body=max_body), timeouts=Timeouts(connect=0.25, first_byte=first_byte))
    text = render(explain(SNAPSHOT, head("/_synapse/client/x"), View(), settings=settings))
    assert f"5 limits      connect 0.25s | {shown}" in text.splitlines()


HERE = Snapshot.build(
    RouteTable(
        routes=(
            Route(name="ok", pattern=Pattern(text="^/ok"), response=Response(body=b"{}", media_type="a/b")),
            Route(name="moved", pattern=Pattern(text="^/"), redirect=Redirect(to="https://o$request_uri")),
        ),
        upstreams={},
    )
)


@pytest.mark.parametrize(
    ("target", "last"),
    [
        ("/ok?a=b", "=> 200 a/b, 2 bytes  (answered here)"),
        ("/x", "=> 302 Location: https://o/x; no body  (answered here)"),
        ("/x?access_token=SECRET", "=> 302 Location: https://o/x?...; no body  (answered here)"),
    ],
)
def test_what_is_answered_here_is_told_without_a_token(target: str, last: str) -> None:
    told = explain(HERE, head(target), View())
    assert render(told).splitlines()[-1] == last
    assert "SECRET" not in str(told.as_dict()) + render(told)
    assert (told.upstream, told.endpoint, told.refusal, told.reason) == (None, None, None, "")


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        (
            Endpoint(address=TcpAddress(host="10.0.0.7", port=8448), tls=ClientTls()),
            "=> https://10.0.0.7:8448",
        ),
        (Endpoint(address=TcpAddress(host="10.0.0.7", port=8448)), "=> http://10.0.0.7:8448"),
        (Endpoint(address=TcpAddress(host="::1", port=8448), tls=ClientTls()), "=> https://[::1]:8448"),
        (Endpoint(address=UnixAddress(path="/s"), tls=ClientTls(server_name="a")), "=> https://unix:/s"),
        (Endpoint(address=UnixAddress(path="/s")), "=> unix:/s"),
    ],
)
def test_the_conclusion_tells_how_it_is_spoken_to(endpoint: Endpoint, said: str) -> None:
    upstreams = {"main": Upstream(name="main", endpoints=(endpoint,))}
    snapshot = Snapshot.build(table([route("^/", "main", name="all", line=1)], upstreams))
    assert render(explain(snapshot, head("/a"), View())).splitlines()[-1] == said


def test_what_two_routes_of_one_name_say_alike_is_said_once() -> None:
    routes = [
        route("^/w$", "main", name="w", line=3, methods=["GET"]),
        route("^/w$", "main", name="w", line=3),
    ]
    snapshot = Snapshot.build(
        table([*routes, route("^/", "main", name="all", line=9)], {"main": upstream("main", 8008)})
    )
    assert [line for line in render(explain(snapshot, head("/a"), View())).splitlines() if " w " in line] == [
        "   - w    routes.yaml:3  path: needs ^/w$"
    ]
