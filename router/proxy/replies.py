"""Our own answers: Matrix JSON errors with CORS headers, so that a web client can read them."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from functools import lru_cache

from router.answers import Response
from router.errors import ProxyError
from router.table import Refusal

REASONS = {
    200: "OK",
    201: "Created",
    202: "Accepted",
    204: "No Content",
    301: "Moved Permanently",
    302: "Found",
    303: "See Other",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    410: "Gone",
    413: "Content Too Large",
    414: "URI Too Long",
    417: "Expectation Failed",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}
"""RFC 9110 section 15 and RFC 6585; any other status goes without a phrase."""

CORS = (
    "Access-Control-Allow-Origin: *\r\n"
    "Access-Control-Allow-Methods: GET, HEAD, POST, PUT, DELETE, OPTIONS\r\n"
    "Access-Control-Allow-Headers: X-Requested-With, Content-Type, Authorization, Date\r\n"
)
"""What the Matrix client-server API asks of every answer (section "Web Browser Clients")."""

RETRY_AFTER = 5
"""Seconds that a client is asked to wait before it comes back to a worker that is restarting, or is busy."""

MAY_RETRY = frozenset({429, 503})
"""What is over in a while: RFC 9110 section 15.6.4, RFC 6585 section 4."""

CLIENT_TEXT = {
    "connect_failed": "This part of the homeserver cannot be reached. Try again in a few seconds.",
    "connect_timeout": "This part of the homeserver cannot be reached in time. Try again in a few seconds.",
    "out_of_resources": "The homeserver is overloaded. Try again in a few seconds.",
    "overload": "The homeserver is busy. Try again in a few seconds.",
    "queue_timeout": "The homeserver is busy. Try again in a few seconds.",
    "no_endpoint": "This part of the homeserver is restarting. Try again in a few seconds.",
    "timeout": "This part of the homeserver took too long to answer.",
    "aborted": "This part of the homeserver broke off its answer. Try again.",
    "bad_response": "This part of the homeserver gave an answer that cannot be passed on.",
}
"""What a client is told of a worker's trouble: never a worker's name or address."""


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    """RFC 9110 section 5.6.7, made once a second."""
    return formatdate(second, usegmt=True)


def render(
    *, status: int, errcode: str, error: str, close: bool, retry_after: int = 0
) -> tuple[bytes, bytes]:
    """The answer's head and body; a HEAD request gets the same head and no body."""
    fields: dict[str, str | int] = {"errcode": errcode, "error": error}
    extra = ""
    if retry_after:
        fields["retry_after_ms"] = retry_after * 1000
        extra = f"Retry-After: {retry_after}\r\n"
    if status == 405:
        extra += "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH\r\n"
    body = json.dumps(fields).encode("ascii")
    if close:
        extra += "Connection: close\r\n"
    head = (
        f"HTTP/1.1 {status} {REASONS.get(status, '')}\r\n"
        f"Date: {_date(int(time.time()))}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"{CORS}{extra}\r\n"
    )
    return head.encode("ascii"), body


def error_reply(error: ProxyError, *, close: bool) -> tuple[bytes, bytes]:
    """The answer to a request that failed here or at a worker."""
    return render(
        status=error.status,
        errcode=error.errcode,
        error=CLIENT_TEXT.get(error.reason, error.message),
        close=close,
        retry_after=RETRY_AFTER if error.status in MAY_RETRY else 0,
    )


def local_reply(answer: Refusal | Response, *, close: bool) -> tuple[bytes, bytes]:
    """The answer to a request that the table or the guard answers by itself."""
    if isinstance(answer, Response):
        return _response_reply(answer, close=close)
    return render(
        status=answer.status,
        errcode=answer.errcode,
        error=answer.error,
        close=close,
        retry_after=RETRY_AFTER if answer.status in MAY_RETRY else 0,
    )


def _response_reply(response: Response, *, close: bool) -> tuple[bytes, bytes]:
    """A route's own fields take the place of ours with the same names."""
    own = {name.lower() for name, _ in response.fields}
    lines = [
        f"HTTP/1.1 {response.status} {REASONS.get(response.status, '')}",
        f"Date: {_date(int(time.time()))}",
    ]
    if response.media_type and "content-type" not in own:
        lines.append(f"Content-Type: {response.media_type}")
    if response.status not in (204, 304):
        lines.append(f"Content-Length: {len(response.body)}")
    lines += [line for line in CORS.splitlines() if line.partition(":")[0].lower() not in own]
    lines += [f"{name}: {value}" for name, value in response.fields]
    if close:
        lines.append("Connection: close")
    return "\r\n".join((*lines, "", "")).encode("ascii"), response.body
