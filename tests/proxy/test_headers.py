"""What changes in a head on its way through, and what must not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.http1.requests import parse_request
from router.http1.responses import parse_response
from router.proxy.headers import request_head, response_head
from router.settings import Limits

FORWARDED = b"X-Forwarded-For: 10.1.2.3\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h:8448\r\n\r\n"


def forwarded(*lines: bytes, target: bytes = b"/a?") -> bytes:
    """The fields that a worker gets of a request with these, without the three that are set."""
    head = b"\r\n".join((b"GET %b HTTP/1.1" % target, b"Host: h:8448", *lines)) + b"\r\n\r\n"
    message = parse_request(head, Limits())
    sent = request_head(message, target=target, client="10.1.2.3", scheme=b"http")
    start, end = b"GET %b HTTP/1.1\r\nHost: h:8448\r\n" % target, FORWARDED
    assert sent.startswith(start)
    assert sent.endswith(end)
    return sent[len(start) : -len(end)]


@pytest.mark.parametrize(
    "line",
    [
        b"Authorization: Bearer syt_x",
        b"Content-Length: 0",
        b"Cookie: a=b",
        b"X-Weird:  two blanks  ",
        b"X-Latin: caf\xe9",
        b"x-lower-CASE: kept",
        b"X_Custom: under_scored",
        b"X-Forwarded: not one of them",
        b"Forwarded-For: not one of them",
        b"Expect: 100-continue",
        b"Accept-Encoding: gzip",
        b"Via: 1.1 other",
        b"X-Request-ID: 7f3a19c2",
        b"Proxy-Authorization: Basic YTpi",
        b"TE-X: trailers",
        b"Connection-X: close",
        b"X-Forwarded-For-X: 1.1.1.1",
        b"X__Forwarded-For: 1.1.1.1",
    ],
)
def test_what_is_passed_on_is_passed_on_byte_for_byte(line: bytes) -> None:
    assert forwarded(line) == line + b"\r\n"


@pytest.mark.parametrize(
    "name",
    [
        b"X-Forwarded-For",
        b"x-forwarded-for",
        b"X_Forwarded_For",
        b"X-Forwarded_For",
        b"X_Forwarded-For",
        b"X-Forwarded-Proto",
        b"X_FORWARDED-PROTO",
        b"X-Forwarded-Host",
        b"X-Forwarded_Host",
        b"X-Real-IP",
        b"X_Real_IP",
        b"X-Real_IP",
        b"Forwarded",
    ],
)
def test_what_a_client_says_of_itself_is_replaced(name: bytes) -> None:
    assert forwarded(b"A: 1", name + b": 1.1.1.1", b"B: 2", name + b": 2.2.2.2") == b"A: 1\r\nB: 2\r\n"


@pytest.mark.parametrize(
    "name", [b"Keep-Alive", b"Proxy-Connection", b"TE", b"Trailer", b"HTTP2-Settings", b"Upgrade"]
)
def test_fields_of_one_hop_stay_on_it(name: bytes) -> None:
    assert forwarded(b"A: 1", name + b": x", b"B: 2") == b"A: 1\r\nB: 2\r\n"


@pytest.mark.parametrize(
    "connection",
    [
        [b"Connection: X-Mine, close , ,x-Other"],
        [b"Connection: close, x-mine", b"A: 1", b"connection:", b"Connection: ,X-Other,"],
        [b"Connection: x-other", b"Connection: keep-alive", b"Connection: X-MINE"],
    ],
)
def test_connection_names_further_ones(connection: list[bytes]) -> None:
    fields = forwarded(*connection, b"X-Mine: 1", b"X-Mine-Too: 2", b"X-OTHER: 2", b"close: 3")
    kept = [line for line in connection if line.startswith(b"A")] + [b"X-Mine-Too: 2"]
    close = [] if any(b"close" in line for line in connection) else [b"close: 3"]
    assert fields == b"".join(line + b"\r\n" for line in (*kept, *close))


@pytest.mark.parametrize("name", [b"Host", b"Content-Length", b"Authorization", b"X-Forwarded-For"])
def test_connection_cannot_take_away_what_makes_the_message(name: bytes) -> None:
    fields = forwarded(
        b"Connection: " + name, b"Content-Length: 0", b"Authorization: Bearer x", b"X-Forwarded-For: 1.1.1.1"
    )
    assert fields == b"Content-Length: 0\r\nAuthorization: Bearer x\r\n"


@pytest.mark.parametrize("target", [b"/", b"/a?", b"/%41%2f?x=%zz&&", b"/a//b/;c=d?e?f", b"/a/%E2%82%AC"])
def test_the_target_is_sent_as_it_is_given(target: bytes) -> None:
    assert forwarded(target=target) == b""


def test_http_1_0_without_a_host_gets_an_empty_one() -> None:
    message = parse_request(b"GET / HTTP/1.0\r\n\r\n", Limits())
    head = request_head(message, target=b"/", client="::1", scheme=b"https")
    assert head == (
        b"GET / HTTP/1.1\r\nHost:\r\n"
        b"X-Forwarded-For: ::1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: \r\n\r\n"
    )


def test_one_protocol_is_asked_for_and_granted() -> None:
    message = parse_request(b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: a, b\r\nA: 1\r\n\r\n", Limits())
    head = request_head(message, target=b"/", client="::1", scheme=b"http", upgrade="b")
    assert b"\r\nA: 1\r\nConnection: upgrade\r\nUpgrade: b\r\nX-Forwarded-For: " in head
    assert head.count(b"Upgrade") == 1
    head = b"HTTP/1.1 101 S\r\nUpgrade: B\r\nConnection: upgrade, x\r\nX: 1\r\nA: 1\r\n\r\n"
    granted = response_head(parse_response(head, "GET"), close=False, unchunk=False, upgrade="b")
    assert granted == b"HTTP/1.1 101 S\r\nA: 1\r\nConnection: upgrade\r\nUpgrade: b\r\n\r\n"


VALUE = st.binary(max_size=20).filter(lambda value: not any(byte < 0x20 or byte == 0x7F for byte in value))


@given(st.lists(VALUE, max_size=8))
def test_fields_of_no_meaning_here_are_never_touched(values: list[bytes]) -> None:
    lines = [b"X-%d:%b" % pair for pair in enumerate(values)]
    assert forwarded(*lines) == b"".join(line + b"\r\n" for line in lines)
    head = b"\r\n".join((b"HTTP/1.1 200 OK", b"Content-Length: 0", *lines)) + b"\r\n\r\n"
    message = parse_response(head, "GET")
    assert response_head(message, close=False, unchunk=False) == head


L = b"HTTP/1.1 200 OK|"
LENGTH = b"Content-Length: 2"
ANSWERS = [
    # what the worker sends, close, unchunk, what the client gets
    (L + b"Content-Length: 2|Server: S|Date: D", False, False, None),
    (L + b"Content-Length: 2|Set-Cookie: a|Set-Cookie: b", False, False, None),
    (b"HTTP/1.1 200 |Content-Length: 2", False, False, None),
    (b"HTTP/1.1 200|Content-Length: 2", False, False, None),
    (b"HTTP/1.1 200 \xe9t\xe9|Content-Length: 2|X: caf\xe9", False, False, None),
    (b"HTTP/1.0 200 OK|Content-Length: 2", False, False, L + LENGTH),
    (L + b"A: 1|Content-Length: 2", True, False, L + b"A: 1|Content-Length: 2|Connection: close"),
    (L + b"Connection: close|A: 1|Content-Length: 2", False, False, L + b"A: 1|Content-Length: 2"),
    (L + b"Connection: X-A|X-A: 1|Content-Length: 2", False, False, L + LENGTH),
    (L + b"Connection: Content-Length|Content-Length: 2", False, False, L + LENGTH),
    (L + b"Keep-Alive: timeout=5|Content-Length: 2", False, False, L + LENGTH),
    (L + b"Upgrade: h2c|Content-Length: 2", False, False, L + LENGTH),
    (L + b"Transfer-Encoding: chunked", False, False, None),
    (L + b"Transfer-Encoding: chunked|A: 1", True, True, L + b"A: 1|Connection: close"),
    (b"HTTP/1.1 204 No Content|Content-Length: 5|A: 1", False, False, b"HTTP/1.1 204 No Content|A: 1"),
    (
        b"HTTP/1.1 103 Early Hints|Content-Length: 5|Link: a",
        False,
        False,
        b"HTTP/1.1 103 Early Hints|Link: a",
    ),
    (b"HTTP/1.1 103 Early Hints|Link: a", False, False, None),
    (L + b"A: 1", False, False, L + b"A: 1|Transfer-Encoding: chunked"),
    (L + b"A: 1", True, False, L + b"A: 1|Transfer-Encoding: chunked|Connection: close"),
    (L + b"A: 1", True, True, L + b"A: 1|Connection: close"),
    (b"HTTP/1.1 204 No Content|A: 1", False, False, None),
    (b"HTTP/1.1 304 Not Modified|Content-Length: 5|A: 1", False, False, None),
    (L + b"Trailer: X|Transfer-Encoding: chunked", False, False, L + b"Transfer-Encoding: chunked"),
    (L + b"Trailer: X|Transfer-Encoding: chunked|A: 1", True, True, L + b"A: 1|Connection: close"),
    (
        L + b"Connection: close, X-A,, |Connection: x-b|X-A: 1|X-B: 2|X-C: 3|" + LENGTH,
        False,
        False,
        L + b"X-C: 3|" + LENGTH,
    ),
    (
        L + b"Connection: Transfer-Encoding|Transfer-Encoding: chunked",
        False,
        False,
        L + b"Transfer-Encoding: chunked",
    ),
    (L + b"TE: x|Proxy-Connection: x|HTTP2-Settings: x|" + LENGTH, False, False, L + LENGTH),
    (L + b"Proxy-Authenticate: Basic|X-Request-ID: 7|X-Forwarded-For: 1|" + LENGTH, False, False, None),
]


@pytest.mark.parametrize(("sent", "close", "unchunk", "got"), ANSWERS)
def test_answers(sent: bytes, close: bool, unchunk: bool, got: bytes | None) -> None:
    head = sent.replace(b"|", b"\r\n") + b"\r\n\r\n"
    changed = response_head(parse_response(head, "GET"), close=close, unchunk=unchunk)
    assert changed == (sent if got is None else got).replace(b"|", b"\r\n") + b"\r\n\r\n"
