from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import Source
from router.observe.misroutes import LAST, Misroute, Misroutes
from router.proxy.opening import Opening
from router.proxy.record import ExchangeRecord
from router.request import RequestHead
from router.routing.decision import Forward
from router.table import Endpoint, Pattern, Route, RouteTable, TcpAddress, Upstream
from tests.observe.records import (
    GENERIC,
    GENERIC1,
    GENERIC2,
    GUARDED,
    MAIN,
    SYNC,
    TABLE,
    TO_MAIN,
    TO_SYNC,
    answered,
    changed,
    ended,
    opening,
    unrecognized,
)

FAILED = b'{"errcode":"M_UNKNOWN","error":"Internal server error"}'
PAGE = b"<html><h1>No Such Resource</h1></html>"
RECEIPT = b"/_matrix/client/v3/rooms/!r/receipt/m.read/$e"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def stream_of(method: str, path: bytes) -> str:
    return "receipts" if (method, path) == ("POST", RECEIPT) else ""


def noticing(table: RouteTable = TABLE, clock: Clock | None = None) -> Misroutes:
    return Misroutes(
        table=lambda: table,
        stream_of=stream_of,
        shape_of=lambda path: f"<{len(path)}>",
        served_by=lambda method, shape: frozenset({"writer", "main"} if method != "DELETE" and shape else ()),
        wall_clock=clock or Clock(),
    )


def exchange(
    kept: Opening | None,
    *,
    status: int = 404,
    method: str = "GET",
    target: bytes = b"/_matrix/client/v3/new",
    decision: Forward = TO_SYNC,
    endpoint: Endpoint = GENERIC1,
) -> ExchangeRecord:
    head = RequestHead(method=method, target=target, client="127.0.0.1")
    return changed(answered(status=status), head=head, opening=kept, decision=decision, endpoint=endpoint)


def along(route: Route) -> Forward:
    return Forward(route=route, upstream=GENERIC, candidates=(GENERIC1, GENERIC2))


def json_of(status: int, body: bytes) -> Opening | None:
    return opening(status, b"application/json", body)


def html(status: int = 404) -> Opening | None:
    return opening(status, b"text/html", PAGE)


CASES = {
    "a worker without the endpoint": (exchange(unrecognized()), "unrecognized"),
    "a worker without the method": (exchange(unrecognized(405), status=405), "unrecognized"),
    "a worker that is asked for what nobody serves": (exchange(unrecognized(), method="DELETE"), "unknown"),
    "main without the endpoint": (exchange(unrecognized(), decision=TO_MAIN, endpoint=MAIN), ""),
    "no such event": (exchange(json_of(404, b'{"errcode":"M_NOT_FOUND"}')), ""),
    "another stream's writer": (
        exchange(json_of(500, FAILED), status=500, method="POST", target=RECEIPT),
        "stream",
    ),
    "main is not the writer either": (
        exchange(
            json_of(500, FAILED),
            status=500,
            method="POST",
            target=RECEIPT,
            decision=TO_MAIN,
            endpoint=MAIN,
        ),
        "stream",
    ),
    "500 of what anybody can do": (exchange(json_of(500, FAILED), status=500, target=RECEIPT), ""),
    "500 elsewhere": (exchange(json_of(500, FAILED), status=500), ""),
    "500 with another code": (
        exchange(json_of(500, b'{"errcode":"M_OTHER"}'), status=500, method="POST", target=RECEIPT),
        "",
    ),
    "500 that says 404's code": (
        exchange(unrecognized(500), status=500, method="POST", target=RECEIPT),
        "",
    ),
    "no client listener": (exchange(html()), "no_resource"),
    "no client listener on main's port": (exchange(html(), decision=TO_MAIN, endpoint=MAIN), "no_resource"),
    "what no client listener has": (exchange(html(), target=b"/favicon.ico"), ""),
    "a page for another method": (exchange(html(405), status=405), ""),
    "nothing kept": (exchange(None), ""),
}  # fmt: skip


@pytest.mark.parametrize(("ended", "kind"), CASES.values(), ids=CASES)
def test_what_is_a_misroute(ended: ExchangeRecord, kind: str) -> None:
    misroutes = noticing()
    misroutes.finish(ended)
    assert [each.kind for each in misroutes.last] == [kind] * bool(kind)
    assert [(key[3], count) for key, count in misroutes.counts.items()] == [(kind, 1)] * bool(kind)


def test_every_unrecognized_is_counted_main_s_too() -> None:
    misroutes = noticing()
    for _ in range(2):
        misroutes.finish(exchange(unrecognized()))
    misroutes.finish(exchange(unrecognized(), decision=TO_MAIN, endpoint=MAIN))
    misroutes.finish(exchange(json_of(404, b"{}")))
    misroutes.finish(exchange(html()))
    assert misroutes.unrecognized == {
        ("sync", "generic-worker", GENERIC1.name): 2,
        ("rest", "synapse", MAIN.name): 1,
    }
    assert misroutes.counts == {
        ("sync", "generic-worker", GENERIC1.name, "unrecognized"): 2,
        ("sync", "generic-worker", GENERIC1.name, "no_resource"): 1,
    }


