"""What is known of each listener: the connections on it, how its TLS handshakes ended, its certificates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateState:
    """A certificate that is shown to clients now: its file, its names, and when it expires (since 1970)."""

    certificate: str
    names: tuple[str, ...]
    not_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerState:
    """One listener now. `handshakes` have ended, by `ok` or why there was no connection; none without TLS."""

    listener: str
    connections: int
    handshakes: Mapping[str, int] = field(default_factory=dict)
    certificates: tuple[CertificateState, ...] = ()


def families_of(listeners: Iterable[ListenerState]) -> Iterator[Metric]:
    """What Prometheus sees of them."""
    connections = GaugeMetricFamily(
        "router_open_connections", "Connections that clients hold.", labels=("listener",)
    )
    handshakes = CounterMetricFamily(
        "router_tls_handshakes",
        "TLS handshakes that have ended, by `ok` or why there was no connection.",
        labels=("listener", "result"),
    )
    expiry = GaugeMetricFamily(
        "router_certificate_expiry_timestamp_seconds",
        "When the certificate that clients are shown expires.",
        labels=("listener", "certificate"),
    )
    for each in listeners:
        connections.add_metric((each.listener,), each.connections)
        for result, count in each.handshakes.items():
            handshakes.add_metric((each.listener, result), count)
        for file, expires in {one.certificate: one.not_after for one in each.certificates}.items():
            expiry.add_metric((each.listener, file), expires)
    yield from (connections, handshakes, expiry)
