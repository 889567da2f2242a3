"""Exchanges that have ended, made by hand."""

from __future__ import annotations

from typing import TypedDict, Unpack

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


class Facts(TypedDict, total=False):
    """What a record may say."""

    line: bytes
    client: str
    head: RequestHead | None
    decision: Decision | None
    endpoint: Endpoint | None
    opening: Opening | None
    attempts: int
    started: float
    first_byte: float
    ended: float
    status: int
    reason: str
    bytes_in: int
    bytes_out: int


def ended(**facts: Unpack[Facts]) -> ExchangeRecord:
    """A record by its fields, with a default for each."""
    record = ExchangeRecord(b"GET /_matrix/client/v3/sync HTTP/1.1", None, "127.0.0.1", 100.0)
    record.ended = 100.0
    record.status = 200
    return _say(record, facts)


def changed(record: ExchangeRecord, **facts: Unpack[Facts]) -> ExchangeRecord:
    """Another one that says the same but for these."""
    other = ExchangeRecord(record.line, record.head, record.client, record.started)
    for name in Facts.__annotations__:
        setattr(other, name, getattr(record, name))
    return _say(other, facts)


def _say(record: ExchangeRecord, facts: Facts) -> ExchangeRecord:
    for name, value in facts.items():
        setattr(record, name, value)
    return record


def request(
    target: bytes, *headers: tuple[bytes, bytes], method: str = "GET", status: int = 200
) -> ExchangeRecord:
    """An exchange without a decision: what the access log reads."""
    head = RequestHead(method=method, target=target, headers=headers, client="127.0.0.1")
    return ended(line=b"%b %b HTTP/1.1" % (method.encode(), target), head=head, status=status)


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
) -> ExchangeRecord:
    """An answer that a worker gave; times are in seconds after the head."""
    return ended(
        head=RequestHead(method=method, target=b"/_matrix/client/v3/sync", client="127.0.0.1"),
        decision=TO_SYNC,
        endpoint=GENERIC1,
        attempts=attempts,
        status=status,
        first_byte=100.0 + first_byte,
        ended=100.0 + duration,
    )
