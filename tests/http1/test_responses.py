from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import BadResponse
from router.http1.responses import MAX_RESPONSE_HEAD, end_of_response_head, parse_response
from tests.http1 import llhttp
from tests.http1.bytes_strategies import MUTATED_RESPONSES, pieces
from tests.http1.ours import cut_head, fields_of, read_response

OK = b"HTTP/1.1 200 OK\r\n"

# name, method of the request, head, what ResponseMessage says of it
TAKEN: list[tuple[str, str, bytes, dict[str, object]]] = [
    (
        "length",
        "GET",
        OK + b"Content-Length: 5\r\n",
        {
            "status": 200,
            "minor": 1,
            "content_length": 5,
            "chunked": False,
            "until_close": False,
            "keep_alive": True,
        },
    ),
    (
        "no length",
        "GET",
        OK,
        {"content_length": -1, "until_close": True, "keep_alive": False, "no_body": False},
    ),
    ("chunked", "GET", OK + b"Transfer-Encoding: Chunked\r\n", {"chunked": True, "until_close": False}),
    (
        "close",
        "GET",
        OK + b"Content-Length: 0\r\nConnection: close\r\n",
        {"keep_alive": False, "until_close": False},
    ),
    (
        "HTTP/1.0",
        "GET",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n",
        {"minor": 0, "content_length": 5, "keep_alive": False},
    ),
    (
        "HTTP/1.0 kept alive",
        "GET",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n",
        {"keep_alive": True},
    ),
    (
        "HTTP/1.0 kept alive without a length",
        "GET",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n",
        {"keep_alive": False, "until_close": True},
    ),
    (
        "answer to HEAD",
        "HEAD",
        OK + b"Content-Length: 5\r\n",
        {"no_body": True, "content_length": 5, "until_close": False, "keep_alive": True},
    ),
    (
        "answer to HEAD, chunked",
        "HEAD",
        OK + b"Transfer-Encoding: chunked\r\n",
        {"no_body": True, "chunked": True},
    ),
    ("answer to HEAD, no length", "HEAD", OK, {"no_body": True, "until_close": False, "keep_alive": True}),
    ("100", "POST", b"HTTP/1.1 100 Continue\r\n", {"status": 100, "no_body": True, "keep_alive": True}),
    ("103", "GET", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n", {"status": 103, "no_body": True}),
    (
        "204",
        "GET",
        b"HTTP/1.1 204 No Content\r\n",
        {"no_body": True, "until_close": False, "keep_alive": True},
    ),
    (
        "101 with its fields",
        "GET",
        b"HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: upgrade\r\n",
        {"status": 101, "no_body": True, "headers": [(b"upgrade", b"h2c"), (b"connection", b"upgrade")]},
    ),
    ("204 with a length", "OPTIONS", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n", {"no_body": True}),
    (
        "304",
        "GET",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n",
        {"no_body": True, "content_length": 5},
    ),
    ("205 may have a body", "GET", b"HTTP/1.1 205 x\r\nContent-Length: 1\r\n", {"no_body": False}),
    ("599", "GET", b"HTTP/1.1 599 x\r\n", {"status": 599}),
    ("no reason", "GET", b"HTTP/1.1 200 \r\n", {"line": b"HTTP/1.1 200 "}),
    ("no blank after the status", "GET", b"HTTP/1.1 200\r\n", {"line": b"HTTP/1.1 200"}),
    ("reason in Latin-1", "GET", b"HTTP/1.1 404 Pas trouv\xe9\r\n", {"line": b"HTTP/1.1 404 Pas trouv\xe9"}),
    (
        "an upgrade that is only offered",
        "GET",
        OK + b"Upgrade: h2c\r\nConnection: upgrade\r\n",
        {"status": 200},
    ),
    (
        "lines as they came",
        "GET",
        OK + b"A:  b \r\nSet-Cookie: x\r\nset-cookie: y\r\n",
        {
            "lines": [b"A:  b ", b"Set-Cookie: x", b"set-cookie: y"],
            "headers": [(b"a", b"b"), (b"set-cookie", b"x"), (b"set-cookie", b"y")],
        },
    ),
]

# name, head, a part of the message
REFUSED: list[tuple[str, bytes, str]] = [
    ("status 099", b"HTTP/1.1 099 x\r\n", "100-599"),
    ("status 600", b"HTTP/1.1 600 x\r\n", "100-599"),
    ("status 999", b"HTTP/1.1 999 x\r\n", "100-599"),
    ("two digits", b"HTTP/1.1 20 x\r\n", "100-599"),
    ("four digits", b"HTTP/1.1 2000 x\r\n", "100-599"),
    ("no blank before the reason", b"HTTP/1.1 200OK\r\n", "first line"),
    ("two blanks before the status", b"HTTP/1.1  200 OK\r\n", "first line"),
    ("101 without its fields", b"HTTP/1.1 101 x\r\n", "lacks Upgrade"),
    ("101 without Connection", b"HTTP/1.1 101 x\r\nUpgrade: x\r\n", "lacks Upgrade"),
    ("101 without Upgrade", b"HTTP/1.1 101 x\r\nConnection: upgrade\r\n", "lacks Upgrade"),
    ("101 and a malformed field", b"HTTP/1.1 101 x\r\nA : b\r\n", "between the name `A`"),
    ("HTTP/2.0", b"HTTP/2.0 200 OK\r\n", "first line"),
    ("HTTP/0.9", b"HTTP/0.9 200 OK\r\n", "first line"),
    ("HTTP/1.2", b"HTTP/1.2 200 OK\r\n", "first line"),
    ("RTSP", b"RTSP/1.0 200 OK\r\n", "first line"),
    ("ICY", b"ICY 200 OK\r\n", "first line"),
    ("no head", b"hello\r\n", "first line"),
    ("blank line first", b"\r\n" + OK, "first line"),
    ("control in the reason", b"HTTP/1.1 200 O\x01K\r\n", "`HTTP/1.1 200 O\\x01K`"),
    ("NUL in the reason", b"HTTP/1.1 200 O\0K\r\n", "first line"),
    ("bare LF in the reason", b"HTTP/1.1 200 OK\nA: b\r\n", "first line"),
    ("length and chunked", OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding"),
    ("chunked and length", OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "Content-Length"),
    ("two lengths that differ", OK + b"Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length"),
    ("two equal lengths", OK + b"Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length"),
    ("listed lengths", OK + b"Content-Length: 5, 5\r\n", "Content-Length"),
    ("5,000 zeros", OK + b"Content-Length: " + b"0" * 5000 + b"\r\n", "over 19 digits"),
    ("gzip", OK + b"Transfer-Encoding: gzip\r\n", "`gzip`"),
    ("gzip, chunked", OK + b"Transfer-Encoding: gzip, chunked\r\n", "`gzip, chunked`"),
    ("chunked, gzip", OK + b"Transfer-Encoding: chunked, gzip\r\n", "`chunked, gzip`"),
    (
        "chunked twice",
        OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "`chunked, chunked`",
    ),
    ("chunked in HTTP/1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n", "HTTP/1.0"),
    ("folded line", OK + b"A: b\r\n c\r\n", "header line 2 starts with a blank"),
    ("blank before the colon", OK + b"A : b\r\n", "between the name `A` and its colon"),
    ("no colon", OK + b"A\r\n", "header line 1 has no colon"),
    ("control in a value", OK + b"A: b\x01\r\n", "the byte `\\x01` in the value of `A`"),
    ("bare CR in a value", OK + b"A: b\rc\r\n", "the byte `\\r` in the value of `A`"),
]


@pytest.mark.parametrize(
    ("method", "head", "said"), [case[1:] for case in TAKEN], ids=[case[0] for case in TAKEN]
)
def test_reads_a_head(method: str, head: bytes, said: dict[str, object]) -> None:
    message = parse_response(head + b"\r\n", method)
    assert {name: getattr(message, name) for name in said} == said


@pytest.mark.parametrize(("head", "part"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_refuses_a_head(head: bytes, part: str, method: str) -> None:
    with pytest.raises(BadResponse) as caught:
        parse_response(head + b"\r\n", method)
    assert part in caught.value.message
    assert caught.value.message.isprintable()


@given(MUTATED_RESPONSES)
def test_refuses_what_llhttp_refuses_and_reads_the_rest_alike(data: bytes) -> None:
    message = read_response([data], "GET")
    if message is not None:
        theirs = llhttp.read_response(data[: data.index(b"\r\n\r\n") + 4])
        assert theirs is not None
        assert message.headers == theirs.headers


@given(MUTATED_RESPONSES, st.data())
def test_pieces_change_nothing(data: bytes, draw: st.DataObject) -> None:
    method = draw.draw(st.sampled_from(("GET", "HEAD")))
    whole = read_response([data], method)
    assert fields_of(whole) == fields_of(read_response(draw.draw(pieces(data)), method))


@given(MUTATED_RESPONSES)
def test_the_end_of_a_body_is_known_in_one_way(data: bytes) -> None:
    message = read_response([data], "GET")
    if message is not None and not message.no_body:
        assert (message.content_length >= 0) + message.chunked + message.until_close == 1
        assert not (message.until_close and message.keep_alive)


@given(st.data())
def test_finds_the_end_in_any_pieces(data: st.DataObject) -> None:
    head = OK + b"A: b\r\n\r\n"
    stream = head + data.draw(st.binary(max_size=40))
    assert cut_head(data.draw(pieces(stream)), end_of_response_head) == head


@pytest.mark.parametrize(
    "start", [b"<", b"\r", b"\n", b" H", b"http/1.1", b"HTTP/2", b"HTTP/1,", OK[:-2] + b"\n", b"\x15\x03"]
)
def test_refuses_at_once_what_never_becomes_a_head(start: bytes) -> None:
    with pytest.raises(BadResponse):
        end_of_response_head(start, 0)
    with pytest.raises(BadResponse):
        cut_head([start[index : index + 1] for index in range(len(start))], end_of_response_head)


def test_a_head_that_just_fits_is_taken_and_one_byte_more_is_not() -> None:
    room = MAX_RESPONSE_HEAD - len(OK) - len(b"A: \r\n\r\n")
    fits = OK + b"A: " + b"b" * room + b"\r\n\r\n"
    assert end_of_response_head(fits, 0) == len(fits) == MAX_RESPONSE_HEAD
    assert end_of_response_head(fits[:-1], 0) == -1
    larger = OK + b"A: b" + fits[len(OK) + 3 :]
    with pytest.raises(BadResponse, match="more than 65536 bytes"):
        end_of_response_head(larger, 0)
    with pytest.raises(BadResponse, match="more than 65536 bytes"):
        end_of_response_head(OK + b"A" * MAX_RESPONSE_HEAD, 0)
