"""Whoever is slow, in every phase of a request: who is waited for, for how long, and who is let go.

Heads, silence and idle clients are in test_connection.py, workers in test_exchange.py.
"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

import router.proxy.connection
from router.settings import Limits, Settings, Timeouts
from tests.dialogues import Hire, Serve
from tests.wire import PATIENCE, SMALL, Peer, Proxy, answer, settle
from tests.worker import Worker

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n"
CHUNKED_POST = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
LARGE = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"


async def upload(proxy: Proxy, worker: Worker, head: bytes = POST) -> tuple[Peer, Peer]:
    """A client that has sent a head, and the worker's connection that waits for the body."""
    client = await proxy.ask(head)
    return client, await worker.asked()


@pytest.mark.parametrize(("head", "piece"), [(POST, b"a"), (CHUNKED_POST, b"1\r\na\r\n")])
async def test_a_body_that_trickles_does_not_hold_a_worker(
    proxy: Proxy, worker: Worker, head: bytes, piece: bytes
) -> None:
    client, peer = await upload(proxy, worker, head)
    await proxy.pass_time(50)
    await client.send(piece)
    await peer.expect(piece)
    await proxy.pass_time(50)
    await client.send(piece)
    assert (await answer(client)).status == 408
    await client.ended()
    await peer.ended()
    assert proxy.ends == [(408, "request_timeout")]


@pytest.mark.parametrize("rate", [240, 0])
async def test_a_body_that_is_just_fast_enough_may_take_long(serve: Serve, worker: Worker, rate: int) -> None:
    proxy = await serve(worker.endpoint, settings=Settings(limits=Limits(body_rate=rate)))
    client, peer = await upload(proxy, worker)
    piece = bytes(240 * 50 if rate else 1)
    for _ in range(20):
        await proxy.pass_time(50)
        await client.send(piece)
        await peer.expect(piece)
    await client.silent()
    assert proxy.ends == []


async def test_who_begins_fast_may_not_trickle_for_long(proxy: Proxy, worker: Worker) -> None:
    client, peer = await upload(proxy, worker)
    await client.send(bytes(500_000))
    await peer.expect(bytes(500_000))
    await proxy.pass_time(50)
    await client.send(b"a")
    await peer.expect(b"a")
    await proxy.pass_time(50)
    await client.send(b"a")
    assert (await answer(client)).status == 408


async def test_the_last_piece_is_taken_however_late(proxy: Proxy, worker: Worker) -> None:
    client, peer = await upload(proxy, worker, POST.replace(b"1000000", b"2"))
    for piece in (b"a", b"b"):
        await proxy.pass_time(50)
        await client.send(piece)
        await peer.expect(piece)
    await client.silent()
    assert proxy.ends == []


async def test_a_client_is_not_slow_while_its_worker_is_full(
    serve: Serve, workers: Hire, tmp_path: Path
) -> None:
    worker = workers(f"{tmp_path}/worker")
    settings = Settings(timeouts=Timeouts(body=100))
    proxy = await serve(worker.endpoint, path=f"{tmp_path}/clients", settings=settings)
    client, peer = await upload(proxy, worker, POST.replace(b"1000000", b"10000000"))
    sent = 0
    while some := client.send_some(bytes(1_000_000)):
        sent += some
        await settle()
    await proxy.pass_time(95)
    await peer.exactly(sent)
    await settle()
    await proxy.pass_time(95)
    await client.send(b"a")
    await peer.expect(b"a")
    await client.silent()


async def stuck(proxy: Proxy, worker: Worker) -> tuple[Peer, Peer]:
    """A client whose answer fills all that may wait for it, and the worker's connection.

    Both are unix sockets: what is read there makes room in the same moment, and always as much. Over TCP
    it depends on windows, and on how busy the machine is, when the kernel takes more.
    """
    client = await proxy.connect()
    await client.send(GET)
    peer = await worker.asked()
    (connection,) = proxy.clients
    assert connection._transport is not None
    for sock in (peer.sock, connection._transport.get_extra_info("socket")):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
    await peer.send(LARGE)
    while peer.send_some(bytes(1_000_000)):
        await settle()
    return client, peer


async def take(client: Peer, size: int) -> None:
    """Takes that many bytes from the kernel and not one more."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(PATIENCE):
        while size:
            data = await loop.sock_recv(client.sock, size)
            assert data, "the connection ended"
            size -= len(data)
    await settle()


@pytest.fixture
def much_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than 400,000 bytes wait for a client before its worker is paused."""
    monkeypatch.setattr(router.proxy.connection, "WRITE_HIGH", 400_000)


@pytest.mark.usefixtures("much_waits")
@pytest.mark.parametrize(("rate", "kept"), [(5000, False), (240, True), (0, True)])
async def test_a_reader_below_the_rate_does_not_hold_a_worker(
    serve: Serve, workers: Hire, tmp_path: Path, rate: int, kept: bool
) -> None:
    """70,000 bytes in 55 s."""
    worker = workers(f"{tmp_path}/worker")
    settings = Settings(limits=Limits(send_rate=rate))
    proxy = await serve(worker.endpoint, path=f"{tmp_path}/clients", settings=settings)
    client, peer = await stuck(proxy, worker)
    await take(client, 70_000)
    for _ in range(12 if kept else 2):
        await proxy.pass_time(55)
        if proxy.ends:
            break
        await take(client, 70_000)
        while peer.send_some(bytes(1_000_000)):
            await settle()
    assert proxy.ends == ([] if kept else [(200, "client_gone")])


async def test_a_reader_that_takes_nothing_has_its_own_time_and_not_the_workers(
    serve: Serve, workers: Hire, tmp_path: Path
) -> None:
    worker = workers(f"{tmp_path}/worker")
    settings = Settings(timeouts=Timeouts(read=600.0, send=10.0))
    proxy = await serve(worker.endpoint, path=f"{tmp_path}/clients", settings=settings)
    await stuck(proxy, worker)
    await proxy.pass_time(8)
    assert proxy.ends == []
    await proxy.pass_time(4)
    assert proxy.ends == [(200, "client_gone")]


async def test_a_reader_of_a_few_bytes_a_minute_is_not_kept_after_its_answer(
    serve: Serve, workers: Hire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router.proxy.connection, "WRITE_HIGH", 10_000_000)
    worker = workers(f"{tmp_path}/worker")
    proxy = await serve(worker.endpoint, path=f"{tmp_path}/clients")
    client = await proxy.connect()
    await client.send(GET)
    peer = await worker.asked()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + bytes(1_000_000))
    await settle()
    assert proxy.ends == [(200, "")]
    for _ in range(4):
        await take(client, 100)
        await proxy.pass_time(61)
    assert proxy.server.connections == set()
    assert len(await client.rest()) < 1_000_000


async def test_a_client_that_asks_again_and_again_and_never_reads_is_reset(
    serve: Serve, worker: Worker, tmp_path: Path
) -> None:
    proxy = await serve(worker.endpoint, path=f"{tmp_path}/clients")
    client = await proxy.connect()
    refused = GET.replace(b"/a", b"/_synapse/admin")
    while client.send_some(refused * 1000):
        await settle()
    assert len(proxy.server.connections) == 1
    await proxy.pass_time(122)
    assert proxy.server.connections == set()
