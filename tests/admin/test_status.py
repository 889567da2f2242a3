from __future__ import annotations

import json

import pytest

from router.admin.misroutes import RECENT
from router.admin.status import EndpointStatus, age, is_ready, status_of, utc, why_down
from router.settings import Health
from tests.admin.processes import GENERIC1, GENERIC2, MAIN, NOON, Process
from tests.observe.records import unrecognized


def test_a_quiet_process_is_well() -> None:
    status = status_of(Process().state)
    assert status.verdict == "All well: 3 endpoints up, 0 requests in flight."
    assert status.ready
    assert (status.version, status.modules, status.uptime, status.generation) == ("0.1.0", "pure", 3600, 3)
    assert status.config == {"file": "routes.yaml", "digest": "3f9c1a"}
    assert status.listeners == {"listen": ("127.0.0.1:8080",), "admin": ("127.0.0.1:8081",)}
    assert (status.connections, status.in_flight, status.log_dropped) == (5, 0, 0)


def test_endpoints_stand_under_each_of_their_upstreams() -> None:
    process = Process()
    process.now = NOON - 60
    process.states.check_failed(GENERIC2, "127.0.0.1:8102: connection refused", Health(), at_once=True)
    process.now = NOON
    status = status_of(process.state)
    assert [(each.upstream, each.policy) for each in status.upstreams] == [
        ("main", "round_robin"),
        ("generic-worker", "round_robin"),
        ("generic-worker-user", "consistent_hash"),
    ]
    (down,) = status.upstreams[1].down
    assert down == EndpointStatus(
        tls=False,
        endpoint="127.0.0.1:8102",
        instance="generic2",
        up=False,
        state="down",
        since=NOON - 60,
        checked=NOON - 60,
        reason="127.0.0.1:8102: connection refused",
        fails=0,
        max_fails=1,
        tried_in=None,
        brought_back="",
        changes=1,
        checks_passed=0,
        checks_failed=1,
        in_flight=0,
        requests=0,
        failures=0,
        max_requests=None,
    )
    assert status.upstreams[2].down == (down,)
    assert status.upstreams[0].down == ()
    assert status.upstreams[0].endpoints[0].checked is None


def test_one_endpoint_down_is_degraded_and_ready() -> None:
    process = Process()
    process.states.mark_down(GENERIC2, "127.0.0.1:8102: connection refused")
    status = status_of(process.state)
    assert status.ready
    assert status.verdict == (
        "Degraded since 2024-06-22 12:00:00 UTC: every upstream still has an endpoint up. "
        "127.0.0.1:8102: connection refused."
    )


def test_an_upstream_without_endpoints_is_down() -> None:
    process = Process()
    process.states.mark_down(MAIN, "/health answered 500")
    status = status_of(process.state)
    assert not status.ready
    assert not is_ready(process.state)
    assert status.verdict == (
        "Down since 2024-06-22 12:00:00 UTC: no endpoint of main is up, requests for it get 503. "
        "127.0.0.1:8008: /health answered 500."
    )


def test_a_part_is_down_since_its_last_endpoint_is_and_its_reasons_come_first() -> None:
    process = Process()
    process.states.mark_down(GENERIC2, "late")
    process.now += 5
    process.states.mark_down(MAIN, "refused")
    assert status_of(process.state).verdict == (
        "Down since 2024-06-22 12:00:05 UTC: no endpoint of main is up, requests for it get 503. "
        "127.0.0.1:8008: refused; 127.0.0.1:8102: late."
    )
    process.now += 5
    process.states.mark_down(GENERIC1, "gone")
    assert status_of(process.state).verdict == (
        "Down since 2024-06-22 12:00:05 UTC: no endpoint of main, generic-worker, generic-worker-user is up, "
        "requests for them get 503. 127.0.0.1:8008: refused; 127.0.0.1:8101: gone; 127.0.0.1:8102: late."
    )


def test_a_misroute_is_in_the_verdict_until_it_is_long_ago() -> None:
    process = Process()
    for _ in range(2):
        process.serve(b"/_matrix/client/v3/sync?since=s1", status=404, opening=unrecognized())
    process.serve(b"/_matrix/client/v3/sync", status=405, opening=unrecognized(405))
    process.now += 4
    status = status_of(process.state)
    assert status.verdict == (
        "Misrouted: generic1 (127.0.0.1:8101) does not know GET /_matrix/client/v3/*, "
        "which route initial_sync (routes.yaml:12) sends there; "
        "1 time, the last 4s ago; 1 more misroute below."
    )
    assert [each.count for each in status.misroutes] == [1, 2]
    assert status.ready, "it can be served with, as before"

    process.states.mark_down(GENERIC2, "refused")
    verdict = status_of(process.state).verdict
    assert verdict.startswith("Degraded"), "what is down matters more"
    assert "127.0.0.1:8102: refused. Misrouted: generic1 (127.0.0.1:8101) does not know" in verdict
    process.states.mark_up(GENERIC2)
    process.now += RECENT
    status = status_of(process.state)
    assert status.verdict.startswith("All well")
    assert len(status.misroutes) == 2


