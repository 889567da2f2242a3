"""What is asked of a request's head between its bytes and its decision, for the wire and for `explain`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from router.errors import BadRequest, DownstreamError
from router.http1.fields import quote
from router.http1.requests import RequestMessage, end_of_request_head, parse_request
from router.proxy.trust import Trust, told_client
from router.request import RequestHead
from router.routing.explanation import Explanation, explain, explain_request
from router.routing.snapshot import Snapshot
from router.routing.view import EndpointView
from router.settings import Limits, Settings

_NO_FIELD_HAS = re.compile(rb"[\r\n\0]").search

_DEFAULT_HOST = b"localhost"


class Admitted(NamedTuple):
    """A head that may be decided on: as it was read, and as a decision sees it."""

    message: RequestMessage
    head: RequestHead


def read_head(
    head: bytes, *, client: str, limits: Limits, trust: Trust | None = None, port: int = 0
) -> Admitted:
    """Reads one head from its method to its empty line; `client` is the peer's address.

    Where `trust` is given, that peer is a trusted proxy: the client is the one that it names.

    Raises whatever `parse_request` and `take` raise.
    """
    message = parse_request(head, limits)
    return Admitted(message, take(message, client, trust, port))


def take(message: RequestMessage, client: str, trust: Trust | None, port: int = 0) -> RequestHead:
    """The request as a decision sees it; `client` and `trust` as in `read_head`, `port` the listener's.

    Raises whatever `RequestHead` raises, and BadRequest for a target that names another host than the Host
    field does: by RFC 9112 section 3.2.2 the target wins, and some believe the field.
    """
    if trust is not None:
        client = told_client(message, client, trust)
    asked = RequestHead(
        method=message.method,
        target=message.target,
        headers=message.headers,
        fields=message.fields,
        client=client,
        port=port,
        checked=message.is_plain,
    )
    if (
        asked.authority
        and message.minor == 1
        and not _names_host(message.target, asked.authority, message.host)
    ):
        raise BadRequest(
            f"the Host field is {quote(message.host)}, but the target names {quote(asked.authority)}"
        )
    return asked


def _names_host(target: bytes, authority: bytes, host: bytes) -> bool:
    """Whether both are one host and port; the scheme's own may be left out (RFC 9110 section 4.2.3)."""
    usual = b":443" if target[:5].lower() == b"https" else b":80"
    return _usual(authority, usual) == _usual(host, usual)


def _usual(authority: bytes, usual: bytes) -> bytes:
    return authority.lower().removesuffix(usual).removesuffix(b":")


def is_field_text(text: bytes) -> bool:
    """Whether a field's name or value could be sent at all: CR and LF would begin another line."""
    return _NO_FIELD_HAS(text) is None


def admit(
    *,
    method: str,
    target: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    client: str,
    limits: Limits,
    trust: Trust | None = None,
    port: int = 0,
) -> Admitted:
    """Puts a described request through what its bytes would go through on the wire.

    `client` is the peer's address; where `trust` covers it, the client is the one that it names.
    A Host field is added where `headers` have none: the host of an absolute-form target, else `localhost`.
    Raises the DownstreamError that a client would be answered with, and BadRequest for what holds the end
    of a line and so is not one request.
    """
    line = b"%b %b HTTP/1.1" % (method.encode("latin-1", "replace"), target)
    fields = [b"%b: %b" % field for field in headers]
    if all(name.lower() != b"host" for name, _ in headers):
        fields.insert(0, b"host: " + _host_of(target))
    if any(b"\r\n" in each for each in (line, *fields)):
        raise BadRequest("the request holds the end of a line (CR LF), after which it would be another one")
    sent = b"\r\n".join((line, *fields, b"", b""))
    if trust is not None and not trust.covers(client):
        trust = None
    end = end_of_request_head(sent, 0, limits)
    return read_head(sent[:end], client=client, limits=limits, trust=trust, port=port)


def _host_of(target: bytes) -> bytes:
    try:
        return RequestHead(method="GET", target=target).authority or _DEFAULT_HOST
    except DownstreamError:
        return _DEFAULT_HOST


def explain_sent(
    snapshot: Snapshot,
    view: EndpointView,
    settings: Settings,
    *,
    method: str,
    target: bytes,
    headers: Sequence[tuple[bytes, bytes]] = (),
    client: str = "",
    port: int | None = None,
) -> Explanation:
    """What becomes of a request that a client sends, in full: refused as it stands, answered or forwarded.

    `port` is that of the listener; None for the first one's.

    Raises ProxyError (500) for a defect of this program.
    """
    try:
        message, head = admit(
            method=method,
            target=target,
            headers=headers,
            client=client,
            limits=settings.limits,
            trust=Trust(settings.trusted_proxies),
            port=settings.listen[0].port if port is None else port,
        )
    except DownstreamError as error:
        return explain_request(
            snapshot, view, method=method, target=target, headers=headers, client=client, refused=error
        )
    told = explain(snapshot, head, view, settings=settings, content_length=message.content_length)
    return told if head.client == client else replace(told, named_by=client)
