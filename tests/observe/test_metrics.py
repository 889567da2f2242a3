from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import ProxyError
from router.observe.metrics import (
    BUCKETS,
    FAILURES,
    METHODS,
    NONE,
    NOT_A_FAILURE,
    Failure,
    Histogram,
    Metrics,
)
from router.proxy.record import ExchangeRecord
from router.table import Endpoint, TcpAddress
from tests.observe.records import GENERIC1, GUARDED, TO_SYNC, answered, changed, ended


def counted(*exchanges: ExchangeRecord) -> Metrics:
    metrics = Metrics(wall_clock=lambda: 1_700_000_000.0)
    for exchange in exchanges:
        metrics.begin(exchange)
        metrics.finish(exchange)
    return metrics


def test_a_request_is_counted_under_its_labels() -> None:
    metrics = counted(answered(), answered(), answered(status=404), answered(method="PUT"))
    route = ("sync", "generic-worker", "127.0.0.1:8101")
    assert metrics.requests == {
        (*route, "GET", "2xx"): 2,
        (*route, "GET", "4xx"): 1,
        (*route, "PUT", "2xx"): 1,
    }


def test_an_endpoint_that_is_gone_has_no_series_and_its_requests_are_not_lost() -> None:
    stays = GENERIC1
    goes = Endpoint(address=TcpAddress(host="10.0.0.7", port=8008))
    nobody = changed(answered(status=503), endpoint=None)
    metrics = counted(answered(), changed(answered(), endpoint=goes), nobody)
    metrics.keep({stays.name})
    assert [labels[2] for labels in metrics.requests] == [stays.name, NONE]
    assert metrics.gone == {("sync", "2xx"): 1}
    late = changed(answered(), endpoint=goes)
    metrics.begin(late)
    metrics.finish(late)
    metrics.keep({stays.name})
    assert metrics.gone == {("sync", "2xx"): 2}


def test_in_flight_is_what_has_begun_and_not_ended() -> None:
    metrics = Metrics()
    first, second = answered(), answered()
    metrics.begin(first)
    metrics.begin(second)
    assert metrics.routes["sync"].in_flight == 2
    metrics.finish(first)
    assert metrics.routes["sync"].in_flight == 1
    metrics.finish(second)
    assert metrics.routes["sync"].in_flight == 0


@pytest.mark.parametrize(
    ("exchange", "labels"),
    [
        (ended(status=400, reason="bad_request"), (NONE, NONE, NONE, "other", "4xx")),
        (changed(answered(status=404), decision=GUARDED, endpoint=None), (NONE, NONE, NONE, "GET", "4xx")),
        (changed(answered(status=503), endpoint=None), ("sync", "generic-worker", NONE, "GET", "5xx")),
        (changed(answered(), status=0), ("sync", "generic-worker", "127.0.0.1:8101", "GET", NONE)),
        (answered(method="PROPFIND"), ("sync", "generic-worker", "127.0.0.1:8101", "other", "2xx")),
        (answered(status=999), ("sync", "generic-worker", "127.0.0.1:8101", "GET", "other")),
    ],
)
def test_labels_of_what_is_not_there(exchange: ExchangeRecord, labels: tuple[str, ...]) -> None:
    assert list(counted(exchange).requests) == [labels]


@pytest.mark.parametrize("method", sorted(METHODS))
def test_the_seven_methods_are_labels(method: str) -> None:
    assert [key[3] for key in counted(answered(method=method)).requests] == [method]


def test_bytes_and_retries_add_up() -> None:
    exchange = changed(answered(attempts=3), bytes_in=10, bytes_out=2000)
    counters = counted(exchange, exchange, answered()).routes["sync"]
    assert (counters.bytes_in, counters.bytes_out, counters.retries) == (20, 4000, 4)


def test_the_first_byte_is_observed_only_where_a_worker_answered() -> None:
    counters = counted(answered(first_byte=0.02, duration=3.0), changed(answered(), first_byte=0.0)).routes[
        "sync"
    ]
    assert sum(counters.duration.counts) == 2
    assert sum(counters.response.counts) == 1
    assert counters.response.total == pytest.approx(0.02)
    assert counters.duration.total == pytest.approx(3.03)


def test_errors_are_those_the_router_made() -> None:
    counters = counted(
        answered(status=500),
        changed(answered(status=502), reason="connect_failed"),
        changed(answered(), reason="aborted"),
        changed(answered(status=499), reason="client_gone"),
    ).routes["sync"]
    assert counters.errors == {"connect_failed": 1, "aborted": 1}
    assert counters.client_aborts == 1


@pytest.mark.parametrize(
    ("status", "reason", "kept"),
    [
        (200, "", False),
        (404, "", False),
        (500, "", True),
        (502, "connect_failed", True),
        (200, "aborted", True),
        (503, "no_endpoint", True),
        (429, "overload", True),
        (503, "queue_timeout", True),
        (503, "connections", False),
        (429, "connections_per_client", False),
        (500, "internal", True),
        (501, "bad_request", False),
        (413, "body_too_large", False),
        (499, "client_gone", False),
        (404, "unmatched", False),
        (404, "guard", False),
        (503, "route", False),
        (503, "drain", False),
    ],
)
def test_a_failure_is_what_somebody_should_repair(status: int, reason: str, *, kept: bool) -> None:
    failures = counted(changed(answered(status=status), reason=reason)).failures
    expected = Failure(1_700_000_000.0, "sync", "generic-worker", "127.0.0.1:8101", reason, status)
    assert list(failures) == ([expected] if kept else [])


def test_every_reason_in_the_error_tree_has_been_thought_of() -> None:
    def tree(error: type[ProxyError]) -> set[str]:
        return {error.reason}.union(*map(tree, error.__subclasses__()))

    assert tree(ProxyError) - NOT_A_FAILURE == {
        "internal",
        "connect_failed",
        "connect_timeout",
        "overload",
        "queue_timeout",
        "bad_response",
        "aborted",
        "timeout",
        "no_endpoint",
        "out_of_resources",
    }


def test_failures_are_bounded_and_the_newest_stay() -> None:
    metrics = counted(*(answered(status=500 + n) for n in range(FAILURES + 5)))
    assert [failure.status for failure in metrics.failures] == list(range(505, 500 + FAILURES + 5))


def test_buckets_rise() -> None:
    assert all(low < high for low, high in pairwise(BUCKETS))


@given(st.lists(st.floats(min_value=0, max_value=1e6)))
def test_a_histogram_says_how_many_were_not_above_each_bound(values: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.observe(value)
    expected = [(str(bound), sum(value <= bound for value in values)) for bound in BUCKETS]
    assert list(histogram.cumulative()) == [*expected, ("+Inf", len(values))]


def test_an_endpoint_is_named_by_its_address() -> None:
    assert GENERIC1 in TO_SYNC.candidates
    assert next(iter(counted(answered()).requests))[2] == GENERIC1.name == "127.0.0.1:8101"