def test_an_endpoint_that_is_gone_has_no_series() -> None:
    misroutes = noticing()
    misroutes.finish(exchange(unrecognized()))
    misroutes.finish(exchange(unrecognized(), decision=TO_MAIN, endpoint=MAIN))
    misroutes.keep({MAIN.name})
    assert [key[2] for key in misroutes.unrecognized] == [MAIN.name]
    assert not misroutes.counts
    assert len(misroutes.last) == 1


def test_main_under_another_name_is_main() -> None:
    media = Upstream(name="media", endpoints=(MAIN,))
    route = Route(name="media", pattern=Pattern(text="^/media"), upstream="media")
    table = RouteTable(routes=(route, *TABLE.routes[:-1]), upstreams={**TABLE.upstreams, "media": media})
    misroutes = noticing(table)
    misroutes.finish(
        exchange(
            unrecognized(),
            decision=Forward(route=route, upstream=media, candidates=(MAIN,)),
            endpoint=MAIN,
        )
    )
    assert misroutes.unrecognized == {("media", "media", MAIN.name): 1}
    assert not misroutes.counts


def test_what_the_router_answered_itself_is_no_misroute() -> None:
    misroutes = noticing()
    misroutes.finish(ended(decision=GUARDED, opening=unrecognized(), status=404))
    misroutes.finish(changed(exchange(unrecognized()), endpoint=None))
    misroutes.finish(changed(exchange(unrecognized()), head=None))
    assert not misroutes.last
    assert not misroutes.unrecognized


def test_what_is_kept_of_one() -> None:
    route = replace(SYNC, source=Source(file="routes.yaml", line=41))
    worker = Endpoint(address=TcpAddress(host="127.0.0.1", port=8101), instance="generic1")
    misroutes = noticing()
    misroutes.finish(
        exchange(
            json_of(500, FAILED),
            status=500,
            method="POST",
            target=RECEIPT + b"?access_token=secret",
            decision=along(route),
            endpoint=worker,
        )
    )
    assert list(misroutes.last) == [
        Misroute(
            kind="stream",
            route="sync",
            source="routes.yaml:41",
            upstream="generic-worker",
            endpoint="127.0.0.1:8101",
            instance="generic1",
            method="POST",
            shape=f"<{len(RECEIPT)}>",
            status=500,
            stream="receipts",
            served_by=("main", "writer"),
        )
    ]


def test_a_method_that_a_client_made_up_is_not_shown() -> None:
    misroutes = noticing()
    misroutes.finish(exchange(unrecognized(), method="PROPFIND"))
    assert [each.method for each in misroutes.last] == ["other"]


def test_repeated_ones_are_one_with_a_count() -> None:
    clock = Clock()
    misroutes = noticing(clock=clock)
    misroutes.finish(exchange(unrecognized()))
    clock.now += 5
    misroutes.finish(exchange(unrecognized(), endpoint=GENERIC2))
    clock.now += 5
    misroutes.finish(exchange(unrecognized(), target=b"/_matrix/client/v3/wen"))
    assert [(each.endpoint, seen.count, seen.first, seen.last) for each, seen in misroutes.last.items()] == [
        (GENERIC2.name, 1, 1005, 1005),
        (GENERIC1.name, 2, 1000, 1010),
    ]


def _of_route(name: str, number: int) -> ExchangeRecord:
    route = replace(SYNC, name=name)
    return exchange(unrecognized(), target=b"/" + b"x" * number, decision=along(route))


@given(st.integers(min_value=LAST, max_value=3 * LAST))
def test_made_up_paths_of_one_route_push_no_other_out(number: int) -> None:
    misroutes = noticing()
    for name in ("first", "second"):
        misroutes.finish(_of_route(name, 1))
    for each in range(1, number + 1):
        misroutes.finish(_of_route("wide", each))
    kept = [(each.route, each.shape) for each in misroutes.last]
    assert kept[:2] == [("first", "<2>"), ("second", "<2>")]
    assert kept[2:] == [("wide", f"<{each + 1}>") for each in range(number - LAST + 3, number + 1)]
    assert sum(misroutes.counts.values()) == number + 2


def test_of_as_many_routes_as_are_kept_the_oldest_goes() -> None:
    misroutes = noticing()
    for number in range(LAST + 2):
        misroutes.finish(_of_route(f"r{number}", 1))
    assert [each.route for each in misroutes.last] == [f"r{number}" for number in range(2, LAST + 2)]
