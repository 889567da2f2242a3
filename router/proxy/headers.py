"""What changes in a head on its way through: hop-by-hop out, X-Forwarded in, all other bytes as they came."""

from __future__ import annotations

from itertools import product

from router.http1.fields import FRAMING, HOP_BY_HOP
from router.http1.requests import RequestMessage
from router.http1.responses import ResponseMessage
from router.proxy.trust import LOOPBACK, told_host, told_scheme

REPLACED = frozenset(
    {
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-real-ip",
    }
)
"""Fields by which a client could claim to be another: Synapse believes the first X-Forwarded-For."""

NOT_FROM_CLIENTS = HOP_BY_HOP | {
    b"".join(spelling)
    for name in REPLACED
    for spelling in product(*((b"-", b"_") if byte == 0x2D else (bytes([byte]),) for byte in name))
}
"""CGI-like servers read `X-Forwarded_For` as `X-Forwarded-For`; nginx drops underscores by default too."""

NEVER_NOMINATED = frozenset({b"host", b"content-length", b"transfer-encoding", b"authorization"})
"""A Connection field may not take these away: the worker would see another message or another user."""


def nominated(headers: list[tuple[bytes, bytes]]) -> frozenset[bytes]:
    """The fields that `Connection` names as hop-by-hop, in lower case (RFC 9110 section 7.6.1)."""
    names: set[bytes] = set()
    for name, value in headers:
        if name == b"connection":
            names.update(token.strip(b" \t").lower() for token in value.split(b","))
    return frozenset(names - NEVER_NOMINATED)


def kept_lines(
    headers: list[tuple[bytes, bytes]], lines: list[bytes], dropped: frozenset[bytes]
) -> list[bytes]:
    """The lines whose field is not dropped, byte for byte and in their order."""
    return [line for (name, _), line in zip(headers, lines, strict=True) if name not in dropped]


def forwarded_fields(message: RequestMessage) -> bytes:
    """The fields of a request that go to the worker, byte for byte and in their order, each with its CRLF.

    Host goes as received; a request of HTTP/1.0 without one gets an empty field, which RFC 9112
    section 3.2 asks of a target without an authority.
    """
    headers = message.headers
    dropped = NOT_FROM_CLIENTS
    names = message.fields
    if b"connection" in names:
        dropped |= nominated(headers)
    lines = message.lines if dropped.isdisjoint(names) else kept_lines(headers, message.lines, dropped)
    added = (b"",) if b"host" in names else (b"Host:", b"")
    return b"\r\n".join((*lines, *added))


def request_head(
    message: RequestMessage,
    *,
    target: bytes,
    client: str,
    scheme: bytes,
    trusted: bool = False,
    upgrade: str = "",
) -> bytes:
    """The head that the worker gets, with the one protocol of `upgrade` asked for, if any.

    `client` is the client's address, `''` for one on a unix socket. `scheme` is the listener's own; where
    the peer is `trusted`, scheme and host of X-Forwarded-* are what it says, if it says it well.
    """
    fields = message.forwarded or forwarded_fields(message)
    if upgrade:
        fields += b"\r\n".join((*upgrade_lines(upgrade), b""))
    host = message.host
    if trusted:
        scheme, host = told_scheme(message) or scheme, told_host(message) or host
    as_received = message.minor == 1 and target is message.target
    line = message.line if as_received else b"%b %b HTTP/1.1" % (message.method.encode("ascii"), target)
    return (b"%b\r\n%bX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\n\r\n") % (
        line,
        fields,
        (client or LOOPBACK).encode("ascii"),
        scheme,
        host,
    )


def upgrade_lines(protocol: str) -> list[bytes]:
    """What asks for a protocol, and what grants it."""
    return [b"Connection: upgrade", b"Upgrade: " + protocol.encode("ascii")]


def response_head(
    message: ResponseMessage, *, close: bool, unchunk: bool, upgrade: str = "", added: bytes = b""
) -> bytes:
    """The head that the client gets: as it came, where nothing must change.

    `upgrade` is the protocol that a 101 grants, `close` announces that the connection ends with this
    answer, `unchunk` that the body is sent without chunks (to HTTP/1.0, which has none). To all others a
    body that ends with the worker's connection is sent in chunks. `added` is the listener's
    Strict-Transport-Security, which gives way to one of the worker's.
    """
    headers, head = message.headers, message.head
    names = message.fields
    if added and b"strict-transport-security" in names:
        added = b""
    if message.passes and not close and not unchunk:
        return head[:-2] + added + b"\r\n" if added else head
    dropped = HOP_BY_HOP | FRAMING if message.status == 204 or message.status < 200 else HOP_BY_HOP
    if b"connection" in names:
        dropped |= nominated(headers)
    if unchunk:
        dropped |= {b"transfer-encoding"}
    lines = [b"HTTP/1.1" + message.line[8:], *kept_lines(headers, message.lines, dropped)]
    if message.until_close and not unchunk:
        lines.append(b"Transfer-Encoding: chunked")
    if close:
        lines.append(b"Connection: close")
    if upgrade:
        lines += upgrade_lines(upgrade)
    return b"\r\n".join(lines) + b"\r\n" + added + b"\r\n"


def answer_start(message: ResponseMessage, data: bytes, *, close: bool, unchunk: bool, added: bytes) -> bytes:
    """What the client gets of an answer that begins with `data`: the head as it came, and some of the body.

    The rest is as for `response_head`. In the ordinary case it is `data` itself.
    """
    if message.passes and not close and not unchunk and not added:
        return data
    head = response_head(message, close=close, unchunk=unchunk, added=added)
    size = len(message.head)
    return b"".join((head, memoryview(data)[size:])) if len(data) > size else head
