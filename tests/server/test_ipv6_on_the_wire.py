"""IPv6 from client to worker: what is listened on, connected to, told to workers, hashed and logged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest

from router.observe.accesslog import AccessLog
from router.request import RequestHead
from router.routing.hashing import IpHash
from router.settings import Listener, ServerTls, Settings, TrustedProxies
from router.table import Endpoint, Policy, PolicyKind, TcpAddress, Upstream
from router.upstream.check import CheckFailed, Checks
from router.upstream.state import EndpointStates
from tests.authority import Authority, TlsPeer
from tests.dialogues import Hire, Serve, need_ipv6
from tests.wire import PATIENCE, Proxy, answer, settle
from tests.worker import OK, Worker

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
SIX = Listener(address=TcpAddress(host="::1", port=0))


@pytest.fixture
def worker(workers: Hire) -> Worker:
    """One on ::1."""
    need_ipv6()
    return workers(host="::1")


@pytest.fixture
async def proxy(serve: Serve, worker: Worker) -> Proxy:
    """A listener on ::1 before it."""
    return await serve(worker.endpoint, listener=SIX)


async def test_a_request_goes_through(proxy: Proxy, worker: Worker) -> None:
    assert worker.endpoint.name.startswith("[::1]:")
    assert proxy.address[0] == "::1"
    client = await proxy.ask(GET)
    peer = await worker.accept()
    for _ in range(2):
        await peer.expect(
            b"GET /a HTTP/1.1\r\nHost: h\r\n"
            b"X-Forwarded-For: ::1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n\r\n"
        )
        await peer.send(OK)
        await client.expect(OK)
        await client.send(GET)


async def test_a_worker_that_is_gone(proxy: Proxy, worker: Worker) -> None:
    worker.refuse()
    assert (await answer(await proxy.ask(GET))).status == 502
    assert proxy.ends == [(502, "connect_failed")]
    with pytest.raises(CheckFailed, match=r"^\[::1\]:\d+: Connection refused"):
        await checks_of(proxy).make(worker.endpoint, None, PATIENCE)


def checks_of(proxy: Proxy) -> Checks:
    return Checks(pool=proxy.pool, judge=lambda _: None, book=proxy.names)


@pytest.mark.parametrize("path", [None, "/health"])
async def test_a_check(proxy: Proxy, worker: Worker, path: str | None) -> None:
    checking = asyncio.create_task(checks_of(proxy).make(worker.endpoint, path, PATIENCE))
    peer = await worker.accept()
    if path:
        head = await peer.until()
        assert head.startswith(b"GET /health HTTP/1.1\r\nHost: %b\r\n" % worker.endpoint.name.encode())
        await peer.send(OK)
    await checking


async def test_the_access_log_begins_with_the_address(proxy: Proxy, worker: Worker, tmp_path: Path) -> None:
    client = await proxy.ask(GET)
    await (await worker.asked()).send(OK)
    await client.expect(OK)
    await settle()
    log = AccessLog(str(tmp_path / "log"))
    log.record(proxy.recorder.ended[0], 0.0)
    log.close()
    line = (tmp_path / "log").read_bytes()
    assert line.startswith(b"::1 - - [")
    assert b'] "GET /a HTTP/1.1" 200 2 ' in line


def hashed_to(client: str, *endpoints: Endpoint) -> Endpoint:
    upstream = Upstream(name="main", endpoints=endpoints, policy=Policy(kind=PolicyKind.IP_HASH))
    head = RequestHead(method="GET", target=b"/a", headers=(), client=client)
    return IpHash(upstream).choose(head, EndpointStates(lambda: 0.0))[0][0]


async def test_ip_hash_takes_all_of_the_address(serve: Serve, workers: Hire) -> None:
    """As nginx, which hashes all 16 octets; the trusted proxy on ::1 says who the client is."""
    need_ipv6()
    two = [workers(host="::1") for _ in range(2)]
    endpoints = tuple(worker.endpoint for worker in two)
    proxy = await serve(
        *endpoints,
        policy=Policy(kind=PolicyKind.IP_HASH),
        listener=SIX,
        settings=Settings(trusted_proxies=TrustedProxies(networks=(ip_network("::1/128"),))),
    )
    chosen = set()
    for client in ("::1", *(f"2001:db8::{last:x}" for last in range(1, 13))):
        hashed = hashed_to(client, *endpoints)
        said = b"X-Forwarded-For: %b\r\n" % client.encode()
        peer = await proxy.ask(GET.replace(b"\r\n\r\n", b"\r\n" + said + b"Connection: close\r\n\r\n"))
        chosen.add(hashed.name)
        worker = two[endpoints.index(hashed)]
        asked = worker.peers[-1] if worker.peers else await worker.accept()
        assert b"\r\nX-Forwarded-For: %b\r\n" % client.encode() in await asked.until()
        await asked.send(OK)
        assert (await answer(peer)).status == 200
    assert len(chosen) == 2


async def test_tls_from_end_to_end(serve: Serve, worker: Worker, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = ServerTls(certificates=(authority.issue("::1"),), hsts=0)
    proxy = await serve(worker.endpoint, listener=Listener(address=SIX.address, tls=tls))
    client = await TlsPeer(await proxy.connect(), authority.client(), name="::1").handshake()
    await client.send(GET)
    peer = await worker.asked()
    await peer.send(OK)
    await client.expect(OK)


def test_the_tests_find_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no ::1, CI fails and everybody else reads why it is skipped."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError("Cannot assign requested address")

    monkeypatch.setattr("socket.create_server", refuse)
    outcomes: list[tuple[str, Callable[..., object]]] = [("true", pytest.fail), ("", pytest.skip)]
    for said, outcome in outcomes:
        monkeypatch.setenv("CI", said)
        with pytest.raises(outcome.Exception, match="no ::1"):  # type: ignore[attr-defined] # of pytest's own
            need_ipv6()
