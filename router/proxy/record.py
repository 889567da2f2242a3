"""The record of one request: metrics, access log and status read it once the request has ended."""

from __future__ import annotations

from router.proxy.opening import Opening
from router.request import RequestHead
from router.routing.decision import Decision
from router.table import Endpoint


class ExchangeRecord:
    """What is known of one request.

    `line` is the request line as received, without its CRLF; `head` is None where it could not be
    read as a request, and `decision` is None with it. `client` is its address as text, `''` on a unix
    socket: the peer's, or the one that a trusted proxy names. Times are monotonic seconds, 0.0 for what
    has not happened. `bytes_in` and `bytes_out` count body bytes as passed on (chunk framing included),
    `status` is what the client was sent, 0 for nothing. `reason` is empty for an answer passed on whole,
    else the `reason` of a `ProxyError` or of a `Refuse`. `endpoint` is the one of the last attempt,
    `attempts` how many there were. `opening` is the beginning of a worker's answer that may tell of a
    misroute, None of any other.
    """

    __slots__ = (
        "attempts",
        "bytes_in",
        "bytes_out",
        "client",
        "decision",
        "ended",
        "endpoint",
        "first_byte",
        "head",
        "line",
        "opening",
        "reason",
        "started",
        "status",
    )

    def __init__(self, line: bytes, head: RequestHead | None, client: str, started: float) -> None:
        self.line = line
        self.head = head
        self.client = client
        self.started = started
        self.decision: Decision | None = None
        self.endpoint: Endpoint | None = None
        self.opening: Opening | None = None
        self.attempts = 0
        self.first_byte = 0.0
        self.ended = 0.0
        self.status = 0
        self.reason = ""
        self.bytes_in = 0
        self.bytes_out = 0
