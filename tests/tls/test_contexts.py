"""What is spoken, and what is not: Mozilla's intermediate configuration."""

from __future__ import annotations

import ssl

from router.tls.contexts import server_context

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
