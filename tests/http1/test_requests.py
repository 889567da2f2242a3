from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import (
    BadRequest,
    DownstreamError,
    ExpectationFailed,
    HeadersTooLarge,
    MethodNotImplemented,
    UriTooLong,
    VersionNotSupported,
)
from router.http1.requests import RequestMessage, end_of_request_head, parse_request
from router.request import METHODS, NEVER_PROXIED, RequestHead
from router.settings import Limits
from tests.http1 import llhttp
from tests.http1.bytes_strategies import MUTATED_REQUESTS, pieces
from tests.http1.ours import fields_of, find_request, read_request

LIMITS = Limits()
LINE = b"GET /x HTTP/1.1\r\n"
GET = LINE + b"Host: h\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: h\r\n"

# name, head, what RequestMessage says of it
TAKEN: list[tuple[str, bytes, dict[str, object]]] = [
    ("plain", GET, {"method": "GET", "target": b"/x", "minor": 1, "keep_alive": True, "host": b"h"}),
    ("no body", GET, {"content_length": -1, "chunked": False, "expect_continue": False, "upgrade": False}),
    ("HTTP/1.0", b"GET /x HTTP/1.0\r\n", {"minor": 0, "keep_alive": False, "host": b""}),
    ("HTTP/1.0 with Host", b"GET /x HTTP/1.0\r\nHost: h\r\n", {"host": b"h"}),
    ("HTTP/1.0 kept alive", b"GET /x HTTP/1.0\r\nConnection: Keep-Alive\r\n", {"keep_alive": True}),
    ("close", GET + b"Connection: close\r\n", {"keep_alive": False}),
    ("close in a list", GET + b"Connection: keep-alive ,\tCLOSE\r\n", {"keep_alive": False}),
    ("close in a second field", GET + b"Connection: x\r\nConnection: close\r\n", {"keep_alive": False}),
    ("not quite close", GET + b"Connection: closed\r\n", {"keep_alive": True}),
    ("length", POST + b"Content-Length: 5\r\n", {"content_length": 5, "chunked": False}),
    ("length of zero", POST + b"Content-Length: 0\r\n", {"content_length": 0}),
    ("length with zeros before it", POST + b"Content-Length: 007\r\n", {"content_length": 7}),
    ("longest length", POST + b"Content-Length: 9223372036854775807\r\n", {"content_length": 2**63 - 1}),
    ("chunked", POST + b"Transfer-Encoding: chunked\r\n", {"chunked": True, "content_length": -1}),
    ("chunked between blanks", POST + b"TRANSFER-ENCODING:  chunked \r\n", {"chunked": True}),
    ("length between blanks", POST + b"CONTENT-LENGTH:  5 \r\nA:\tb\r\n", {"content_length": 5}),
    ("length of 2^63-1", POST + b"Content-Length: 9223372036854775807\r\n", {"content_length": 2**63 - 1}),
    ("GET with a body", GET + b"Content-Length: 2\r\n", {"content_length": 2}),
    ("Expect", POST + b"Content-Length: 5\r\nExpect: 100-Continue\r\n", {"expect_continue": True}),
    (
        "Expect, chunked",
        POST + b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n",
        {"expect_continue": True},
    ),
    ("Expect without a body", POST + b"Expect: 100-continue\r\n", {"expect_continue": False}),
    (
        "Expect, empty body",
        POST + b"Content-Length: 0\r\nExpect: 100-continue\r\n",
        {"expect_continue": False},
    ),
    (
        "Expect in HTTP/1.0",
        b"POST /x HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n",
        {"expect_continue": False},
    ),
    (
        "Upgrade",
        GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
        {"upgrade": True, "keep_alive": True},
    ),
    ("Upgrade in HTTP/1.0", b"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n", {"upgrade": False}),
    ("Upgrade without its option", GET + b"Upgrade: h2c\r\n", {"upgrade": True}),
    (
        "Upgrade, empty body",
        POST + b"Upgrade: h2c\r\nContent-Length: 0\r\n",
        {"upgrade": True, "content_length": 0},
    ),
    ("Upgrade as an option only", POST + b"Connection: upgrade\r\nContent-Length: 2\r\n", {"upgrade": False}),
    ("CONNECT, for RequestHead to refuse", b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n", {"method": "CONNECT"}),
    ("absolute-form", b"GET http://h/x HTTP/1.1\r\nHost: h\r\n", {"target": b"http://h/x"}),
    ("asterisk-form", b"OPTIONS * HTTP/1.1\r\nHost: h\r\n", {"target": b"*"}),
    ("hyphen in the method", b"M-SEARCH / HTTP/1.1\r\nHost: h\r\n", {"method": "M-SEARCH"}),
    (
        "bytes from 0x80 up in a value",
        GET + b"A: \xe4\xff\r\n",
        {"headers": [(b"host", b"h"), (b"a", b"\xe4\xff")]},
    ),
    ("tab in a value", GET + b"A: b\tc\r\n", {"headers": [(b"host", b"h"), (b"a", b"b\tc")]}),
    ("empty value", GET + b"A:\r\n", {"headers": [(b"host", b"h"), (b"a", b"")]}),
    ("underscore in a name", GET + b"A_B: c\r\n", {"headers": [(b"host", b"h"), (b"a_b", b"c")]}),
    ("all of a token", GET + b"!#$%&'*+-.^_`|~9Z: c\r\n", {"lines": [b"Host: h", b"!#$%&'*+-.^_`|~9Z: c"]}),
    ("lines as they came", GET + b"A:  b \r\na:c\r\n", {"lines": [b"Host: h", b"A:  b ", b"a:c"]}),
    ("Host with a port", LINE + b"Host: matrix.example.org:8448\r\n", {"host": b"matrix.example.org:8448"}),
    ("Host with an empty port", LINE + b"Host: h:\r\n", {"host": b"h:"}),
    ("Host as IPv4", LINE + b"Host: 127.0.0.1:80\r\n", {"host": b"127.0.0.1:80"}),
    ("Host as IPv6", LINE + b"Host: [2001:db8::1]:80\r\n", {"host": b"[2001:db8::1]:80"}),
    ("Host with a dot at its end", LINE + b"Host: h.\r\n", {"host": b"h."}),
    ("Host with an escape", LINE + b"Host: a%2db_c\r\n", {"host": b"a%2db_c"}),
]

# name, head, the error, a part of its message
REFUSED: list[tuple[str, bytes, type[DownstreamError], str]] = [
    ("blank line first", b"\r\n" + GET, BadRequest, "starts with a method"),
    ("nothing but a blank line", b"", BadRequest, "starts with a method"),
    ("blank first", b" " + GET, BadRequest, "starts with a method"),
    ("two blanks before the target", b"GET  /x HTTP/1.1\r\nHost: h\r\n", BadRequest, "single blanks"),
    ("two blanks after the target", b"GET /x  HTTP/1.1\r\nHost: h\r\n", BadRequest, "single blanks"),
    ("blank after the version", b"GET /x HTTP/1.1 \r\nHost: h\r\n", BadRequest, "single blanks"),
    ("tab for a blank", b"GET\t/x HTTP/1.1\r\nHost: h\r\n", BadRequest, "starts with a method"),
    ("blank in the target", b"GET /x y HTTP/1.1\r\nHost: h\r\n", BadRequest, "single blanks"),
    ("no version", b"GET /x\r\nHost: h\r\n", BadRequest, "single blanks"),
    ("no target", b"GET  HTTP/1.1\r\nHost: h\r\n", BadRequest, "no target"),
    ("CONNECT without a target", b"CONNECT  HTTP/1.1\r\nHost: h\r\n", BadRequest, "no target"),
    (
        "LF in the target, as if HTTP/0.9",
        b"GET /x\nHost:\th HTTP/1.1\r\nHost: h\r\n",
        BadRequest,
        "0x0a at byte 2",
    ),
    ("LF before a CONNECT's target", b"CONNECT \nh:1 HTTP/1.1\r\nHost: h\r\n", BadRequest, "0x0a at byte 0"),
    ("byte 0x80 in the target", b"GET /\x80 HTTP/1.1\r\nHost: h\r\n", BadRequest, "0x80 at byte 1"),
    ("byte 0xff in the query", b"GET /?a=\xff HTTP/1.1\r\nHost: h\r\n", BadRequest, "0xff at byte 4"),
    ("DEL in the target", b"GET /\x7f HTTP/1.1\r\nHost: h\r\n", BadRequest, "0x7f"),
    ("NUL in the target", b"GET /\0 HTTP/1.1\r\nHost: h\r\n", BadRequest, "0x00"),
    ("target without a slash", b"GET x HTTP/1.1\r\nHost: h\r\n", BadRequest, "url"),
    ("unknown method", b"BREW / HTTP/1.1\r\nHost: h\r\n", MethodNotImplemented, "`BREW`"),
    ("method in small letters", b"get / HTTP/1.1\r\nHost: h\r\n", MethodNotImplemented, "`get`"),
    ("known method and more", b"GETS / HTTP/1.1\r\nHost: h\r\n", MethodNotImplemented, "`GETS`"),
    ("no token for a method", b"G@T / HTTP/1.1\r\nHost: h\r\n", BadRequest, "`G@T`"),
    ("HTTP/2 with prior knowledge", b"PRI * HTTP/2.0\r\n", VersionNotSupported, "`HTTP/2.0`"),
    ("HTTP/2.0 on the line", b"GET / HTTP/2.0\r\nHost: h\r\n", VersionNotSupported, "`HTTP/2.0`"),
    ("another protocol", b"DESCRIBE rtsp://h/x RTSP/1.0\r\n", BadRequest, "`RTSP/1.0`"),
    ("HTTP/1.2", b"GET / HTTP/1.2\r\nHost: h\r\n", VersionNotSupported, "`HTTP/1.2`"),
    ("HTTP/0.9 on the line", b"GET / HTTP/0.9\r\nHost: h\r\n", BadRequest, "not a version"),
    ("HTTP/1.10", b"GET / HTTP/1.10\r\nHost: h\r\n", BadRequest, "not a version"),
    ("http/1.1", b"GET / http/1.1\r\nHost: h\r\n", BadRequest, "not a version"),
    ("RTSP", b"OPTIONS / RTSP/1.0\r\nHost: h\r\n", BadRequest, "not a version"),
    ("ICE", b"SOURCE / ICE/1.0\r\nHost: h\r\n", BadRequest, "not a version"),
    ("no Host", LINE, BadRequest, "needs a Host"),
    ("two Hosts", GET + b"Host: h\r\n", BadRequest, "more than one Host"),
    ("two Hosts in HTTP/1.0", b"GET / HTTP/1.0\r\nHost: h\r\nhost: i\r\n", BadRequest, "more than one Host"),
    ("empty Host", LINE + b"Host: \r\n", BadRequest, "Host field"),
    ("empty Host in HTTP/1.0", b"GET / HTTP/1.0\r\nHost:\r\n", BadRequest, "Host field"),
    ("Host with userinfo", LINE + b"Host: user@h\r\n", BadRequest, "user information"),
    ("Host with a path", LINE + b"Host: h/x\r\n", BadRequest, "`h/x`"),
    ("Host with a blank", LINE + b"Host: a b\r\n", BadRequest, "`a b`"),
    ("Host with two ports", LINE + b"Host: h:80:80\r\n", BadRequest, "Host field"),
    ("Host with a named port", LINE + b"Host: h:http\r\n", BadRequest, "Host field"),
    ("Host with a long port", LINE + b"Host: h:123456\r\n", BadRequest, "Host field"),
    ("Host with two dots", LINE + b"Host: a..b\r\n", BadRequest, "Host field"),
    ("Host with half a bracket", LINE + b"Host: [::1\r\n", BadRequest, "Host field"),
    ("Host with a tail", LINE + b"Host: [::1]x\r\n", BadRequest, "Host field"),
    ("Host with half an escape", LINE + b"Host: a%2\r\n", BadRequest, "Host field"),
    ("Host with a backslash", LINE + b"Host: a\\b\r\n", BadRequest, "Host field"),
    ("Host in Latin-1", LINE + b"Host: \xe4\r\n", BadRequest, "`\\xe4`"),
    (
        "two lengths that differ",
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n",
        BadRequest,
        "Content-Length",
    ),
    ("two equal lengths", POST + b"Content-Length: 5\r\nContent-Length: 5\r\n", BadRequest, "Content-Length"),
    ("listed lengths", POST + b"Content-Length: 5, 5\r\n", BadRequest, "Content-Length"),
    ("signed length", POST + b"Content-Length: +5\r\n", BadRequest, "Content-Length"),
    ("negative length", POST + b"Content-Length: -5\r\n", BadRequest, "Content-Length"),
    ("hex length", POST + b"Content-Length: 0x5\r\n", BadRequest, "Content-Length"),
    ("length with an underscore", POST + b"Content-Length: 1_0\r\n", BadRequest, "Content-Length"),
    ("empty length", POST + b"Content-Length:\r\n", BadRequest, "Content-Length"),
    ("overflowing length", POST + b"Content-Length: 18446744073709551616\r\n", BadRequest, "Content-Length"),
    ("5,000 zeros", POST + b"Content-Length: " + b"0" * 5000 + b"\r\n", BadRequest, "19 digits"),
    (
        "length and chunked",
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        BadRequest,
        "Transfer-Encoding",
    ),
    (
        "chunked and length",
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        BadRequest,
        "Content-Length",
    ),
    ("2^63", POST + b"Content-Length: 9223372036854775808\r\n", BadRequest, "2^63-1"),
    ("length behind a tab", POST + b"Content-Length:\t5\r\n", BadRequest, "a tab in the line of"),
    ("chunked behind a tab", POST + b"Transfer-Encoding:\tchunked\r\n", BadRequest, "a tab in the line of"),
    ("Chunked", POST + b"Transfer-Encoding: Chunked\r\n", BadRequest, "`Chunked`"),
    ("gzip", POST + b"Transfer-Encoding: gzip\r\n", BadRequest, "Transfer-Encoding"),
    ("identity", POST + b"Transfer-Encoding: identity\r\n", BadRequest, "Transfer-Encoding"),
    ("gzip, chunked", POST + b"Transfer-Encoding: gzip, chunked\r\n", BadRequest, "`gzip, chunked`"),
    ("chunked, gzip", POST + b"Transfer-Encoding: chunked, gzip\r\n", BadRequest, "Transfer-Encoding"),
    (",chunked", POST + b"Transfer-Encoding: ,chunked\r\n", BadRequest, "`,chunked`"),
    ("xchunked", POST + b"Transfer-Encoding: xchunked\r\n", BadRequest, "Transfer-Encoding"),
    (
        "gzip and chunked in two fields",
        POST + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        BadRequest,
        "`gzip, chunked`",
    ),
    (
        "chunked twice",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        BadRequest,
        "Transfer-Encoding",
    ),
    ("empty coding", POST + b"Transfer-Encoding:\r\n", BadRequest, "Transfer-Encoding"),
    ("chunked in HTTP/1.0", b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", BadRequest, "HTTP/1.0"),
    ("unknown expectation", POST + b"Expect: 200-ok\r\n", ExpectationFailed, "`200-ok`"),
    (
        "two expectations",
        POST + b"Expect: 100-continue\r\nExpect: x\r\n",
        ExpectationFailed,
        "`100-continue, x`",
    ),
    (
        "Upgrade with a body",
        POST + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n",
        BadRequest,
        "Upgrade",
    ),
    (
        "Upgrade with a chunked body",
        POST + b"Connection: upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n",
        BadRequest,
        "Upgrade",
    ),
    ("folded line", GET + b"A: b\r\n c\r\n", BadRequest, "header line 3 starts with a blank"),
    ("folded by a tab", GET + b"A: b\r\n\tc\r\n", BadRequest, "header line 3 starts with a blank"),
    ("blank before the first name", LINE + b" Host: h\r\n", BadRequest, "header line 1 starts with a blank"),
    ("blank before the colon", GET + b"A : b\r\n", BadRequest, "between the name `A` and its colon"),
    ("no colon", GET + b"secret\r\n", BadRequest, "header line 2 has no colon"),
    ("no name", GET + b": b\r\n", BadRequest, "has no name"),
    ("no token for a name", GET + b"A@B: c\r\n", BadRequest, "the byte `@` in its name `A@B`"),
    ("NUL in a name", GET + b"A\0: c\r\n", BadRequest, "the byte `\\x00` in its name"),
    ("byte 0xff in a name", GET + b"A\xff: c\r\n", BadRequest, "the byte `\\xff` in its name"),
    ("NUL in a value", GET + b"A: b\0\r\n", BadRequest, "the byte `\\x00` in the value of `A`"),
    ("control in a value", GET + b"A: b\x1f\r\n", BadRequest, "the byte `\\x1f`"),
    ("DEL in a value", GET + b"A: b\x7f\r\n", BadRequest, "the byte `\\x7f`"),
    ("bare CR in a value", GET + b"A: b\rc\r\n", BadRequest, "the byte `\\r`"),
    ("bare LF in a value", GET + b"A: b\nc: d\r\n", BadRequest, "the byte `\\n`"),
    ("CR before CRLF", GET + b"A: b\r\r\n", BadRequest, "the byte `\\r`"),
    ("more fields than 100", GET + b"A: b\r\n" * 100, HeadersTooLarge, "101 header fields"),
]


@pytest.mark.parametrize(("head", "said"), [case[1:] for case in TAKEN], ids=[case[0] for case in TAKEN])
def test_reads_a_head(head: bytes, said: dict[str, object]) -> None:
    message = parse_request(head + b"\r\n", LIMITS)
    assert {name: getattr(message, name) for name in said} == said


@pytest.mark.parametrize(
    ("head", "error", "part"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_refuses_a_head(head: bytes, error: type[DownstreamError], part: str) -> None:
    with pytest.raises(error) as caught:
        parse_request(head + b"\r\n", LIMITS)
    assert type(caught.value) is error
    assert part in caught.value.message
    assert caught.value.message.isprintable()


def test_a_hundred_fields_are_taken() -> None:
    message = parse_request(GET + b"A: b\r\n" * 99 + b"\r\n", LIMITS)
    assert len(message.headers) == len(message.lines) == 100


def test_an_error_never_shows_a_value() -> None:
    for line in (
        b"Authorization: Bearer syt_secret\x01",
        b"syt_secret",
        b" syt_secret",
        b"Cookie : syt_secret",
    ):
        with pytest.raises(BadRequest) as caught:
            parse_request(GET + line + b"\r\n\r\n", LIMITS)
        assert "secret" not in caught.value.message


@pytest.mark.parametrize("method", sorted(METHODS | NEVER_PROXIED))
def test_takes_the_methods_that_llhttp_takes(method: str) -> None:
    head = f"{method} {'h:1' if method == 'CONNECT' else '/'} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    assert parse_request(head, LIMITS).method == method
    assert llhttp.read_request(head)


@given(MUTATED_REQUESTS)
def test_refuses_what_llhttp_refuses_and_reads_the_rest_alike(data: bytes) -> None:
    message = read_request([data], LIMITS)
    if message is not None:
        theirs = llhttp.read_request(data[: data.index(b"\r\n\r\n") + 4])
        assert theirs is not None
        assert (message.target, message.headers) == (theirs.target, theirs.headers)


@given(MUTATED_REQUESTS)
def test_lines_say_what_headers_say(data: bytes) -> None:
    message = read_request([data], LIMITS)
    if message is not None:
        again = [line.split(b":", 1) for line in message.lines]
        assert [(name.lower(), value.strip(b" \t")) for name, value in again] == message.headers
        assert b"\r\n".join(message.lines) in data


@given(MUTATED_REQUESTS)
def test_the_target_rules_of_the_wire_are_not_laxer_than_those_of_request_head(data: bytes) -> None:
    message = read_request([data], LIMITS)
    if message is not None and message.method not in NEVER_PROXIED:
        # What is left to RequestHead: forms, fragments, userinfo, escapes, dot segments.
        assert not refusal_by_request_head(message).startswith("byte 0x")


def refusal_by_request_head(message: RequestMessage) -> str:
    try:
        RequestHead(method=message.method, target=message.target, headers=message.headers)
    except BadRequest as error:
        return error.message
    return ""


@given(MUTATED_REQUESTS, st.data())
def test_pieces_change_nothing(data: bytes, draw: st.DataObject) -> None:
    limits = draw.draw(st.sampled_from((LIMITS, Limits(request_line=30, headers=60, header_count=3))))
    whole = read_request([data], limits)
    assert fields_of(whole) == fields_of(read_request(draw.draw(pieces(data)), limits))


def cut(data: bytes, length: int) -> list[bytes]:
    return [data[start : start + length] for start in range(0, len(data), length)]


@given(st.data())
def test_finds_the_end_in_any_pieces(data: st.DataObject) -> None:
    head = GET + b"A: b\r\n\r\n"
    stream = head + data.draw(st.binary(max_size=40))
    assert find_request(data.draw(pieces(stream)), LIMITS) == head


@pytest.mark.parametrize(
    ("name", "start", "part"),
    [
        ("TLS", b"\x16\x03\x01\x02\x00", "TLS handshake"),
        ("LF", b"\n", "starts with a method"),
        ("CR", b"\r", "starts with a method"),
        ("blank", b" GET", "starts with a method"),
        ("NUL", b"\0", "`\\x00`"),
        ("bare LF after the line", b"GET / HTTP/1.1\n", "byte 15 of the head is a LF"),
        ("bare LF after a field", GET + b"A: b\n", "LF without a CR"),
        ("two bare LFs", b"GET / HTTP/1.1\nHost: h\n\n", "LF without a CR"),
    ],
)
@pytest.mark.parametrize("length", [1, 100])
def test_refuses_at_once_what_never_becomes_a_head(name: str, start: bytes, part: str, length: int) -> None:
    with pytest.raises(BadRequest) as caught:
        find_request(cut(start, length), LIMITS)
    assert part in caught.value.message, name


SMALL = Limits(request_line=20, headers=30)
LINE_OF_20 = b"GET /3456 HTTP/1.1\r\n"
HEADERS_OF_30 = b"A: 45678901234567890123456\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "error"),
    [
        (b"a".join((LINE_OF_20[:5], LINE_OF_20[5:])), UriTooLong),
        (LINE_OF_20 + b"a" + HEADERS_OF_30, HeadersTooLarge),
        (b"GET /" + b"a" * 50, UriTooLong),
        (LINE_OF_20 + b"A" * 50, HeadersTooLarge),
        (b"GET /" + b"a" * 50 + b" HTTP/1.1\r\n" + b"A: b\r\n" * 9 + b"\r\n", UriTooLong),
    ],
)
@pytest.mark.parametrize("length", [1, 7, 100])
def test_refuses_long_lines_and_long_headers(head: bytes, error: type[DownstreamError], length: int) -> None:
    with pytest.raises(error):
        find_request(cut(head, length), SMALL)


@pytest.mark.parametrize("length", [1, 7, 100])
def test_takes_lines_and_headers_that_just_fit(length: int) -> None:
    assert (len(LINE_OF_20), len(HEADERS_OF_30)) == (SMALL.request_line, SMALL.headers)
    head = LINE_OF_20 + HEADERS_OF_30
    assert find_request(cut(head, length), SMALL) == head


class Counting(bytearray):
    """Counts the bytes that are searched."""

    searched = 0

    def find(self, needle: object, start: object = 0, end: object = None) -> int:
        assert isinstance(needle, bytes)
        assert isinstance(start, int)
        stop = len(self) if end is None else end
        assert isinstance(stop, int)
        found = bytes(self).find(needle, start, stop)
        Counting.searched += (found if found >= 0 else stop) - start
        return found


def test_a_head_in_single_bytes_is_searched_a_few_times_and_not_once_for_each_byte() -> None:
    head = b"GET /" + b"a" * 4000 + b" HTTP/1.1\r\n" + b"A: b\r\n" * 1500
    Counting.searched = 0
    buffer = Counting()
    for index in range(len(head)):
        buffer.append(head[index])
        assert end_of_request_head(buffer, index, LIMITS) == -1
    assert Counting.searched < 8 * len(head)
