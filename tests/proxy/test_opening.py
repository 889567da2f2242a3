from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from router.http1.responses import parse_response
from router.proxy.opening import KEPT, MAX_INFLATED, Opening, opening_of
from tests.dialogues import Serve
from tests.wire import Proxy, settle
from tests.worker import Worker

GET = b"GET /_matrix/client/v3/pushers HTTP/1.1\r\nHost: h\r\n\r\n"
UNRECOGNIZED = b'{"errcode":"M_UNRECOGNIZED","error":"Unrecognized request"}'
FAILED = b'{"errcode":"M_UNKNOWN","error":"Internal server error"}'
NO_RESOURCE = (
    b"\n<html>\n  <head><title>404 - No Such Resource</title></head>\n  <body>\n"
    b"    <h1>No Such Resource</h1>\n"
    b"    <p>Sorry. No luck finding that resource.</p>\n  </body>\n</html>\n"
)
"""As Twisted writes it."""


def head(status: int = 404, *fields: bytes, media_type: bytes = b"application/json") -> bytes:
    lines = (b"HTTP/1.1 %d Not Found" % status, b"Content-Type: " + media_type, *fields)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def measured(
    body: bytes, status: int = 404, *fields: bytes, media_type: bytes = b"application/json"
) -> bytes:
    return head(status, b"Content-Length: %d" % len(body), *fields, media_type=media_type) + body


def chunked(body: bytes, status: int = 404, *fields: bytes, size: int = KEPT) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))
    return head(status, b"Transfer-Encoding: chunked", *fields) + chunks


def told(answer: bytes, *, method: str = "GET", unchunked: bool = False) -> Opening | None:
    start, end, body = answer.partition(b"\r\n\r\n")
    return opening_of(parse_response(start + end, method), body, unchunked=unchunked)


def errcode_of(answer: bytes) -> str | None:
    opening = told(answer)
    return opening.errcode if opening is not None else None


@pytest.mark.parametrize(
    ("answer", "errcode"),
    [
        (measured(UNRECOGNIZED), "M_UNRECOGNIZED"),
        (measured(UNRECOGNIZED, 405), "M_UNRECOGNIZED"),
        (chunked(UNRECOGNIZED), "M_UNRECOGNIZED"),
        (chunked(UNRECOGNIZED, size=1), "M_UNRECOGNIZED"),
        (measured(FAILED, 500), "M_UNKNOWN"),
        (measured(b'{"errcode":"M_NOT_FOUND","error":"M_UNRECOGNIZED"}'), "M_NOT_FOUND"),
        (measured(b'{"error":"x", "errcode" : "M_UNRECOGNIZED"}'), "M_UNRECOGNIZED"),
        (measured(b'{"error":"x\\",\\"errcode\\":\\"M_UNRECOGNIZED\\""}'), ""),
        (measured(b'{"about":{"errcode":"M_UNRECOGNIZED"}}'), ""),
        (measured(b'{"errcode":["M_UNRECOGNIZED"]}'), ""),
        (measured(b'[{"errcode":"M_UNRECOGNIZED"}]'), ""),
        (measured(b'"M_UNRECOGNIZED"'), ""),
        (measured(b"M_UNRECOGNIZED"), ""),
        (measured(b""), ""),
        (measured(b"\xff\xfe\xff"), ""),
        (measured(b"[" * 100_000), ""),
        (measured(b'{"a":' * 100_000), ""),
        (measured(UNRECOGNIZED, media_type=b"Application/JSON; charset=utf-8"), "M_UNRECOGNIZED"),
        (measured(UNRECOGNIZED, media_type=b"text/html"), ""),
        (measured(UNRECOGNIZED, media_type=b"text/plain"), None),
        (measured(UNRECOGNIZED, media_type=b"application/jsonl"), None),
        (measured(UNRECOGNIZED[:-1] + b',"x":"%b"}' % (b"y" * KEPT)), "M_UNRECOGNIZED"),
        (measured(b'{"x":"%b","errcode":"M_UNRECOGNIZED"}' % (b"y" * KEPT)), ""),
        (measured(b'{"x":{"errcode":"M_UNRECOGNIZED"},"y":"%b"}' % (b"y" * KEPT)), ""),
        (measured(gzip.compress(UNRECOGNIZED), 404, b"Content-Encoding: gzip"), "M_UNRECOGNIZED"),
        (chunked(gzip.compress(UNRECOGNIZED), 404, b"Content-Encoding: gzip", size=7), "M_UNRECOGNIZED"),
        (measured(gzip.compress(UNRECOGNIZED)[:-9], 404, b"Content-Encoding: gzip"), "M_UNRECOGNIZED"),
        (measured(UNRECOGNIZED, 404, b"Content-Encoding: gzip"), ""),
        (measured(gzip.compress(bytes(1 << 24)), 404, b"Content-Encoding: gzip"), ""),
        (measured(UNRECOGNIZED, 404, b"Content-Encoding: br"), None),
    ],
)  # fmt: skip
def test_the_errcode_of_an_answer(answer: bytes, errcode: str | None) -> None:
    assert errcode_of(answer) == errcode


