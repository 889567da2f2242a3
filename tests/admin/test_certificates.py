"""What the status says of certificates."""

from __future__ import annotations

import pytest

from router.admin.certificates import CertificateStatus, certificates_of, expired
from router.admin.status import status_of
from router.observe.listeners import CertificateState, ListenerState
from router.settings import Health
from tests.admin.processes import GENERIC2, LISTENER, NOON, Process

SECURE = "0.0.0.0:443"


def certificate(file: str, not_after: float) -> CertificateState:
    return CertificateState(certificate=file, names=("a.example",), not_after=not_after)


def test_each_stands_with_its_listener() -> None:
    plain = ListenerState(listener=LISTENER, connections=0)
    one, two = certificate("/a.pem", 1.0), certificate("/b.pem", 2.0)
    secure = ListenerState(listener=SECURE, connections=0, certificates=(one, two))
    assert certificates_of((plain, secure)) == tuple(
        CertificateStatus(listener=SECURE, certificate=file, names=("a.example",), not_after=until)
        for file, until in (("/a.pem", 1.0), ("/b.pem", 2.0))
    )


@pytest.mark.parametrize(("left", "said"), [(1, ""), (0, "/a.pem on"), (-60, "/a.pem on")])
def test_one_has_expired_at_its_end(left: float, said: str) -> None:
    state = ListenerState(listener=SECURE, connections=0, certificates=(certificate("/a.pem", NOON + left),))
    assert said in expired(certificates_of((state,)), NOON)
    assert bool(expired(certificates_of((state,)), NOON)) is bool(said)


def test_the_verdict_says_so() -> None:
    process = Process()
    process.certificates = (certificate("/a.pem", NOON - 1), certificate("/b.pem", NOON + 1))
    sentence = f"Expired, so that clients refuse to connect: /a.pem on {LISTENER}."
    status = status_of(process.state)
    assert status.verdict == sentence
    assert status.ready, "whoever believes it is served"
    assert len(status.certificates) == 2
    process.states.check_failed(GENERIC2, "refused", Health(), at_once=True)
    verdict = status_of(process.state).verdict
    assert verdict.startswith("Degraded since ")
    assert verdict.endswith(sentence)
