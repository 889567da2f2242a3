"""What is spoken, and what is not: Mozilla's intermediate configuration."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path

import pytest

from router.settings import CertificateFiles
from router.tls.certificates import load_pair
from router.tls.contexts import server_context
from tests.authority import Authority

TLS_1_2 = {
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
}
TLS_1_3 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}


def test_ciphers_are_those_of_the_guidelines() -> None:
    """Guidelines 5.8 of May 2025, `intermediate`: no more DHE, nothing without forward secrecy and AEAD."""
    assert {cipher["name"] for cipher in server_context().get_ciphers()} == TLS_1_2 | TLS_1_3


def test_options() -> None:
    context = server_context()
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    for option in (ssl.OP_NO_COMPRESSION, ssl.OP_NO_RENEGOTIATION, ssl.OP_NO_TICKET):
        assert context.options & option
    assert not context.options & ssl.OP_CIPHER_SERVER_PREFERENCE
    assert context.num_tickets == 0


def shake_hands(
    front: ssl.SSLContext, client: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Client's and server's side of a connection, which has ended with both saying goodbye."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(back, there, server_hostname="a.example", session=session),
        front.wrap_bio(there, back, server_side=True),
    )
    for step in (*(end.do_handshake for end in ends * 3), *(end.unwrap for end in ends)):
        with contextlib.suppress(ssl.SSLWantReadError):
            step()
    return ends


def served(files: CertificateFiles) -> ssl.SSLContext:
    context = server_context()
    load_pair(context, files)
    return context


@pytest.mark.parametrize(
    ("version", "resumes"), [(ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, False)]
)
def test_what_is_resumed(tmp_path: Path, version: ssl.TLSVersion, resumes: bool) -> None:
    authority = Authority(tmp_path)
    files = authority.issue("a.example")
    front, client = served(files), authority.client()
    client.maximum_version = client.minimum_version = version
    first, _ = shake_hands(front, client)
    session = first.session
    assert session is None or (not session.has_ticket and session.timeout <= 7200)
    assert front.session_stats()["number"] == int(resumes)
    _, again = shake_hands(front, client, session)
    assert again.session_reused is resumes
    _, elsewhere = shake_hands(served(files), client, session)
    assert not elsewhere.session_reused, "a context that is made anew knows no session"
