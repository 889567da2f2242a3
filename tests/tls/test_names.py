"""Server names that are no ASCII."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from router.tls.certificates import CertificateStore
from router.tls.names import say_nothing_of_bad_names
from tests.authority import Authority


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is said on standard error otherwise."""
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    return told


@pytest.mark.parametrize("quiet", [True, False])
def test_a_name_that_is_no_ascii(tmp_path: Path, told: list[object], quiet: bool) -> None:
    if quiet:
        say_nothing_of_bad_names()
    authority = Authority(tmp_path)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = authority.client().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="somewhere.example")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    incoming.write(outgoing.read().replace(b"somewhere.example", b"\xff\n\rewhere.example"))
    server = CertificateStore([authority.issue("a.example")]).wrap(incoming, ssl.MemoryBIO())
    with pytest.raises(ssl.SSLError):
        server.do_handshake()
    assert len(told) == (0 if quiet else 1)


@pytest.mark.parametrize(
    ("error", "what"), [(UnicodeDecodeError, "text"), (ValueError, b"\xff"), (UnicodeDecodeError, None)]
)
def test_all_else_is_said(told: list[object], error: type[BaseException], what: object) -> None:
    say_nothing_of_bad_names()
    unraisable = SimpleNamespace(exc_type=error, object=what)
    sys.unraisablehook(unraisable)
    assert told == [unraisable]
