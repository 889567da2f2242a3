"""Which parts of a URL or a log line are secrets, in whatever spelling, and what stands in their place."""

from __future__ import annotations

import re

REDACTED = b"<redacted>"
"""What Synapse writes in its own log in the place of a token."""

SECRET_PARAMETERS = (b"token", b"secret", b"password", b"ticket", b"code")
"""Ends of the names of query parameters that are credentials.

`access_token`, `loginToken`, `refresh_token` and a registration's `token`; `client_secret` of e-mail
validation; `ticket` and `code` of single sign-on (Matrix client-server API; CAS; RFC 6749 section 4.1.2).
"""

TOKEN_PREFIXES = (b"syt_", b"syr_", b"syl_", b"mat_", b"mar_", b"mct_", b"mcr_")
"""How Synapse's and matrix-authentication-service's own tokens begin, wherever they stand."""


def _any_spelling(word: bytes) -> bytes:
    """A pattern for the word with each character as it is or percent-encoded, once or more often."""
    letters = []
    for byte in word:
        codes = {byte, bytes([byte]).upper()[0]}
        escapes = b"|".join(b"%02x" % code for code in sorted(codes))
        letters.append(b"(?:%b|%%(?:25)*(?:%b))" % (re.escape(bytes([byte])), escapes))
    return b"".join(letters)


_secret = re.compile(
    rb"((?:%b)%b)[^&\"\s]+" % (b"|".join(map(_any_spelling, SECRET_PARAMETERS)), _any_spelling(b"="))
    + rb"|(?:(?<![A-Za-z0-9])|(?<=%%[0-9A-Fa-f]{2})|(?<=\\x[0-9A-Fa-f]{2}))(%b)[A-Za-z0-9_%%+/=.~-]+"
    % b"|".join(TOKEN_PREFIXES)
    + rb"|(bearer(?:\s|\+|%20)+)[^&\"\s]+",
    re.IGNORECASE,
)


def signs_of_secrets() -> bytes:
    """An RE2 pattern, to be read without case, that finds something wherever `redact` would.

    A letter of a name, `_` or `=`, or the `%` of one, written as an escape is such a sign too.
    """
    return b"|".join(
        (*SECRET_PARAMETERS, *TOKEN_PREFIXES, b"bearer", rb"%(?:[46][1-9a-f]|[57][0-9af]|25|3d)")
    )


def redact(text: bytes) -> bytes:
    """The text with every secret replaced; what says that it was one (`access_token=`, `syt_`) stays.

    A value ends at `&`, a blank or a double quote, so that of an encoded URL inside a URL
    rather too much goes than too little.
    """
    return _secret.sub(_stand_in, text)


def _stand_in(match: re.Match[bytes]) -> bytes:
    return (match[1] or match[2] or match[3]) + REDACTED