def test_requests_to_an_endpoint_that_is_gone_are_still_counted_for_the_route() -> None:
    process = Process()
    process.serve(b"/_matrix/client/v3/sync?since=s1")
    before = status_of(process.state).routes
    process.metrics.keep(frozenset())
    assert not process.metrics.requests
    assert status_of(process.state).routes == before


def test_what_nobody_serves_leaves_the_verdict_good() -> None:
    process = Process()
    process.serve(b"/_matrix/client/v3/sync", method="PUT", status=405, opening=unrecognized(405))
    process.serve(b"/_matrix/client/v3/sync?since=1", method="PUT", status=405, opening=unrecognized(405))
    status = status_of(process.state)
    assert status.verdict == "All well: 3 endpoints up, 0 requests in flight."
    assert [(each.kind, each.count) for each in status.misroutes] == [("unknown", 2)]


def test_what_main_does_not_know_is_no_misroute() -> None:
    process = Process()
    process.serve(b"/_matrix/media/nonsense", status=404, opening=unrecognized())
    status = status_of(process.state)
    assert status.verdict.startswith("All well")
    assert status.misroutes == ()
    assert process.misroutes.unrecognized == {("media", "main", MAIN.name): 1}


def test_a_draining_process_says_what_it_waits_for() -> None:
    process = Process()
    process.serve(b"/_matrix/client/v3/sync?since=s1", ends=False)
    process.draining = True
    status = status_of(process.state)
    assert status.verdict == "Stopping: no new connections, 1 request still under way."
    assert not status.ready


def test_routes_stand_in_the_order_of_the_table_each_name_once() -> None:
    process = Process()
    process.serve(b"/_matrix/client/v3/sync")
    process.serve(b"/_matrix/client/v3/sync", status=429)
    process.serve(b"/media2/x", status=502, reason="connect_failed")
    process.serve(b"/_matrix/media/x", status=499, reason="client_gone")
    process.serve(b"/nowhere", status=404, reason="unmatched")
    process.serve(b"/_synapse/admin/v1", status=404, reason="guard")
    routes = status_of(process.state).routes
    assert [(each.route, each.source, each.upstream) for each in routes] == [
        ("initial_sync", "routes.yaml:12", "generic-worker"),
        ("sync", "routes.yaml:13", "generic-worker-user"),
        ("media", "routes.yaml:14", "main"),
        ("gone", "routes.yaml:15", None),
        ("unmatched", None, None),
        ("none", None, None),
    ]
    assert [each.requests for each in routes] == [2, 0, 2, 0, 1, 1]
    assert routes[0].statuses == {"2xx": 1, "4xx": 1}
    assert routes[2].errors == {"connect_failed": 1}
    assert routes[2].client_aborts == 1
    assert routes[5].errors == {"guard": 1}


def test_the_newest_failure_comes_first() -> None:
    process = Process()
    process.serve(b"/_matrix/media/x", status=502, reason="bad_response")
    process.now += 1
    process.serve(b"/_matrix/media/x", status=500)
    first, second = status_of(process.state).failures
    assert (first.time, first.route, first.upstream, first.endpoint) == (NOON + 1, "media", "main", MAIN.name)
    assert (first.status, first.reason) == (500, "")
    assert (second.time, second.status, second.reason) == (NOON, 502, "bad_response")


def test_the_whole_is_json() -> None:
    process = Process()
    process.serve(b"/_matrix/media/x", status=502, reason="bad_response")
    status = status_of(process.state)
    assert (
        json.loads(json.dumps(status.as_dict()))["upstreams"][1]["endpoints"][0]["endpoint"] == GENERIC1.name
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (-3, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (61, "1m 1s"),
        (3600, "1h"),
        (3661, "1h 1m"),
        (86_400 * 3 + 7200, "3d 2h"),
    ],
)
def test_ages(seconds: float, text: str) -> None:
    assert age(seconds) == text


def test_a_reason_that_begins_with_the_name_is_not_given_it_twice() -> None:
    status = status_of(Process().state).upstreams[0].endpoints[0]
    assert why_down(status) == "127.0.0.1:8008: down"


def test_times_are_utc() -> None:
    assert utc(NOON) == "2024-06-22 12:00:00 UTC"


def test_who_is_out_by_requests_and_when_it_may_be_tried() -> None:
    process = Process()
    process.states.attempt_failed(GENERIC1, "127.0.0.1:8101 reset the connection")
    endpoint = status_of(process.state).upstreams[1].endpoints[0]
    assert (endpoint.up, endpoint.state, endpoint.fails, endpoint.reason) == (
        False,
        "out",
        1,
        "127.0.0.1:8101 reset the connection",
    )
    assert endpoint.tried_in is not None
    assert 9 < endpoint.tried_in <= 10
    process.states.check_passed(GENERIC1, Health(path="/health", rise=1))
    endpoint = status_of(process.state).upstreams[1].endpoints[0]
    assert (endpoint.up, endpoint.state, endpoint.tried_in, endpoint.brought_back) == (
        True,
        "up",
        None,
        "check",
    )
