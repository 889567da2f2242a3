from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import BadRequest, BadResponse
from router.http1.chunks import MAX_EXTRAS, ChunkScanner, is_one_chunk
from tests.http1 import llhttp
from tests.http1.bytes_strategies import MUTATED_BODIES, pieces
from tests.http1.ours import STRICTER, pass_chunks, read_chunks

LAST = b"0\r\n\r\n"
HELLO = b"5\r\nhello\r\n"

# name, body, what goes out, payload
TAKEN: list[tuple[str, bytes, bytes, bytes]] = [
    ("empty", LAST, LAST, b""),
    ("one chunk", HELLO + LAST, HELLO + LAST, b"hello"),
    ("two chunks", HELLO + b"1\r\n!\r\n" + LAST, HELLO + b"1\r\n!\r\n" + LAST, b"hello!"),
    ("even chunks", HELLO * 3 + b"1\r\n!\r\n" + LAST, HELLO * 3 + b"1\r\n!\r\n" + LAST, b"hello" * 3 + b"!"),
    (
        "even chunks around another",
        HELLO * 2 + b"1\r\n!\r\n" + HELLO * 2 + LAST,
        HELLO * 2 + b"1\r\n!\r\n" + HELLO * 2 + LAST,
        b"hellohello!hellohello",
    ),
    (
        "extension among even chunks",
        HELLO * 2 + b"5;a\r\nhello\r\n" + HELLO + LAST,
        HELLO * 4 + LAST,
        b"hello" * 4,
    ),
    ("hex digits", b"a\r\n0123456789\r\n" + LAST, b"a\r\n0123456789\r\n" + LAST, b"0123456789"),
    ("hex digits in capitals", b"A\r\n0123456789\r\n" + LAST, b"A\r\n0123456789\r\n" + LAST, b"0123456789"),
    ("zeros before the size", b"0005\r\nhello\r\n000\r\n\r\n", b"0005\r\nhello\r\n000\r\n\r\n", b"hello"),
    ("16 digits", b"0" * 15 + HELLO + LAST, b"0" * 15 + HELLO + LAST, b"hello"),
    (
        "framing as payload",
        b"7\r\n0\r\n\r\n\r\n\r\n" + LAST,
        b"7\r\n0\r\n\r\n\r\n\r\n" + LAST,
        b"0\r\n\r\n\r\n",
    ),
    ("extension", b"5;a\r\nhello\r\n" + LAST, HELLO + LAST, b"hello"),
    ("extension with a value", b"5;a=b\r\nhello\r\n" + LAST, HELLO + LAST, b"hello"),
    (
        "quoted extension",
        b'5;a="b;\\"";c\r\nhello\r\n' + LAST,
        HELLO + LAST,
        b"hello",
    ),
    ("extension of the last chunk", HELLO + b"0;a=b;c\r\n\r\n", HELLO + LAST, b"hello"),
    ("trailer", HELLO + b"0\r\nA: b\r\n\r\n", HELLO + LAST, b"hello"),
    ("trailers and extension", b"5;a\r\nhello\r\n0;b\r\nA: b\r\nC:\r\n\r\n", HELLO + LAST, b"hello"),
]

# name, body, a part of the message
REFUSED: list[tuple[str, bytes, str]] = [
    ("no size", b"\r\nhello\r\n", "size of a chunk"),
    ("no hex digit", b"g\r\n", "`g\\r\\n` is not the size"),
    ("0x", b"0x5\r\nhello\r\n", "size of a chunk"),
    ("sign", b"+5\r\nhello\r\n", "size of a chunk"),
    ("minus", b"-5\r\nhello\r\n", "size of a chunk"),
    ("underscore", b"0_5\r\nhello\r\n", "size of a chunk"),
    ("blank before the size", b" 5\r\nhello\r\n", "size of a chunk"),
    ("blank after the size", b"5 \r\nhello\r\n", "size of a chunk"),
    ("tab after the size", b"5\t\r\nhello\r\n", "size of a chunk"),
    ("junk after the size", b"5x\r\nhello\r\n", "size of a chunk"),
    ("17 digits", b"0" * 16 + HELLO, "size of a chunk"),
    ("2^63", b"8" + b"0" * 15 + b"\r\n", "2^63-1"),
    ("bare LF after the size", b"5\nhello\r\n", "size of a chunk"),
    ("bare CR after the size", b"5\rhello\r\n", "size of a chunk"),
    ("bare LF after the payload", b"5\r\nhello\n0\r\n\r\n", "stands where CRLF ends a chunk"),
    ("payload longer than said", b"5\r\nhello!\r\n0\r\n\r\n", "stands where CRLF ends a chunk"),
    ("payload shorter than said", b"5\r\nhell\r\n0\r\n\r\n", "stands where CRLF ends a chunk"),
    ("extension with a bare LF", b"5;a\nhello\r\n", "extension"),
    ("extension with a bare CR", b"5;a\rb\r\nhello\r\n", "extension"),
    ("extension with a control", b"5;a\x01\r\nhello\r\n", "extension"),
    ("extension with a blank", b"5; a\r\nhello\r\n", "extension"),
    ("extension without a name", b"5;\r\nhello\r\n", "extension"),
    ("extension without a value", b"5;a=\r\nhello\r\n", "extension"),
    ("half a quoted extension", b'5;a="b\r\nhello\r\n', "extension"),
    ("quoted extension with a CR", b'5;a="\r"\r\nhello\r\n', "extension"),
    ("blank before the extension", b"5 ;a\r\nhello\r\n", "size of a chunk"),
    ("trailer without a colon", b"0\r\nA b\r\n\r\n", "trailer is malformed"),
    ("trailer without a name", b"0\r\n: b\r\n\r\n", "trailer is malformed"),
    ("folded trailer", b"0\r\nA: b\r\n c\r\n\r\n", "trailer is malformed"),
    ("control in a trailer", b"0\r\nA: b\x01\r\n\r\n", "trailer is malformed"),
    ("bare CR in a trailer", b"0\r\nA: b\rc\r\n\r\n", "trailer is malformed"),
    ("bare LF after a trailer", b"0\r\nA: b\n\r\n", "trailer is malformed"),
    ("bare LF at the end", b"0\r\n\n", "trailer is malformed"),
    ("Content-Length as a trailer", b"0\r\ncontent-length: 5\r\n\r\n", "frames a body"),
    ("Transfer-Encoding as a trailer", b"0\r\nTransfer-Encoding: chunked\r\n\r\n", "frames a body"),
]


