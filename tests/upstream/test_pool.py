"""Which connection a request goes over, and which are never made."""

from __future__ import annotations

import resource
import socket
from pathlib import Path

import pytest

import router.upstream.pool
from router.settings import Guard as GuardSettings
from router.settings import Settings
from router.table import DnsAddress, Endpoint, TcpAddress, UnixAddress
from router.upstream.connection import UpstreamConnection
from tests.dialogues import Hire, Serve
from tests.wire import PatchedPool, Peer, Proxy, answer, settle, tcp
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


async def named(serve: Serve, *hosts: str, port: int) -> Proxy:
    """A proxy before `worker.example`, which stands for these addresses."""
    proxy = await serve(tcp(port, "worker.example"))
    proxy.resolver.hosts["worker.example"] = hosts
    proxy.names.watch(["worker.example"], [])
    await proxy.names.resolve_all()
    return proxy


def two_on_one_port() -> tuple[Worker, Worker, int]:
    """Workers at 127.0.0.1 and 127.0.0.2."""
    one = Worker()
    port = one.sock.getsockname()[1]
    return one, Worker(host="127.0.0.2", port=port), port


async def test_a_name_with_several_addresses(serve: Serve) -> None:
    """The next one is tried where the first refuses."""
    refusing, listening, port = two_on_one_port()
    refusing.refuse()
    proxy = await named(serve, "127.0.0.2", "127.0.0.1", port=port)
    client = await proxy.ask(GET)
    await (await listening.asked()).send(OK)
    await client.expect(OK)
    assert proxy.resolver.asked == ["worker.example"]
    await listening.stop()


async def test_a_name_with_an_address_that_says_nothing(serve: Serve) -> None:
    """A machine that is gone refuses nothing: the next address is tried long before the deadline."""
    silent, listening, port = two_on_one_port()
    silent.sock.listen(0)
    crowd = [socket.socket() for _ in range(4)]
    for sock in crowd:
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", port))
    proxy = await named(serve, "127.0.0.1", "127.0.0.2", port=port)
    client = await proxy.ask(GET)
    await (await listening.asked()).send(OK)
    await client.expect(OK)
    for sock in crowd:
        sock.close()
    await silent.stop()
    await listening.stop()


async def test_a_name_that_has_moved_is_found_before_the_request_fails(serve: Serve) -> None:
    """Docker gives a container that is made anew another address, and a TTL of ten minutes."""
    before, after, port = two_on_one_port()
    proxy = await named(serve, "127.0.0.1", port=port)
    before.refuse()
    proxy.now += 2
    proxy.resolver.hosts["worker.example"] = ["127.0.0.2"]
    client = await proxy.ask(b"POST" + GET[3:])
    await (await after.asked()).send(OK)
    await client.expect(OK)
    assert proxy.resolver.asked == ["worker.example"] * 2
    assert proxy.changes == []
    await after.stop()


async def test_connections_to_addresses_that_are_gone_are_not_used_again(serve: Serve) -> None:
    """Idle ones are closed, a request under way ends on its own, and what stays is kept."""
    before, after, port = two_on_one_port()
    proxy = await named(serve, "127.0.0.1", port=port)
    name = f"worker.example:{port}"
    idle, busy = await proxy.ask(GET), await proxy.ask(GET)
    idle_peer, busy_peer = await before.asked(), await before.asked()
    await idle_peer.send(OK)
    await idle.expect(OK)
    proxy.pool.drop_outdated({name: frozenset({"127.0.0.1", "127.0.0.9"})})
    await idle_peer.silent()

    proxy.now += 2
    proxy.resolver.hosts["worker.example"] = ["127.0.0.2"]
    await proxy.names.ask_again("worker.example")
    proxy.pool.drop_outdated({name: frozenset({"127.0.0.2"})})
    await idle_peer.ended()
    await busy_peer.send(OK)
    await busy.expect(OK)
    await busy_peer.ended()
    assert not proxy.pool.has_connection(tcp(port, "worker.example"))

    await busy.send(GET)
    await (await after.asked()).send(OK)
    await busy.expect(OK)
    assert proxy.ends == [(200, "")] * 3
    await before.stop()
    await after.stop()


