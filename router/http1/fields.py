"""Header fields, as requests and answers share them: read, quoted in errors, and what Connection says."""

from __future__ import annotations

import re
from functools import lru_cache

MAX_LENGTH_DIGITS = 19
"""Content-Length up to 2^63-1 has 19 digits; Python's int() refuses 4,300 zeros that llhttp takes."""

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"upgrade",
        b"http2-settings",
    }
)
"""RFC 9110 section 7.6.1, and what older peers send; Transfer-Encoding stays, since the framing stays.

Trailer goes because trailers do. Proxy-Authorization and Proxy-Authenticate may be relayed (section 11.7),
and are, as by nginx and HAProxy: nothing here asks for such credentials.
"""

FRAMING = frozenset({b"content-length", b"transfer-encoding"})
"""What a 204 or a 1xx may not carry (RFC 9110 section 8.6, RFC 9112 section 6.1)."""

MAX_SIZE = 2**63 - 1
"""Bytes of a body or a chunk: nginx's NGX_MAX_OFF_T_VALUE."""

_TOKEN = rb"!#$%&'*+\-.^_`|~0-9A-Za-z"
_NAME = re.compile(rb"[%b]+" % _TOKEN)
_NO_TOKEN_BYTE = re.compile(rb"[^%b]" % _TOKEN)
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_QUOTED = 40


class Silent:
    """What llhttp talks to when only its verdict is wanted: httptools skips callbacks that are None."""

    __slots__ = ()

    on_message_begin = None
    on_url = None
    on_status = None
    on_header = None
    on_headers_complete = None
    on_body = None
    on_message_complete = None
    on_chunk_header = None
    on_chunk_complete = None


SILENT = Silent()


def split_fields(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    """Names in lower case and values without blanks around them; llhttp has passed the lines.

    A line without a colon is not possible then. What `strip` takes beside blanks, llhttp refuses.
    """
    return [(name.lower(), value.strip()) for line in lines for name, value in (line.split(b":", 1),)]


def join_repeated(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Fields by name, the values of a repeated one joined by `, ` (RFC 9110 section 5.3)."""
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        fields[name] = fields[name] + b", " + value if name in fields else value
    return fields


@lru_cache(maxsize=64)
def persists(connection: bytes, minor: int) -> bool:
    """Whether the connection outlives the message (RFC 9112 section 9.3): `close` wins over all else."""
    options = {option.strip().lower() for option in connection.split(b",")}
    return b"close" not in options and (minor == 1 or b"keep-alive" in options)


def is_token(name: bytes) -> bool:
    """RFC 9110 section 5.6.2."""
    return _NAME.fullmatch(name) is not None


def quote(data: bytes) -> str:
    """Bytes for an error: escaped, in backticks, cut after 40."""
    cut = data[:_QUOTED].decode("latin-1").encode("unicode_escape").decode("ascii")
    return f"`{cut}…`" if len(data) > _QUOTED else f"`{cut}`"


def fault_in(lines: list[bytes]) -> str:
    """Says which header line is malformed and how, or nothing where all are well formed one by one.

    Values are never quoted: they may hold a token.
    """
    for number, line in enumerate(lines, 1):
        fault = _fault_in_line(line)
        if fault:
            return f"header line {number} {fault}"
    return ""


def _fault_in_line(line: bytes) -> str:
    if line[:1] in (b" ", b"\t"):
        return "starts with a blank: folded lines (obs-fold, RFC 9112 section 5.2) are not taken"
    name, colon, value = line.partition(b":")
    if not colon:
        return "has no colon"
    if not name:
        return "has no name before its colon"
    if name[-1:] in (b" ", b"\t"):
        return f"has a blank between the name {quote(name.rstrip())} and its colon (RFC 9112 section 5.1)"
    bad = _NO_TOKEN_BYTE.search(name)
    if bad:
        return f"has the byte {quote(bad[0])} in its name {quote(name)}"
    bad = _CONTROL.search(value)
    if bad:
        return f"has the byte {quote(bad[0])} in the value of {quote(name)}, byte {bad.start() + 1}"
    return ""
