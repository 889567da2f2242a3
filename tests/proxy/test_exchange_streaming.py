"""Bodies on their way: piece by piece, never held whole, and nobody left paused or unnoticed."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Coroutine

import pytest

import router.proxy.connection
import router.upstream.connection
from router.settings import Limits, Settings
from router.table import Endpoint
from router.upstream.connection import UpstreamConnection
from tests.dialogues import Hire, Serve
from tests.wire import SMALL, PatchedPool, Peer, Proxy, answer, bound_buffers, settle
from tests.worker import OK, Worker

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
FORWARDED = b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TINY = 4096
"""A kernel buffer that one request fills; slow to read from."""
READ = 256_000
"""The most that uvloop reads at once."""
SIZE = 16_000_000
"""A body that is larger than what all buffers of the kernel take."""


@pytest.fixture
def small_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both sides are paused at once when the kernel takes no more."""
    for side in (router.proxy.connection, router.upstream.connection):
        monkeypatch.setattr(side, "WRITE_HIGH", 2000)
        monkeypatch.setattr(side, "WRITE_LOW", 500)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections to workers are made late, and the kernel takes little on them."""
    connect = PatchedPool._open_connection

    async def connect_late(pool: PatchedPool, endpoint: Endpoint) -> UpstreamConnection:
        await settle()
        connection = await connect(pool, endpoint)
        assert connection._transport is not None
        bound_buffers(connection._transport.get_extra_info("socket"), TINY)
        return connection

    monkeypatch.setattr(PatchedPool, "_open_connection", connect_late)


async def push(peer: Peer, data: bytes, *, rounds: int = 200) -> int:
    """Sends as long as anybody takes it; returns how many bytes were taken."""
    sent = idle = 0
    while sent < len(data) and idle < rounds:
        taken = peer.send_some(data[sent : sent + 65_536])
        sent += taken
        idle = 0 if taken else idle + 1
        await settle()
    return sent


def unsent(proxy: Proxy) -> int:
    """Bytes that wait in the proxy, for whichever side."""
    transports = [client._transport for client in proxy.clients]
    transports += [connection._transport for connection in proxy.pool._open]
    return sum(transport.get_write_buffer_size() for transport in transports if transport is not None)


async def test_a_piece_of_an_answer_is_passed_on_before_the_next_is_sent(
    proxy: Proxy, worker: Worker
) -> None:
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(CHUNKED)
    await client.expect(CHUNKED)
    for number in range(5):
        piece = b"1\r\n%d\r\n" % number
        await peer.send(piece)
        await client.expect(piece)
        await client.silent()
    await peer.send(b"0\r\n\r\n")
    await client.expect(b"0\r\n\r\n")
    assert [(exchange.status, exchange.bytes_out) for exchange in proxy.recorder.ended] == [(200, 35)]


async def test_a_piece_of_a_request_is_passed_on_before_the_next_is_sent(
    proxy: Proxy, worker: Worker
) -> None:
    client = await proxy.ask(b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n")
    peer = await worker.accept()
    await peer.expect(b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n" + FORWARDED)
    for byte in b"hello":
        await peer.silent()
        await client.send(bytes([byte]))
        await peer.expect(bytes([byte]))
    await peer.send(OK)
    await client.expect(OK)
    assert [exchange.bytes_in for exchange in proxy.recorder.ended] == [5]


@pytest.mark.usefixtures("small_buffers")
async def test_a_slow_worker_pauses_the_client(serve: Serve, workers: Hire) -> None:
    worker = workers(kernel=SMALL)
    proxy = await serve(worker.endpoint, settings=Settings(limits=Limits(body=SIZE)), kernel=SMALL)
    body = bytes(SIZE)
    client = await proxy.connect(kernel=SMALL)
    await client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % SIZE)
    peer = await worker.asked()
    sent = await push(client, body)
    assert sent < SIZE / 2
    assert unsent(proxy) <= READ + 2000
    received = len(await peer.exactly(sent))
    while received < SIZE:
        sent += client.send_some(body[sent:])
        received += len(await peer.exactly(sent - received))
    await peer.send(OK)
    await client.expect(OK)


@pytest.mark.usefixtures("small_buffers")
async def test_a_slow_client_pauses_the_worker(serve: Serve, workers: Hire) -> None:
    worker = workers(kernel=SMALL)
    proxy = await serve(worker.endpoint, kernel=4 * SMALL)
    client = await proxy.connect(kernel=4 * SMALL)
    await client.send(GET)
    peer = await worker.asked()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
    sent = await push(peer, bytes(SIZE))
    assert sent < SIZE / 2
    assert unsent(proxy) <= READ + 2000
    await client.until()
    await client.exactly(sent)
    await peer.send(bytes(50_000))
    await client.exactly(50_000)


@pytest.mark.usefixtures("small_buffers")
async def test_a_worker_paused_by_the_end_of_an_answer_reads_the_next(serve: Serve, worker: Worker) -> None:
    proxy = await serve(worker.endpoint, kernel=SMALL)
    client = await proxy.connect(kernel=SMALL)
    await client.send(GET)
    peer = await worker.asked()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + bytes(60_000))
    await settle()
    assert proxy.ends == [(200, "")]
    other = await proxy.ask(GET)
    await peer.until()
    await peer.send(OK)
    await other.expect(OK)
    await client.until()
    await client.exactly(60_000)


@pytest.mark.usefixtures("small_buffers", "narrow")
async def test_a_client_stays_paused_when_its_worker_is_full_at_once(serve: Serve, workers: Hire) -> None:
    worker = workers(kernel=SMALL)
    proxy = await serve(worker.endpoint, settings=Settings(limits=Limits(body=SIZE)))
    client = await proxy.ask(
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % SIZE + bytes(200_000)
    )
    await push(client, bytes(SIZE - 200_000))
    assert proxy.recorder.begun[0].bytes_in > 65_536
    assert unsent(proxy) <= 2 * READ


@pytest.mark.usefixtures("small_buffers", "narrow")
async def test_a_client_that_leaves_is_noticed_when_its_worker_reads_nothing(
    serve: Serve, workers: Hire
) -> None:
    """Its request is whole: nothing is gained by not reading on."""
    worker = workers(kernel=TINY)
    proxy = await serve(worker.endpoint)
    client = await proxy.ask(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n" + bytes(60_000))
    await worker.asked()
    await settle()
    assert proxy.recorder.begun[0].bytes_in == 60_000
    assert unsent(proxy) > 2000
    client.close()
    await settle()
    assert proxy.ends == [(499, "client_gone")]


@pytest.mark.usefixtures("small_buffers", "narrow")
async def test_a_client_has_its_time_from_when_its_worker_reads_again(serve: Serve, workers: Hire) -> None:
    worker = workers(kernel=TINY)
    proxy = await serve(worker.endpoint)
    client = await proxy.ask(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 60001\r\n\r\n" + bytes(60_000))
    peer = await worker.asked()
    await settle()
    assert proxy.recorder.begun[0].bytes_in == 60_000
    await proxy.pass_time(50)
    await peer.exactly(60_000)
    await proxy.pass_time(50)
    await client.send(b"a")
    await peer.expect(b"a")
    await peer.send(OK)
    await client.expect(OK)


@pytest.mark.parametrize("leave", [Peer.close, Peer.reset, Peer.finish])
async def test_a_client_that_leaves_cancels_at_the_worker(
    proxy: Proxy, worker: Worker, leave: object
) -> None:
    assert callable(leave)
    client = await proxy.ask(GET)
    peer = await worker.asked()
    leave(client)
    await peer.ended()
    assert proxy.ends == [(499, "client_gone")]

    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(CHUNKED + b"5\r\nhello\r\n")
    await client.expect(CHUNKED + b"5\r\nhello\r\n")
    leave(client)
    await peer.ended()
    assert proxy.ends[1:] == [(200, "client_gone")]

    client = await proxy.ask(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhi")
    peer = await worker.asked()
    await peer.expect(b"hi")
    leave(client)
    await peer.ended()
    assert proxy.ends[2:] == [(499, "client_gone")]


async def test_a_client_that_half_closes_does_not_take_half_an_answer_for_a_whole(
    proxy: Proxy, worker: Worker
) -> None:
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
    await client.expect(CHUNKED + b"4\r\nhalf\r\n")
    client.finish()
    await peer.ended()
    assert await client.reset_after() == b""


async def test_endless_refused_requests_are_not_kept(serve: Serve, worker: Worker) -> None:
    settings = Settings(limits=Limits(requests_per_connection=20_000))
    proxy = await serve(worker.endpoint, settings=settings, kernel=SMALL)
    client = await proxy.connect(kernel=SMALL)
    request = b"GET /_synapse/replication/%06d HTTP/1.1\r\nHost: h\r\n\r\n"
    requests = b"".join(request % number for number in range(20_000))
    sent = await push(client, requests)
    assert sent < len(requests)
    assert sum(len(connection._buffer) for connection in proxy.clients) <= READ + 16_384
    assert unsent(proxy) <= router.proxy.connection.WRITE_HIGH + 1000
    for _ in range(sent // len(request % 0) - 1):
        assert (await answer(client)).status == 404


async def test_pipelined_requests_are_read_ahead_up_to_a_limit(serve: Serve, worker: Worker) -> None:
    proxy = await serve(worker.endpoint, kernel=SMALL)
    client = await proxy.connect(kernel=SMALL)
    request = b"GET /%03d HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 7000 + b"\r\n\r\n"
    requests = b"".join(request % number for number in range(600))
    sent = await push(client, requests)
    assert sent < len(requests)
    assert sum(len(connection._buffer) for connection in proxy.clients) <= READ + 16_384
    peer = await worker.accept()
    for number in range(sent // len(request % 0)):
        assert (await peer.until()).startswith(b"GET /%03d " % number)
        await peer.send(OK)
        await client.expect(OK)


async def test_what_is_pipelined_with_the_first_request_counts(proxy: Proxy, worker: Worker) -> None:
    request = b"GET /%03d HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 7000 + b"\r\n\r\n"
    client = await proxy.ask(b"".join(request % number for number in range(5)))
    peer = await worker.accept()
    await settle()
    (connection,) = proxy.clients
    held = len(connection._buffer)
    assert held > router.proxy.connection.PIPELINE_LIMIT
    await client.send(b"".join(request % number for number in range(5, 10)))
    await settle()
    assert len(connection._buffer) == held
    for number in range(10):
        assert (await peer.until()).startswith(b"GET /%03d " % number)
        await peer.send(OK)
        await client.expect(OK)


@pytest.mark.parametrize("excess", [0, 1])
async def test_far_too_much_behind_a_request_ends_the_connection_with_its_answer(
    proxy: Proxy, worker: Worker, excess: int
) -> None:
    client = await proxy.ask(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
    peer = await worker.asked()
    (connection,) = proxy.clients
    most = router.proxy.connection.PIPELINE_MOST
    # One read of the loop brings all of it, on a machine with buffers to match.
    connection.data_received((b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n" * most)[: most + excess])
    assert len(connection._buffer) == most * (1 - excess)
    await peer.send(OK)
    if excess:
        assert b"Connection: close" in await client.until()
        await client.exactly(2)
        await peer.silent()
        await client.ended()
    else:
        await client.expect(OK)
        assert (await peer.until()).startswith(b"GET /b ")


async def test_far_too_much_before_a_tunnel_is_granted_cuts_it(serve: Serve, worker: Worker) -> None:
    proxy = await serve(worker.endpoint, upgrade=("websocket",))
    client = await proxy.ask(
        b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    peer = await worker.asked()
    (connection,) = proxy.clients
    connection.data_received(b"x" * (router.proxy.connection.PIPELINE_MOST + 1))
    assert await client.reset_after() == b""
    await peer.ended()


async def receive(peer: Peer, size: int) -> None:
    """Reads that many bytes and keeps none."""
    loop = asyncio.get_running_loop()
    size -= len(peer._buffer)
    peer._buffer = b""
    while size > 0:
        size -= len(await loop.sock_recv(peer.sock, READ))
    assert size == 0


async def watch(proxy: Proxy, *doing: Coroutine[None, None, None]) -> int:
    """Does those things side by side; returns the most bytes that waited in the proxy at any time."""
    tasks = [asyncio.create_task(each) for each in doing]
    most = 0
    while not all(task.done() for task in tasks):
        most = max(most, unsent(proxy))
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    return most


async def test_large_bodies_go_through_little_memory(serve: Serve, worker: Worker) -> None:
    proxy = await serve(worker.endpoint, settings=Settings(limits=Limits(media_body=200_000_000)))
    piece = bytes(2_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    async def send(peer: Peer) -> None:
        for _ in range(100):
            await peer.send(piece)

    head = b"PUT /_matrix/media/x HTTP/1.1\r\nHost: h\r\nContent-Length: 200000000\r\n\r\n"
    client = await proxy.ask(head)
    peer = await worker.asked()
    most = await watch(proxy, send(client), receive(peer, 200_000_000))
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n")
    await client.until()
    most = max(most, await watch(proxy, send(peer), receive(client, 200_000_000)))
    assert most <= router.upstream.connection.WRITE_HIGH + READ
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000  # KiB
    (exchange,) = proxy.recorder.ended
    assert (exchange.bytes_in, exchange.bytes_out) == (200_000_000, 200_000_000)
