"""The worker's side of the wire: how answers are framed, how they break, and when a connection is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import router.upstream.connection
from router.settings import Limits, Settings
from tests.dialogues import Hire, Serve
from tests.wire import SMALL, Peer, Proxy, answer, settle
from tests.worker import OK, Worker

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def is_kept(proxy: Proxy, peer: Peer) -> bool:
    """Whether a further request goes over that connection; it is answered."""
    if not proxy.pool._open:
        await peer.ended()
        return False
    client = await proxy.ask(GET)
    await peer.until()
    await peer.send(OK)
    await client.expect(OK)
    return True


KEPT = [
    (b"GET", OK),
    (b"GET", CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"),
    (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
    (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 900\r\n\r\n"),
    (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"),
    (b"HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    (b"HEAD", b"HTTP/1.1 200 OK\r\n\r\n"),
    (b"OPTIONS", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nAccess-Control-Allow-Origin: *\r\n\r\n"),
    (b"GET", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK),
    (b"GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + OK),
    (b"GET", b"HTTP/1.1 401 Unauthorized\r\nServer: Synapse\r\nDate: x\r\nContent-Length: 2\r\n\r\n{}"),
]


@pytest.mark.parametrize(("method", "sent"), KEPT)
async def test_whole_answers_keep_both_connections(
    proxy: Proxy, worker: Worker, method: bytes, sent: bytes
) -> None:
    client = await proxy.ask(method + GET[3:])
    peer = await worker.asked()
    await peer.send(sent)
    await client.expect(sent)
    assert await is_kept(proxy, peer)
    await client.silent()


@pytest.mark.parametrize(("method", "sent"), KEPT)
async def test_whole_answers_may_be_dripped(proxy: Proxy, worker: Worker, method: bytes, sent: bytes) -> None:
    client = await proxy.ask(method + GET[3:])
    peer = await worker.asked()
    for byte in sent:
        await peer.send(bytes([byte]))
        await settle()
    await client.expect(sent)
    assert await is_kept(proxy, peer)


CLOSED = [
    # what the worker sends, and what the client gets of it
    (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", OK),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", OK),
    (OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond", OK),
    (OK + b"!", OK),
    (b"HTTP/1.1 204 No Content\r\n\r\nbody", b"HTTP/1.1 204 No Content\r\n\r\n"),
    (CHUNKED + b"0\r\n\r\nmore", CHUNKED + b"0\r\n\r\n"),
    (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + OK, b"HTTP/1.1 100 Continue\r\n\r\n" + OK),
    (OK + b"HTTP/1.1 100 Continue\r\n\r\n", OK),
    (OK + b"\r\n", OK),
]


@pytest.mark.parametrize(("sent", "got"), CLOSED)
async def test_some_whole_answers_end_the_connection_to_the_worker_only(
    proxy: Proxy, worker: Worker, sent: bytes, got: bytes
) -> None:
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(sent)
    await client.expect(got)
    assert not await is_kept(proxy, peer)
    await client.send(GET)
    peer = await worker.asked()
    await peer.send(OK)
    await client.expect(OK)
    await client.silent()


UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\nX: 1\r\n\r\n"


@pytest.mark.parametrize("head", [UNTIL_CLOSE, UNTIL_CLOSE.replace(b"1.1", b"1.0")])
async def test_an_answer_that_ends_with_the_connection_is_put_into_chunks(
    proxy: Proxy, worker: Worker, head: bytes
) -> None:
    """So that its end shows on a connection to a client too, which then stays open."""
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(head + b"half")
    await client.expect(b"HTTP/1.1 200 OK\r\nX: 1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
    await peer.send(b"a" * 26)
    await client.expect(b"1a\r\n" + b"a" * 26 + b"\r\n")
    await client.silent()
    peer.close()
    await client.expect(b"0\r\n\r\n")
    await client.silent()
    await client.send(GET)
    await (await worker.asked()).send(OK)
    await client.expect(OK)
    assert proxy.ends == [(200, "")] * 2


async def test_an_answer_that_ends_with_the_connection_and_is_empty(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(UNTIL_CLOSE)
    await client.until()
    await client.silent()
    peer.close()
    await client.expect(b"0\r\n\r\n")
    await client.silent()


async def test_http_1_0_sees_the_end_of_the_connection(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(GET.replace(b"1.1", b"1.0"))
    peer = await worker.asked()
    await peer.send(UNTIL_CLOSE + b"half")
    await client.expect(b"HTTP/1.1 200 OK\r\nX: 1\r\nConnection: close\r\n\r\nhalf")
    await peer.send(b"whole")
    peer.close()
    await client.expect(b"whole")
    await client.ended()


@pytest.mark.parametrize("sent", [UNTIL_CLOSE, CHUNKED, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"])
async def test_a_cut_answer_never_looks_whole_on_a_unix_socket(
    serve: Serve, worker: Worker, tmp_path: Path, sent: bytes
) -> None:
    """Which knows no reset: only the framing tells."""
    proxy = await serve(worker.endpoint, path=f"{tmp_path}/clients")
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(sent + (b"4\r\nhalf" if sent is CHUNKED else b"half"))
    await client.until()
    await settle()
    peer.reset()
    got = await client.rest()
    assert b"half" in got
    assert b"0\r\n\r\n" not in got
    assert proxy.ends == [(200, "aborted")]


BROKEN = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhalf", Peer.close),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhalf", Peer.reset),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Peer.close),
    (CHUNKED + b"5\r\nhal", Peer.close),
    (CHUNKED + b"5\r\nhello\r\n", Peer.close),
    (CHUNKED + b"5\r\nhello\r\n0\r\n", Peer.close),
    (CHUNKED + b"5\r\nhello\r\n", Peer.reset),
]


@pytest.mark.parametrize(("sent", "die"), BROKEN)
async def test_a_worker_that_dies_is_seen_as_a_broken_answer(
    proxy: Proxy, worker: Worker, sent: bytes, die: object
) -> None:
    assert callable(die)
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(sent)
    await client.expect(sent)
    die(peer)
    assert await client.reset_after() == b""
    assert proxy.ends == [(200, "aborted")]


async def test_a_reset_is_not_the_end_of_an_answer_that_ends_with_the_connection(
    proxy: Proxy, worker: Worker
) -> None:
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf")
    await client.expect(CHUNKED + b"4\r\nhalf\r\n")
    peer.reset()
    assert await client.reset_after() == b""
    assert proxy.ends == [(200, "aborted")]


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"5\r\nhelloX", b"-1\r\n", b"5 \r\n", b"5\nhello"])
async def test_broken_chunks_break_the_answer(proxy: Proxy, worker: Worker, chunk: bytes) -> None:
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(CHUNKED)
    await client.expect(CHUNKED)
    await peer.send(chunk)
    assert b"0\r\n\r\n" not in await client.reset_after()
    await peer.ended()
    assert proxy.ends == [(200, "bad_response")]


MALFORMED = [
    b"HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 600 High\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\nX: a\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: a\0b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: a\rSet-Cookie: b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX\0: a\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX\xe9: a\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n: a\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nnothing\r\n\r\n",
    b"HTTP/1.1 200 OK\rContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n",
    b"HTTP/1.1 2OO OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 +200 OK\r\nContent-Length: 0\r\n\r\n",
    b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n",
    b"HTTP/2.0 200 OK\r\n\r\n",
    b"SSH-2.0-OpenSSH\r\n",
    b"\x15\x03\x01\x00\x02\x02\x46",
    b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000,
    b"HTTP/1.1 103 Early Hints\r\n\r\n" * 17,
]


@pytest.mark.parametrize("sent", MALFORMED)
async def test_a_malformed_answer_is_502(proxy: Proxy, worker: Worker, sent: bytes) -> None:
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(sent)
    for _ in range(min(sent.count(b"HTTP/1.1 10"), 17) - 1):
        await client.until()
    refused = await answer(client)
    assert refused.status == 502
    assert json.loads(refused.body)["errcode"] == "M_UNKNOWN"
    assert refused.headers["access-control-allow-origin"] == "*"
    assert not await is_kept(proxy, peer)
    assert proxy.ends == [(502, "bad_response")]


@pytest.mark.parametrize("body", [b"5\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n1;a\r\n!\r\n0\r\nA: b\r\n\r\n"])
async def test_equal_heads_are_read_for_what_was_asked(proxy: Proxy, worker: Worker, body: bytes) -> None:
    """An answer to HEAD has no body, whatever the same head has announced before on that connection."""
    passed = body.replace(b";a", b"").replace(b"A: b\r\n", b"")
    client = await proxy.ask(GET)
    peer = await worker.accept()
    for method in (b"GET", b"HEAD", b"GET", b"HEAD", b"HEAD", b"GET"):
        await peer.until()
        await peer.send(CHUNKED + body)
        await client.expect(CHUNKED + passed)
        await client.send(method + GET[3:])
        await peer.until()
        for piece in (CHUNKED[:-4], CHUNKED[-4:] + (b"" if method == b"HEAD" else body)):
            await peer.send(piece)
            await settle()
        await client.expect(CHUNKED + (b"" if method == b"HEAD" else passed))
        await client.silent()
        await client.send(GET)


async def test_bytes_on_an_idle_connection_drop_it(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(OK)
    await client.expect(OK)
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned")
    await peer.ended()
    await client.send(GET)
    fresh = await worker.asked()
    await fresh.send(OK)
    await client.expect(OK)
    await client.silent()


@pytest.mark.parametrize("method", [b"GET", b"POST"])
async def test_bytes_that_nobody_has_read_yet_are_not_the_next_answer(
    proxy: Proxy, worker: Worker, method: bytes
) -> None:
    """They reach the kernel behind the next request, but before the loop comes to see them."""
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(OK)
    await client.expect(OK)
    client.send_some(method + GET[3:])
    peer.send_some(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned")
    fresh = await worker.asked()
    assert await peer.reset_after() == b""
    await fresh.send(OK)
    await client.expect(OK)
    await client.silent()
    assert [exchange.attempts for exchange in proxy.recorder.ended] == [1, 1]


async def test_an_end_that_nobody_has_seen_yet_costs_no_request(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(OK)
    await client.expect(OK)
    client.send_some(b"POST" + GET[3:])
    peer.close()
    fresh = await worker.asked()
    await fresh.send(OK)
    await client.expect(OK)


@pytest.mark.parametrize(
    "answer_",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_a_body_behind_an_answer_without_one_is_nobody_s(
    proxy: Proxy, worker: Worker, answer_: bytes
) -> None:
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(answer_)
    await client.expect(answer_)
    await peer.send(b"body")
    await peer.ended()
    await client.send(GET)
    fresh = await worker.asked()
    await fresh.send(OK)
    await client.expect(OK)


async def test_a_worker_that_closes_an_idle_connection_is_connected_to_anew(
    proxy: Proxy, worker: Worker
) -> None:
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(OK)
    await client.expect(OK)
    peer.close()
    await settle()
    assert proxy.pool._open == set()
    await client.send(b"POST" + GET[3:])
    fresh = await worker.asked()
    await fresh.send(OK)
    await client.expect(OK)


async def test_an_early_answer_costs_the_connection(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nha")
    peer = await worker.asked()
    await peer.expect(b"ha")
    await peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}")
    await client.expect(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
    await client.ended()
    assert not await is_kept(proxy, peer)


async def test_an_early_answer_is_heard_though_sending_fails(proxy: Proxy, worker: Worker) -> None:
    """The worker has not read all of the body and closes, so the kernel resets: behind the answer."""
    client = await proxy.ask(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n")
    peer = await worker.asked()
    (connection,) = proxy.pool._open
    connection.pause_reading()
    await peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}")
    await client.send(b"unread")
    await settle()
    peer.close()
    await client.send(b"a")
    assert (await answer(client)).status == 403
    await client.ended()
    assert proxy.ends == [(403, "")]


@pytest.mark.parametrize(
    ("head", "begun"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 40000\r\n\r\n", b""),
        (b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n9c40\r\n", b"\r\n0\r\n\r\n"),
    ],
)
async def test_the_rest_of_an_early_answer_is_heard_though_sending_fails(
    proxy: Proxy, worker: Worker, head: bytes, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router.upstream.connection, "READ", 1000)
    client = await proxy.ask(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n")
    peer = await worker.asked()
    await peer.send(head)
    await client.until()
    (connection,) = proxy.pool._open
    connection.pause_reading()
    await peer.send(bytes(40_000) + begun)
    await client.send(b"unread")
    await settle()
    peer.close()
    await client.send(b"a")
    await client.until(bytes(40_000) + begun)
    await client.ended()
    assert proxy.ends == [(403, "")]


async def test_an_answer_before_the_request_has_left_costs_the_connection(
    serve: Serve, workers: Hire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next request would wait behind what the worker has not read, and may never read."""
    monkeypatch.setattr(router.upstream.connection, "WRITE_HIGH", 1 << 24)
    worker = workers(kernel=SMALL)
    proxy = await serve(worker.endpoint, settings=Settings(limits=Limits(body=9_000_000)))
    client = await proxy.ask(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000\r\n\r\n")
    peer = await worker.asked()
    await client.send(bytes(9_000_000))
    await settle()
    assert proxy.recorder.begun[0].bytes_in == 9_000_000
    await peer.send(OK)
    await client.expect(OK)
    assert proxy.pool._open == set()
