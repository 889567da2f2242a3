"""Listeners as Prometheus sees them."""

from __future__ import annotations

from router.observe.listeners import CertificateState, ListenerState, families_of

SECURE = "0.0.0.0:443"


def samples(*listeners: ListenerState) -> list[tuple[str, tuple[str, ...], float]]:
    return [
        (sample.name, tuple(sample.labels.values()), sample.value)
        for family in families_of(listeners)
        for sample in family.samples
    ]


def certificate(file: str, not_after: float) -> CertificateState:
    return CertificateState(certificate=file, names=("a.example",), not_after=not_after)


def test_each_listener_has_its_series() -> None:
    plain = ListenerState(listener="127.0.0.1:8080", connections=3)
    secure = ListenerState(
        listener=SECURE,
        connections=0,
        handshakes={"ok": 7, "timeout": 1},
        certificates=(certificate("/a.pem", 1000.0), certificate("/b.pem", 2000.0)),
    )
    assert samples(plain, secure) == [
        ("router_open_connections", ("127.0.0.1:8080",), 3),
        ("router_open_connections", (SECURE,), 0),
        ("router_tls_handshakes_total", (SECURE, "ok"), 7),
        ("router_tls_handshakes_total", (SECURE, "timeout"), 1),
        ("router_certificate_expiry_timestamp_seconds", (SECURE, "/a.pem"), 1000),
        ("router_certificate_expiry_timestamp_seconds", (SECURE, "/b.pem"), 2000),
    ]


def test_a_file_that_is_named_twice_has_one_series() -> None:
    """Prometheus takes nothing of a page that has a series twice."""
    twice = (certificate("/a.pem", 1000.0), certificate("/a.pem", 1000.0))
    found = samples(ListenerState(listener=SECURE, connections=0, certificates=twice))
    assert [each for each in found if "expiry" in each[0]] == [
        ("router_certificate_expiry_timestamp_seconds", (SECURE, "/a.pem"), 1000)
    ]
