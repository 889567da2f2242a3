"""Exchanges that have ended, made by hand."""

from __future__ import annotations

from dataclasses import dataclass

from router.http1.responses import parse_response
from router.proxy.opening import Opening, opening_of
from router.proxy.record import ExchangeRecord
from router.request import RequestHead
from router.routing.decision import Decision, Forward, Refuse
from router.table import Endpoint, Pattern, Refusal, Route, RouteTable, TcpAddress, Upstream

Headers = tuple[tuple[bytes, bytes], ...]

GENERIC1 = Endpoint(address=TcpAddress(host="127.0.0.1", port=8101))
GENERIC2 = Endpoint(address=TcpAddress(host="127.0.0.1", port=8102))
GENERIC = Upstream(name="generic-worker", endpoints=(GENERIC1, GENERIC2))
SYNC = Route(name="sync", pattern=Pattern(text="/sync$"), upstream="generic-worker")
TO_SYNC = Forward(route=SYNC, upstream=GENERIC, candidates=(GENERIC1, GENERIC2))
MAIN = Endpoint(address=TcpAddress(host="127.0.0.1", port=8008), instance="main")
MAIN_ONLY = Upstream(name="synapse", endpoints=(MAIN,))
REST = Route(name="rest", pattern=Pattern(text="^/"), upstream="synapse")
TO_MAIN = Forward(route=REST, upstream=MAIN_ONLY, candidates=(MAIN,))
TABLE = RouteTable(routes=(SYNC, REST), upstreams={"generic-worker": GENERIC, "synapse": MAIN_ONLY})
GUARDED = Refuse(route=None, refusal=Refusal(), reason="guard")


@dataclass(slots=True, kw_only=True)
class Ended(ExchangeRecord):
    """A record by its fields, with a default for each."""

    line: bytes = b"GET /_matrix/client/v3/sync HTTP/1.1"
    client: str = "127.0.0.1"
    head: RequestHead | None = None
    decision: Decision | None = None
    endpoint: Endpoint | None = None
    opening: Opening | None = None
    attempts: int = 0
    started: float = 100.0
    first_byte: float = 0.0
    ended: float = 100.0
    status: int = 200
    reason: str = ""
    bytes_in: int = 0
    bytes_out: int = 0


def request(target: bytes, *headers: tuple[bytes, bytes], method: str = "GET", status: int = 200) -> Ended:
    """An exchange without a decision: what the access log reads."""
    head = RequestHead(method=method, target=target, headers=headers, client="127.0.0.1")
    return Ended(line=b"%b %b HTTP/1.1" % (method.encode(), target), head=head, status=status)


def opening(status: int, media_type: bytes, body: bytes) -> Opening | None:
    """What the exchange keeps of an answer of a known length."""
    head = b"HTTP/1.1 %d X\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (
        status,
        media_type,
        len(body),
    )
    return opening_of(parse_response(head, "GET"), body, unchunked=False)


def unrecognized(status: int = 404) -> Opening | None:
    """As Synapse says that it does not know path or method."""
    return opening(
        status, b"application/json", b'{"errcode":"M_UNRECOGNIZED","error":"Unrecognized request"}'
    )


def answered(
    *,
    method: str = "GET",
    status: int = 200,
    first_byte: float = 0.02,
    duration: float = 0.03,
    attempts: int = 1,
) -> Ended:
    """An answer that a worker gave; times are in seconds after the head."""
    return Ended(
        head=RequestHead(method=method, target=b"/_matrix/client/v3/sync", client="127.0.0.1"),
        decision=TO_SYNC,
        endpoint=GENERIC1,
        attempts=attempts,
        status=status,
        first_byte=100.0 + first_byte,
        ended=100.0 + duration,
    )
