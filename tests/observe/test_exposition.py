from __future__ import annotations

import re

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from router.observe.exposition import RouterCollector, new_registry
from router.observe.listeners import CertificateState, ListenerState
from router.observe.metrics import BUCKETS, Metrics
from router.observe.misroutes import Misroutes
from router.settings import Health
from router.table import Endpoint, TcpAddress
from router.upstream.state import EndpointState, EndpointStates
from tests.observe.records import TABLE, answered, changed, unrecognized

NAMES = {
    "router_requests_total": ("route", "upstream", "endpoint", "method", "status"),
    "router_request_duration_seconds": ("route",),
    "router_response_duration_seconds": ("route",),
    "router_requests_bytes_total": ("route",),
    "router_responses_bytes_total": ("route",),
    "router_requests_in_flight": ("route",),
    "router_errors_total": ("route", "reason"),
    "router_client_aborts_total": ("route",),
    "router_retries_total": ("route",),
    "router_unrecognized_total": ("route", "upstream", "endpoint"),
    "router_misroutes_total": ("route", "upstream", "endpoint", "kind"),
    "router_shadow_requests_total": ("route", "result"),
    "router_endpoint_up": ("upstream", "endpoint"),
    "router_endpoint_checks_total": ("endpoint", "result"),
    "router_endpoint_changes_total": ("endpoint",),
    "router_endpoint_last_change_timestamp_seconds": ("endpoint",),
    "router_resolutions_total": ("name", "result"),
    "router_open_connections": ("listener",),
    "router_tls_handshakes_total": ("listener", "result"),
    "router_certificate_expiry_timestamp_seconds": ("listener", "certificate"),
    "router_connections_closed_total": ("reason",),
    "router_upstream_queue": ("upstream",),
    "router_log_dropped_total": (),
    "router_build_info": ("version",),
    "router_config_info": ("digest",),
}
"""Every name that dashboards and rules may use, with its labels."""


def scrape(metrics: Metrics, misroutes: Misroutes | None = None) -> str:
    collector = RouterCollector(
        metrics,
        misroutes or noticing(),
        version="0.1.0",
        digest=lambda: "3f9c1a",
        endpoints=lambda: [("main", "127.0.0.1:8008", True), ("generic-worker", "127.0.0.1:8101", False)],
        listeners=lambda: [
            ListenerState(
                listener="0.0.0.0:443",
                connections=7,
                handshakes={"ok": 6},
                certificates=(CertificateState(certificate="/a.pem", names=("a",), not_after=99.0),),
            )
        ],
        log_dropped=lambda: 3,
        resolutions=lambda: [("synapse", "ok", 4), ("synapse", "failed", 1)],
        queues=lambda: [("main", 2), ("generic-worker", 0)],
        closed_connections=lambda: {"idle": 5, "connections": 0},
        watched=lambda: [watched()],
        mirrored=lambda: {("sync", "agreed"): 8},
    )
    return generate_latest(new_registry(collector)).decode()


def watched() -> EndpointState:
    states = EndpointStates(lambda: 1234.0)
    endpoint = Endpoint(address=TcpAddress(host="127.0.0.1", port=8101))
    states.check_failed(endpoint, "refused", Health(), at_once=True)
    return states.state(endpoint)


def noticing() -> Misroutes:
    return Misroutes(
        table=lambda: TABLE, stream_of=lambda *_: "", shape_of=repr, served_by=lambda *_: frozenset({"main"})
    )


def misrouted() -> Misroutes:
    misroutes = noticing()
    misroutes.finish(changed(answered(status=404), opening=unrecognized()))
    return misroutes


def busy() -> Metrics:
    metrics = Metrics()
    for exchange in (
        answered(),
        answered(duration=31.0, first_byte=30.0),
        changed(answered(status=502, attempts=2), reason="connect_failed", bytes_in=5, bytes_out=9),
        changed(answered(status=499), reason="client_gone"),
    ):
        metrics.begin(exchange)
        metrics.finish(exchange)
    metrics.begin(answered())
    return metrics


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return [
        sample
        for family in text_string_to_metric_families(scrape(busy(), misrouted()))
        for sample in family.samples
    ]


def value(samples: list[Sample], name: str, /, **labels: str) -> float:
    (found,) = [sample.value for sample in samples if sample.name == name and sample.labels == labels]
    return found