def singles(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


@pytest.mark.parametrize(
    ("body", "out", "payload"), [case[1:] for case in TAKEN], ids=[case[0] for case in TAKEN]
)
def test_walks_a_body(body: bytes, out: bytes, payload: bytes) -> None:
    behind = b"GET / HTTP/1.1\r\n"
    assert pass_chunks([body + behind]) == pass_chunks(singles(body + behind)) == (out, len(body))
    assert (
        pass_chunks([body + behind], decode=True)
        == pass_chunks(singles(body + behind), decode=True)
        == (payload, len(body))
    )
    assert llhttp.read_chunks(body) == llhttp.Body(payload=payload, used=len(body))


@pytest.mark.parametrize(("body", "part"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refuses_a_body(body: bytes, part: str) -> None:
    for stream in ([body], singles(body)):
        with pytest.raises(BadRequest) as caught:
            pass_chunks(stream)
        assert caught.value.message.isprintable()
    with pytest.raises(BadRequest) as caught:
        pass_chunks([body])
    assert part in caught.value.message


@pytest.mark.parametrize(
    ("body", "out", "payload"), [case[1:] for case in TAKEN], ids=[case[0] for case in TAKEN]
)
def test_what_stands_before_a_body_is_passed_on(body: bytes, out: bytes, payload: bytes) -> None:
    data = b"5\r\n" + body + b"5\r\n"
    assert ChunkScanner(BadRequest).feed(data, 3) == (b"5\r\n" + out, 3 + len(body))
    assert ChunkScanner(BadRequest, decode=True).feed(data, 3) == (b"5\r\n" + payload, 3 + len(body))


def test_knows_one_plain_chunk_at_sight() -> None:
    taken = {name: body for name, body, _, _ in TAKEN}
    refused = {name: body for name, body, _ in REFUSED}
    found = {name for name, body in (taken | refused).items() if is_one_chunk(b"5\r\n" + body, 3)}
    assert found == {
        "one chunk",
        "hex digits",
        "hex digits in capitals",
        "16 digits",
        "framing as payload",
    }
    for body in taken.values():
        assert not is_one_chunk(body + LAST, 0)
    assert not is_one_chunk(HELLO, 0)
    assert not is_one_chunk(LAST + LAST, 0)


@given(
    st.one_of(MUTATED_BODIES, st.binary(max_size=40).map(lambda text: b"%x\r\n%b\r\n" % (len(text), text)))
)
def test_what_is_one_plain_chunk_is_taken_as_it_is(body: bytes) -> None:
    for data in (body, body + LAST):
        if is_one_chunk(data, 0):
            assert pass_chunks([data]) == (data, len(data))


def test_raises_the_error_it_was_given() -> None:
    with pytest.raises(BadResponse):
        ChunkScanner(BadResponse).feed(b"x\r\n")


# What cannot be the start of a line is refused before the line ends.
@pytest.mark.parametrize(
    "start", [b"g", b" ", b"\r", b";", b"5 ", b"5\rx", b"0" * 17, b"5\r\nhellox", b"5\r\nhello\rx"]
)
def test_refuses_at_once_what_never_becomes_framing(start: bytes) -> None:
    for stream in ([start], singles(start)):
        with pytest.raises(BadRequest):
            pass_chunks(stream)


@pytest.mark.parametrize("last", [LAST, b"0;a\r\n\r\n", b"0\r\nA: b\r\n\r\n"])
def test_what_looks_like_the_next_even_chunk_behind_the_end_is_not_the_bodys(last: bytes) -> None:
    body = HELLO * 2 + last
    for decode in (False, True):
        scanner = ChunkScanner(BadRequest, decode=decode)
        _, end = scanner.feed(body + HELLO)
        assert (scanner.done, end, scanner.size) == (True, len(body), 10)


def test_plain_framing_is_passed_on_without_a_copy() -> None:
    body = HELLO + LAST
    assert ChunkScanner(BadRequest).feed(body)[0] is body
    scanner = ChunkScanner(BadRequest)
    scanner.feed(b"100\r\n")
    inside = b"x" * 200
    assert scanner.feed(inside)[0] is inside
    assert scanner.size == 200


def test_counts_the_payload_of_a_chunk_of_any_size() -> None:
    scanner = ChunkScanner(BadRequest)
    assert scanner.feed(b"7fffffffffffffff\r\nxy") == (b"7fffffffffffffff\r\nxy", 20)
    assert (scanner.size, scanner.done) == (2, False)


def test_extensions_and_trailers_share_one_bound() -> None:
    fits = b"5;" + b"a" * (MAX_EXTRAS - 9) + b"\r\nhello\r\n0\r\nA: b\r\n\r\n"
    assert pass_chunks([fits]) == pass_chunks(singles(fits)) == (HELLO + LAST, len(fits))
    larger = b"5;a" + fits[2:]
    for stream in ([larger], singles(larger)):
        with pytest.raises(BadRequest, match="more than 16384 bytes"):
            pass_chunks(stream)


@pytest.mark.parametrize("endless", [b"5;", b"0\r\nA: ", b"0\r\n"])
def test_a_line_without_an_end_is_refused_in_the_end(endless: bytes) -> None:
    stream = [endless, *[b"a" * 100] * (MAX_EXTRAS // 100 + 2)]
    assert pass_chunks(stream[:-3])[1] is None
    with pytest.raises(BadRequest, match="more than 16384 bytes"):
        pass_chunks(stream)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A valid body and its payload."""
    token = st.sampled_from([b"a", b"Z9", b"!#$%&'*+-.^_`|~"])
    value = st.one_of(token, st.sampled_from([b'""', b'"a \t;\\""', b'"\xff"'])).map(lambda text: b"=" + text)
    extension = st.tuples(token, st.one_of(st.just(b""), value)).map(lambda pair: b";" + b"".join(pair))
    extensions = st.lists(extension, max_size=2).map(b"".join)
    body = payload = b""
    for chunk in draw(st.lists(st.binary(min_size=1, max_size=20), max_size=4)):
        size = draw(st.sampled_from(["%x", "%X", "%04x"])) % len(chunk)
        body += size.encode() + draw(extensions) + b"\r\n" + chunk + b"\r\n"
        payload += chunk
    trailers = draw(st.lists(st.sampled_from([b"A: b\r\n", b"X-Y:\r\n", b"Z:\t\xff \r\n"]), max_size=2))
    return body + b"0" + draw(extensions) + b"\r\n" + b"".join(trailers) + b"\r\n", payload


@given(bodies(), st.binary(max_size=10), st.data())
def test_any_valid_body_in_any_pieces(body: tuple[bytes, bytes], behind: bytes, data: st.DataObject) -> None:
    raw, payload = body
    stream = data.draw(pieces(raw + behind))
    assert pass_chunks(stream, decode=True) == (payload, len(raw))
    out, used = pass_chunks(stream)
    assert used == len(raw)
    assert llhttp.read_chunks(raw) == llhttp.Body(payload=payload, used=len(raw))
    assert llhttp.read_chunks(out) == llhttp.Body(payload=payload, used=len(out))
    assert pass_chunks([out]) == (out, len(out))  # nothing is left in it that would not be passed on


@given(MUTATED_BODIES, st.data())
def test_agrees_with_llhttp_in_any_pieces(body: bytes, data: st.DataObject) -> None:
    theirs, ours, cut = llhttp.read_chunks(body), read_chunks([body]), read_chunks(data.draw(pieces(body)))
    if isinstance(ours, str):
        assert theirs is None or STRICTER.search(ours)
        assert isinstance(cut, str)
    else:
        assert ours == theirs == cut


@pytest.mark.parametrize(
    "body",
    [b"0" * 17 + b"\r\n\r\n", b"f" * 16 + b"\r\n", b"0;a=\r\n\r\n", b"0;;a\r\n\r\n"],
)
def test_is_stricter_than_llhttp_where_it_says_so(body: bytes) -> None:
    ours = read_chunks([body])
    assert isinstance(ours, str)
    assert STRICTER.search(ours)
    assert llhttp.read_chunks(body) is not None
