"""The client's side of the wire: heads in, answers out in order, and how a connection ends."""

from __future__ import annotations

import json
import socket

import pytest

import router.proxy.connection
from router.settings import Limits, Settings, Timeouts
from tests.dialogues import Hire, Serve
from tests.wire import SMALL, Peer, Proxy, answer, settle
from tests.worker import OK, Worker

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
FORWARDED = b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n\r\n"
AT_WORKER = b"GET /a HTTP/1.1\r\nHost: h\r\n" + FORWARDED


async def test_both_sides_are_kept_alive(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(GET)
    peer = await worker.accept()
    for _ in range(3):
        await peer.expect(AT_WORKER)
        await peer.send(OK)
        await client.expect(OK)
        await client.send(GET)
    await peer.expect(AT_WORKER)
    await worker.lonely()


async def test_a_head_may_come_byte_by_byte(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.connect()
    for byte in GET:
        await client.send(bytes([byte]))
    peer = await worker.accept()
    await peer.expect(AT_WORKER)
    for byte in OK:
        await peer.send(bytes([byte]))
    await client.expect(OK)


async def test_pipelined_requests_are_answered_in_order(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(
        b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % number for number in range(50))
    )
    peer = await worker.accept()
    for number in range(50):
        await peer.expect(b"GET /%d HTTP/1.1\r\nHost: h\r\n%b" % (number, FORWARDED))
        await peer.silent()
        text = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n%02d" % number
        await peer.send(text)
        await client.expect(text)


async def test_a_body_is_not_read_as_the_next_request(proxy: Proxy, worker: Worker) -> None:
    inner = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
    post = b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n" % len(inner)
    client = await proxy.ask(post + b"\r\n" + inner + GET)
    peer = await worker.accept()
    await peer.expect(post + FORWARDED + inner)
    await peer.silent()
    await peer.send(OK)
    await client.expect(OK)
    await peer.expect(AT_WORKER)


async def test_a_chunked_body_is_followed_by_the_next_request(proxy: Proxy, worker: Worker) -> None:
    post = b"POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
    body = b"5\r\nhello\r\n0\r\n\r\n"
    client = await proxy.ask(post + b"\r\n" + body + GET)
    peer = await worker.accept()
    await peer.expect(post + FORWARDED + body)
    await peer.silent()
    await peer.send(OK)
    await peer.expect(AT_WORKER)
    await client.expect(OK)


async def test_nothing_is_read_after_a_refused_request(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(GET + b"GET /b HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n" + GET)
    peer = await worker.accept()
    await peer.expect(AT_WORKER)
    await peer.send(OK)
    await client.expect(OK)
    refused = await answer(client)
    assert refused.status == 400
    assert refused.headers["connection"] == "close"
    await client.ended()
    await peer.silent()


async def test_a_closed_path_is_answered_here_and_the_connection_goes_on(
    proxy: Proxy, worker: Worker
) -> None:
    client = await proxy.ask(GET.replace(b"/a", b"/_synapse/admin/v1/users") + GET)
    refused = await answer(client)
    assert refused.status == 404
    assert json.loads(refused.body)["errcode"] == "M_UNRECOGNIZED"
    peer = await worker.accept()
    await peer.expect(AT_WORKER)
    assert proxy.ends == [(404, "guard")]


@pytest.mark.parametrize(
    "path",
    [
        b"/_synapse/replication/send_events/x",
        b"/_synapse/admin/v1/users",
        b"/_synapse/mas/x",
        b"/_synapse/%72eplication/x",
        b"/_synapse/./replication/x",
        b"//_synapse/replication/x",
        b"/_matrix/../_synapse/replication/x",
        b"/_synapse%2freplication/x",
        b"http://h/_synapse/replication/x",
    ],
)
async def test_closed_paths_reach_no_worker(proxy: Proxy, worker: Worker, path: bytes) -> None:
    client = await proxy.ask(b"POST %b HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi" % path)
    assert (await answer(client)).status in (400, 404)
    await client.ended()
    await worker.lonely()


REFUSED = [
    (b"GET /" + b"a" * 300 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414, "M_UNKNOWN"),
    (b"GET /" + b"a" * 300, 414, "M_UNKNOWN"),
    (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 600 + b"\r\n\r\n", 431, "M_UNKNOWN"),
    (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: a\r\n" * 9 + b"\r\n", 431, "M_UNKNOWN"),
    (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n" + b"a" * 1001, 413, "M_TOO_LARGE"),
    (b"PUT /_matrix/media/x HTTP/1.1\r\nHost: h\r\nContent-Length: 2001\r\n\r\n", 413, "M_TOO_LARGE"),
    (b"GET / HTTP/1.1\r\n\r\n", 400, "M_UNKNOWN"),
    (b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400, "M_UNKNOWN"),
    (b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400, "M_UNKNOWN"),
    (b"GET / HTTP/1.1\nHost: h\n\n", 400, "M_UNKNOWN"),
    (b"GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400, "M_UNKNOWN"),
    (b"GET http://i/ HTTP/1.1\r\nHost: h\r\n\r\n", 400, "M_UNKNOWN"),
    (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505, "M_UNKNOWN"),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01", 400, "M_UNKNOWN"),
    (b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 405, "M_UNRECOGNIZED"),
    (b"TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", 405, "M_UNRECOGNIZED"),
    (b"BREW / HTTP/1.1\r\nHost: h\r\n\r\n", 501, "M_UNRECOGNIZED"),
    (b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nExpect: a cake\r\n\r\na", 417, "M_UNKNOWN"),
]


@pytest.mark.parametrize(("sent", "status", "errcode"), REFUSED)
async def test_what_is_refused_is_told_as_matrix_json(
    serve: Serve, worker: Worker, sent: bytes, status: int, errcode: str
) -> None:
    limits = Limits(request_line=256, headers=512, header_count=8, body=1000, media_body=2000)
    proxy = await serve(worker.endpoint, settings=Settings(limits=limits))
    client = await proxy.ask(sent)
    refused = await answer(client)
    assert refused.status == status
    assert json.loads(refused.body).keys() == {"errcode", "error"}
    assert json.loads(refused.body)["errcode"] == errcode
    assert refused.headers["access-control-allow-origin"] == "*"
    assert refused.headers["connection"] == "close"
    await client.ended()
    await worker.lonely()
    assert [exchange.status for exchange in proxy.recorder.ended] == [status]


async def test_a_refused_head_request_has_no_body(proxy: Proxy) -> None:
    closed = b"HEAD /_synapse/admin HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    for head in (b"HEAD / HTTP/1.1\r\n\r\n", closed):
        client = await proxy.ask(head)
        assert b"\r\nContent-Length: " in await client.until()
        await client.ended()


async def test_what_is_just_within_the_limits_passes(serve: Serve, worker: Worker) -> None:
    limits = Limits(request_line=256, headers=512, header_count=8, body=1000, media_body=2000)
    proxy = await serve(worker.endpoint, settings=Settings(limits=limits))
    client = await proxy.ask(b"PUT /_matrix/media/x HTTP/1.1\r\nHost: h\r\nContent-Length: 2000\r\n\r\n")
    peer = await worker.asked()
    await client.send(b"a" * 2000)
    await peer.expect(b"a" * 2000)
    await peer.send(OK)
    await client.expect(OK)


async def test_a_client_can_read_its_refusal_while_it_still_sends(serve: Serve, worker: Worker) -> None:
    proxy = await serve(worker.endpoint, settings=Settings(limits=Limits(body=1000)))
    client = await proxy.ask(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000\r\n\r\n")
    for _ in range(20):
        await client.send(b"a" * 400_000)
    assert (await answer(client)).status == 413
    await client.ended()


async def test_lingering_ends_without_a_reset(proxy: Proxy, worker: Worker) -> None:
    """What the kernel still holds for a client that reads slowly must not be lost when our patience ends."""
    client = await proxy.connect(kernel=SMALL)
    await client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n")
    peer = await worker.asked()
    await peer.send(b"HTTP/1.1 401 No\r\nContent-Length: 200000\r\n\r\n" + bytes(200_000))
    await settle()
    await proxy.pass_time(4)
    assert len(proxy.server.connections) == 1
    await proxy.pass_time(3)
    assert proxy.server.connections == set()
    assert (await answer(client)).status == 401
    await client.ended()


async def test_an_http_1_0_client_is_answered_once_and_without_chunks(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    peer = await worker.accept()
    await peer.expect(
        b"GET /a HTTP/1.1\r\nHost:\r\n"
        b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: \r\n\r\n"
    )
    await peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
    await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    await client.expect(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello")
    await client.ended()


async def test_a_client_that_asks_for_it_is_closed(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    peer = await worker.accept()
    await peer.expect(AT_WORKER)
    await peer.send(OK)
    await client.expect(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    await client.ended()
    other = await proxy.ask(GET)
    await peer.expect(AT_WORKER)
    await peer.send(OK)
    await other.expect(OK)


async def test_an_idle_client_is_closed_in_time(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(GET[:9])
    await settle()
    await client.send(GET[9:])
    peer = await worker.asked()
    await peer.send(OK)
    await client.expect(OK)
    await proxy.pass_time(64)
    await client.silent()
    await proxy.pass_time(2)
    await client.ended()


async def test_a_head_has_its_time_from_its_first_byte(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(OK)
    await client.expect(OK)
    await proxy.pass_time(30)
    for byte in GET[:10]:
        await client.send(bytes([byte]))
        await proxy.pass_time(5)
        await client.silent()
    await proxy.pass_time(12)
    assert (await answer(client)).status == 408
    await client.ended()
    assert proxy.ends[-1] == (408, "request_timeout")


async def test_a_client_that_never_speaks_is_closed(proxy: Proxy) -> None:
    client = await proxy.connect()
    await proxy.pass_time(59)
    await client.silent()
    await proxy.pass_time(2)
    await client.ended()
    assert proxy.ends == []


async def test_a_body_that_stops_is_given_up(serve: Serve, worker: Worker) -> None:
    proxy = await serve(worker.endpoint, settings=Settings(timeouts=Timeouts(body=10)))
    client = await proxy.ask(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\na")
    peer = await worker.asked()
    await peer.expect(b"a")
    await proxy.pass_time(9)
    await client.send(b"b")
    await peer.expect(b"b")
    await proxy.pass_time(9)
    await client.silent()
    await proxy.pass_time(2)
    assert (await answer(client)).status == 408
    await peer.ended()


async def test_whoever_still_reads_is_not_cut_off(
    serve: Serve, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An early answer, to a client that reads it slowly and would have sent more."""
    monkeypatch.setattr(router.proxy.connection, "WRITE_HIGH", 10_000_000)
    proxy = await serve(worker.endpoint, kernel=SMALL)
    client = await proxy.connect(kernel=SMALL)
    await client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9000\r\n\r\n")
    peer = await worker.asked()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + bytes(1_000_000))
    await settle()
    assert proxy.ends == [(200, "")]
    await client.until()
    for _ in range(10):
        await proxy.pass_time(50)
        await client.exactly(100_000)
    await client.ended()


@pytest.mark.parametrize("request_", [GET, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9000\r\n\r\n"])
async def test_whoever_stops_reading_is_reset(
    serve: Serve, worker: Worker, monkeypatch: pytest.MonkeyPatch, request_: bytes
) -> None:
    monkeypatch.setattr(router.proxy.connection, "WRITE_HIGH", 10_000_000)
    proxy = await serve(worker.endpoint, kernel=SMALL)
    client = await proxy.connect(kernel=SMALL)
    await client.send(request_.replace(b"Host: h", b"Host: h\r\nConnection: close"))
    peer = await worker.asked()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + bytes(1_000_000))
    await settle()
    assert proxy.ends == [(200, "")]
    await proxy.pass_time(122)
    assert proxy.server.connections == set()
    assert len(await client.reset_after()) < 1_000_000


async def test_whoever_stops_reading_midway_is_reset(serve: Serve, workers: Hire) -> None:
    worker = workers(kernel=SMALL)
    proxy = await serve(worker.endpoint, kernel=SMALL)
    client = await proxy.connect(kernel=SMALL)
    await client.send(GET)
    peer = await worker.asked()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    while peer.send_some(bytes(1_000_000)):
        await settle()
    await proxy.pass_time(122)
    assert proxy.ends == [(200, "client_gone")]
    assert len(await client.reset_after()) < 100_000_000
    with pytest.raises(OSError, match="reset"):
        await peer.rest()


async def test_a_client_that_sends_on_and_on_is_closed(serve: Serve, worker: Worker) -> None:
    proxy = await serve(worker.endpoint, settings=Settings(limits=Limits(body=10)))
    client = await proxy.ask(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9000\r\n\r\n")
    assert (await answer(client)).status == 413
    for _ in range(9):
        await client.send(b"a")
        await proxy.pass_time(3)
        assert len(proxy.server.connections) == 1
    await client.send(b"a")
    await proxy.pass_time(4)
    assert proxy.server.connections == set()


async def test_a_client_without_a_name_is_not_taken_for_a_local_one(proxy: Proxy, worker: Worker) -> None:
    """Its address is gone with its reset; the request that came before could still be read and sent on."""
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(OK)
    await client.expect(OK)
    assert isinstance(proxy.address, tuple)
    gone = Peer(socket.create_connection(proxy.address, source_address=("127.0.0.2", 0)))
    gone.send_some(b"POST" + GET[3:])
    gone.reset()
    await settle()
    await peer.silent()
    assert len(proxy.recorder.begun) == 1
    there = Peer(socket.create_connection(proxy.address, source_address=("127.0.0.2", 0)))
    there.send_some(GET)
    await peer.expect(AT_WORKER.replace(b"For: 127.0.0.1", b"For: 127.0.0.2"))
    there.close()