def test_values_arrive(samples: list[Sample]) -> None:
    sent = {"route": "sync", "upstream": "generic-worker", "endpoint": "127.0.0.1:8101", "method": "GET"}
    assert value(samples, "router_requests_total", **sent, status="2xx") == 2
    assert value(samples, "router_requests_total", **sent, status="5xx") == 1
    assert value(samples, "router_requests_in_flight", route="sync") == 1
    wrong = {"route": "sync", "upstream": "generic-worker", "endpoint": "127.0.0.1:8101"}
    assert value(samples, "router_unrecognized_total", **wrong) == 1
    assert value(samples, "router_misroutes_total", **wrong, kind="unrecognized") == 1
    assert value(samples, "router_errors_total", route="sync", reason="connect_failed") == 1
    assert value(samples, "router_client_aborts_total", route="sync") == 1
    assert value(samples, "router_retries_total", route="sync") == 1
    assert value(samples, "router_requests_bytes_total", route="sync") == 5
    assert value(samples, "router_responses_bytes_total", route="sync") == 9
    assert value(samples, "router_endpoint_up", upstream="main", endpoint="127.0.0.1:8008") == 1
    assert value(samples, "router_endpoint_up", upstream="generic-worker", endpoint="127.0.0.1:8101") == 0
    assert value(samples, "router_resolutions_total", name="synapse", result="failed") == 1
    name = "127.0.0.1:8101"
    assert value(samples, "router_endpoint_checks_total", endpoint=name, result="failed") == 1
    assert value(samples, "router_endpoint_checks_total", endpoint=name, result="passed") == 0
    assert value(samples, "router_endpoint_changes_total", endpoint=name) == 1
    assert value(samples, "router_endpoint_last_change_timestamp_seconds", endpoint=name) == 1234
    assert value(samples, "router_open_connections", listener="0.0.0.0:443") == 7
    assert value(samples, "router_tls_handshakes_total", listener="0.0.0.0:443", result="ok") == 6
    expiry = "router_certificate_expiry_timestamp_seconds"
    assert value(samples, expiry, listener="0.0.0.0:443", certificate="/a.pem") == 99
    assert value(samples, "router_upstream_queue", upstream="main") == 2
    assert value(samples, "router_connections_closed_total", reason="idle") == 5
    assert value(samples, "router_connections_closed_total", reason="connections") == 0
    assert value(samples, "router_log_dropped_total") == 3
    assert value(samples, "router_build_info", version="0.1.0") == 1
    assert value(samples, "router_config_info", digest="3f9c1a") == 1


def test_histograms_arrive(samples: list[Sample]) -> None:
    name = "router_request_duration_seconds"
    bounds = [s.labels["le"] for s in samples if s.name == f"{name}_bucket"]
    assert bounds == [*map(str, BUCKETS), "+Inf"]
    assert value(samples, f"{name}_bucket", route="sync", le="0.05") == 3
    assert value(samples, f"{name}_bucket", route="sync", le="60.0") == 4
    assert value(samples, f"{name}_count", route="sync") == 4
    assert value(samples, f"{name}_sum", route="sync") == pytest.approx(31.09)


def test_the_process_speaks_for_itself(samples: list[Sample]) -> None:
    assert value(samples, "process_open_fds") > 0


def test_names_and_labels_are_exactly_these() -> None:
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(scrape(busy(), misrouted())):
        if not family.name.startswith("process_"):
            labels = family.samples[0].labels.keys() - {"le"}
            found[f"{family.name}_total" if family.type == "counter" else family.name] = labels
    assert found == {name: set(labels) for name, labels in NAMES.items()}


def test_every_family_is_announced_before_anything_has_happened() -> None:
    announced = set(re.findall(r"^# TYPE (\S+) ", scrape(Metrics()), re.MULTILINE))
    assert set(NAMES) <= announced


def test_names_follow_prometheus_rules() -> None:
    """What `promtool check metrics` asks: help, base units, `_total` for counters and for nothing else."""
    for family in text_string_to_metric_families(scrape(busy(), misrouted())):
        assert family.documentation.endswith("."), family.name
        assert re.fullmatch(r"[a-z][a-z0-9_]*", family.name)
        assert not re.search(r"milli|kilo|minutes|hours|percent|_ms\b", family.name), family.name
        assert not family.name.endswith(("_count", "_sum", "_bucket")), family.name
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample.name
            assert len(sample.labels) <= 5
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
