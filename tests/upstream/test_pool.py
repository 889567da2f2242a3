"""Which connection a request goes over, and which are never made."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

import router.upstream.pool
from router.settings import Guard as GuardSettings
from router.settings import Settings
from router.table import Endpoint, TcpAddress, UnixAddress
from router.upstream.connection import UpstreamConnection
from router.upstream.pool import Pool
from tests.dialogues import Hire, Serve
from tests.wire import Peer, Proxy, answer, settle, tcp
from tests.worker import OK, Worker

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


async def two_idle(proxy: Proxy, worker: Worker) -> tuple[Peer, Peer]:
    """Two idle connections, the first of which was used last."""
    clients = await proxy.ask(GET), await proxy.ask(GET)
    peers = await worker.asked(), await worker.asked()
    for peer, client in zip(reversed(peers), reversed(clients), strict=True):
        await peer.send(OK)
        await client.expect(OK)
        proxy.now += 10
    return peers


async def test_the_last_one_used_is_used_again(proxy: Proxy, worker: Worker) -> None:
    last, first = await two_idle(proxy, worker)
    for _ in range(3):
        client = await proxy.ask(GET)
        await last.until()
        await last.send(OK)
        await client.expect(OK)
    await first.silent()


async def test_what_is_idle_for_too_long_is_closed(proxy: Proxy, worker: Worker) -> None:
    last, first = await two_idle(proxy, worker)
    proxy.now += 45 - 20 + 1
    proxy.pool.expire()
    await first.ended()
    await last.silent()
    proxy.now += 10
    proxy.pool.expire()
    await last.ended()


async def test_idle_connections_have_a_limit(
    proxy: Proxy, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router.upstream.pool, "MAX_IDLE", 1)
    kept, surplus = (peer for peer in reversed(await two_idle(proxy, worker)))
    await surplus.ended()
    await kept.silent()


async def test_a_worker_on_a_unix_socket(serve: Serve, workers: Hire, tmp_path: Path) -> None:
    worker = workers(str(tmp_path / "worker.sock"))
    proxy = await serve(worker.endpoint)
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(OK)
    await client.expect(OK)
    await client.send(GET)
    await peer.until()
    await peer.send(OK)
    await client.expect(OK)


async def test_a_worker_by_its_name(serve: Serve, worker: Worker) -> None:
    assert isinstance(worker.endpoint.address, TcpAddress)
    proxy = await serve(tcp(worker.endpoint.address.port, "localhost"))
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(OK)
    await client.expect(OK)


async def test_a_name_with_several_addresses(
    serve: Serve, workers: Hire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one is tried where the first refuses."""
    refusing, listening = workers(), workers()
    addresses = [worker.sock.getsockname() for worker in (refusing, listening)]
    refusing.refuse()

    async def resolve(_: Pool, __: TcpAddress) -> list[tuple[str, int]]:
        return addresses

    monkeypatch.setattr(Pool, "_resolve", resolve)
    proxy = await serve(tcp(8008, "worker.example"))
    client = await proxy.ask(GET)
    await (await listening.asked()).send(OK)
    await client.expect(OK)


@pytest.mark.parametrize("name", ["no-such-host.invalid", "a" * 70 + ".invalid", "a..b"])
async def test_a_name_that_is_none_cannot_be_reached(serve: Serve, name: str) -> None:
    proxy = await serve(tcp(8008, name))
    assert (await answer(await proxy.ask(GET))).status == 503
    assert proxy.ends == [(503, "no_endpoint")]


async def test_a_replication_listener_is_never_connected_to(
    serve: Serve, workers: Hire, tmp_path: Path
) -> None:
    """Though the table, made by hand, names it."""
    by_port, by_list, by_path, by_name = (
        workers(), workers(), workers(str(tmp_path / "x.sock")), workers(str(tmp_path / "replication.sock"))
    )  # fmt: skip
    ports = [worker.sock.getsockname()[1] for worker in (by_port, by_list)]
    guard = GuardSettings(
        replication_ports=((ports[0], ports[0]),),
        replication_addresses=(
            TcpAddress(host="localhost", port=ports[1]),
            UnixAddress(path=str(tmp_path / "x.sock")),
        ),
    )
    endpoints = [
        tcp(port, host) for port in ports for host in ("127.0.0.1", "127.1", "localhost", "::ffff:127.0.0.1")
    ]
    for endpoint in (*endpoints, by_path.endpoint, by_name.endpoint):
        proxy = await serve(endpoint, settings=Settings(guard=guard))
        assert (await answer(await proxy.ask(GET))).status == 503
        assert not proxy.states.is_up(endpoint)
    for worker in (by_port, by_list, by_path, by_name):
        await worker.lonely()


async def test_a_connection_that_is_closed_before_it_is_used_is_none(
    serve: Serve, workers: Hire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop may see the worker's FIN first: whatever the method, nothing was sent there."""
    bad, good = workers(), workers()
    connect = Pool._open_connection

    async def connect_slowly(pool: Pool, endpoint: Endpoint) -> UpstreamConnection:
        connection = await connect(pool, endpoint)
        if endpoint is bad.endpoint:
            (await bad.accept()).close()
            await settle()
        return connection

    monkeypatch.setattr(Pool, "_open_connection", connect_slowly)
    proxy = await serve(bad.endpoint, good.endpoint)
    client = await proxy.ask(b"POST" + GET[3:])
    peer = await good.asked()
    await peer.send(OK)
    await client.expect(OK)
    assert not proxy.states.is_up(bad.endpoint)


async def test_closing_gives_everything_up(proxy: Proxy, worker: Worker) -> None:
    last, first = await two_idle(proxy, worker)
    proxy.pool.close()
    await settle()
    await last.ended()
    await first.ended()
    assert proxy.pool.take(worker.endpoint) is None


async def test_out_of_descriptors_is_no_fault_of_the_worker(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.connect()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))
    try:
        await client.send(GET)
        answered = await client.until(b"}")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert answered.startswith(b"HTTP/1.1 503 ")
    assert b"retry_after_ms" in answered
    assert proxy.ends == [(503, "out_of_resources")]
    await client.send(GET)
    await (await worker.asked()).send(OK)
    await client.expect(OK)