def test_an_answer_to_head_tells_nothing() -> None:
    assert told(measured(UNRECOGNIZED), method="HEAD") is None


@pytest.mark.parametrize(
    ("answer", "no_resource"),
    [
        (measured(NO_RESOURCE, media_type=b"text/html; charset=utf-8"), True),
        (measured(NO_RESOURCE.replace(b"Such", b"such"), media_type=b"text/html"), False),
        (measured(json.dumps(NO_RESOURCE.decode()).encode()), False),
    ],
)
def test_twisted_s_page_for_what_is_not_there(answer: bytes, no_resource: bool) -> None:
    opening = told(answer)
    assert opening is not None
    assert opening.no_resource is no_resource


def test_a_compressed_answer_cannot_become_large() -> None:
    opening = told(measured(gzip.compress(bytes(1 << 20)), 404, b"Content-Encoding: gzip"))
    assert opening is not None
    assert len(opening._text()) == MAX_INFLATED


@given(st.lists(st.binary(max_size=KEPT), max_size=8))
@example([b"a" * (KEPT - 1), b"bcd", b"efg", b""])
def test_no_more_than_the_beginning_is_kept(pieces: list[bytes]) -> None:
    opening = told(head(404))
    assert opening is not None
    for piece in pieces:
        opening.add(piece)
    assert b"".join(opening._kept) == b"".join(pieces)[:KEPT]


@given(st.binary(max_size=64), st.booleans())
def test_whatever_comes_is_no_error(body: bytes, compressed: bool) -> None:
    coding = (b"Content-Encoding: gzip",) if compressed else ()
    for answer in (measured(body, 404, *coding), chunked(body, 404, *coding, size=3)):
        assert errcode_of(answer) is not None


@pytest.mark.parametrize(
    "answer",
    [measured(UNRECOGNIZED), chunked(UNRECOGNIZED), chunked(UNRECOGNIZED, size=20)],
    ids=["measured", "one chunk", "chunks"],
)
async def test_wherever_the_answer_is_split_it_is_read_and_passed_on(
    proxy: Proxy, worker: Worker, answer: bytes
) -> None:
    client = await proxy.ask(GET)
    peer = await worker.asked()
    for cut in range(1, len(answer)):
        await peer.send(answer[:cut])
        await settle()
        await peer.send(answer[cut:])
        await client.expect(answer)
        opening = proxy.recorder.ended[-1].opening
        assert opening is not None
        assert opening.errcode == "M_UNRECOGNIZED", cut
        if cut + 1 < len(answer):
            await client.send(GET)
            await peer.until()
    assert len(proxy.recorder.ended) == len(answer) - 1


async def test_an_answer_that_ends_with_its_connection(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(head(405) + UNRECOGNIZED)
    peer.close()
    await client.until()
    await client.expect(b"%x\r\n%b\r\n0\r\n\r\n" % (len(UNRECOGNIZED), UNRECOGNIZED))
    opening = proxy.recorder.ended[-1].opening
    assert opening is not None
    assert opening.errcode == "M_UNRECOGNIZED"


async def test_a_client_that_has_no_chunks_gets_none_and_the_answer_is_read(
    proxy: Proxy, worker: Worker
) -> None:
    client = await proxy.ask(GET.replace(b"HTTP/1.1", b"HTTP/1.0"))
    peer = await worker.asked()
    await peer.send(chunked(UNRECOGNIZED, size=20))
    assert (await client.rest()).endswith(b"\r\n\r\n" + UNRECOGNIZED)
    opening = proxy.recorder.ended[-1].opening
    assert opening is not None
    assert opening.errcode == "M_UNRECOGNIZED"


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 405, 410, 500, 502])
async def test_only_the_suspect_are_looked_at(proxy: Proxy, worker: Worker, status: int) -> None:
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(measured(FAILED, status))
    await client.expect(measured(FAILED, status))
    (exchange,) = proxy.recorder.ended
    assert (exchange.opening is not None) is (status in (404, 405, 500))


async def test_a_huge_answer_passes_whole(serve: Serve, worker: Worker) -> None:
    proxy = await serve(worker.endpoint)
    answer = measured(UNRECOGNIZED[:-1] + b',"x":"%b"}' % (b"y" * 300_000))
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(answer)
    await client.expect(answer)
    (exchange,) = proxy.recorder.ended
    assert exchange.opening is not None
    assert exchange.opening.errcode == "M_UNRECOGNIZED"
    assert sum(map(len, exchange.opening._kept)) == KEPT


async def test_an_answer_that_breaks_off_has_said_enough(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(measured(UNRECOGNIZED)[:-8])
    peer.close()
    await client.reset_after()
    (exchange,) = proxy.recorder.ended
    assert (exchange.status, exchange.reason) == (404, "aborted")
    assert exchange.opening is not None
    assert exchange.opening.errcode == "M_UNRECOGNIZED"
