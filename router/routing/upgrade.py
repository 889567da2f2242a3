"""Upgrade (RFC 9110 section 7.8): which other protocol a request may go on in, by its route."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from router.request import RequestHead
from router.table import Route


def protocol_asked(route: Route, head: RequestHead) -> str:
    """The first protocol that the request offers and the route allows, as the route has it; else empty.

    Only a GET can ask for one: the opening of WebSocket is one (RFC 6455 section 4.1), and no body is in
    the way. The Connection field has to name `upgrade`. HTTP/1.0 has no such thing, which the caller knows.
    """
    if (
        not route.upgrade
        or head.method != "GET"
        or b"upgrade" not in set(tokens(head.headers, b"connection"))
    ):
        return ""
    allowed = {protocol.lower().encode("ascii"): protocol for protocol in route.upgrade}
    return next((allowed[token] for token in tokens(head.headers, b"upgrade") if token in allowed), "")


def tokens(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> Iterator[bytes]:
    """The items of a field that is a list, in lower case and in their order (RFC 9110 section 5.6.1)."""
    for each, value in headers:
        if each == name:
            yield from (item.strip(b" \t").lower() for item in value.split(b","))