async def test_connections_of_an_endpoint_that_is_gone_are_not_kept(proxy: Proxy, worker: Worker) -> None:
    idle, busy = await proxy.ask(GET), await proxy.ask(GET)
    idle_peer, busy_peer = await worker.asked(), await worker.asked()
    await idle_peer.send(OK)
    await idle.expect(OK)
    proxy.pool.drop_outdated({"10.0.0.1:8008": None})
    await idle_peer.ended()
    await busy_peer.send(OK)
    await busy.expect(OK)
    await busy_peer.ended()
    assert proxy.pool._idle == {}


async def test_a_connection_that_was_begun_before_a_change_serves_one_request(
    proxy: Proxy, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = PatchedPool._open_connection

    async def connect_and_change(pool: PatchedPool, endpoint: Endpoint) -> UpstreamConnection:
        connection = await connect(pool, endpoint)
        pool.drop_outdated({endpoint.name: None})
        return connection

    monkeypatch.setattr(PatchedPool, "_open_connection", connect_and_change)
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(OK)
    await client.expect(OK)
    await peer.ended()


async def test_an_address_that_the_guard_closes_is_left_out(serve: Serve) -> None:
    closed, opened, port = two_on_one_port()
    guard = GuardSettings(replication_addresses=(TcpAddress(host="10.9.9.9", port=port),))
    proxy = await serve(tcp(port, "worker.example"), settings=Settings(guard=guard))
    proxy.resolver.hosts["worker.example"] = ["10.9.9.9", "127.0.0.2"]
    client = await proxy.ask(GET)
    await (await opened.asked()).send(OK)
    await client.expect(OK)
    await closed.lonely()
    await closed.stop()
    await opened.stop()


async def test_a_name_that_comes_to_stand_for_a_replication_listener_is_not_connected_to(
    serve: Serve,
) -> None:
    """DNS rebinding: the port is the worker's own, the address becomes that of a listed listener."""
    worker, replication, port = two_on_one_port()
    guard = GuardSettings(replication_addresses=(TcpAddress(host="10.9.9.9", port=port),))
    proxy = await serve(tcp(port, "worker.example"), settings=Settings(guard=guard))
    proxy.resolver.hosts["worker.example"] = ["127.0.0.1"]
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(OK)
    await client.expect(OK)
    peer.close()
    worker.refuse()
    proxy.now += 2
    proxy.resolver.hosts["worker.example"] = ["10.9.9.9"]
    assert (await answer(await proxy.ask(GET))).status == 502
    assert proxy.ends[-1] == (502, "connect_failed")
    await replication.lonely()
    await replication.stop()


async def test_what_dns_has_not_found_is_not_connected_to(serve: Serve) -> None:
    proxy = await serve(Endpoint(address=DnsAddress(name="worker", port=8008)))
    assert (await answer(await proxy.ask(GET))).status == 502
    assert proxy.ends == [(502, "connect_failed")]
    assert proxy.resolver.asked == []


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
        assert (await answer(await proxy.ask(GET))).status == 502
    for worker in (by_port, by_list, by_path, by_name):
        await worker.lonely()


async def test_a_connection_that_is_closed_before_it_is_used_is_none(
    serve: Serve, workers: Hire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop may see the worker's FIN first: whatever the method, nothing was sent there."""
    bad, good = workers(), workers()
    connect = PatchedPool._open_connection

    async def connect_slowly(pool: PatchedPool, endpoint: Endpoint) -> UpstreamConnection:
        connection = await connect(pool, endpoint)
        if endpoint is bad.endpoint:
            (await bad.accept()).close()
            await settle()
        return connection

    monkeypatch.setattr(PatchedPool, "_open_connection", connect_slowly)
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
