"""How TLS is spoken, on both sides: versions, ciphers and the rest, one place for all of it.

Towards clients it is Mozilla's intermediate configuration (guidelines 5.8, ssl-config.mozilla.org). Key
exchange groups are OpenSSL's own, X25519 first: Python can set only one, which would leave clients out.
"""

from __future__ import annotations

import ssl

CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
"""For TLS 1.2; all three of TLS 1.3 are in the configuration."""

PROTOCOL = "http/1.1"
"""What ALPN offers and chooses (RFC 7301): there is no other yet."""


def server_context() -> ssl.SSLContext:
    """For a listener, without a certificate yet.

    There are no tickets, whose keys would live as long as the process: whoever steals one could read what
    was recorded. Mozilla turns them off, too. So no session of TLS 1.3 is resumed. Those of 1.2 are, by their
    ids: Python has no switch for OpenSSL's cache, which keeps up to 20,480 for each listener (1 KiB each),
    two hours long and until the certificates are read again. Mozilla's guidelines allow a day.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET
    # The client knows best which of these, all good, it computes quickly.
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 0
    context.set_alpn_protocols([PROTOCOL])
    return context


def client_context() -> ssl.SSLContext:
    """For endpoints, whose certificates are verified; it trusts nobody yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.hostname_checks_common_name = False  # RFC 9525 section 6.3
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols([PROTOCOL])
    return context
