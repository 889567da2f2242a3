"""One health check over real sockets: what is asked, what passes, and what the guard has to say."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from router.guard import Guard
from router.settings import Guard as GuardSettings
from router.settings import Settings
from router.table import Endpoint
from router.upstream.check import CheckFailed, Checks, NotAsked
from router.upstream.connection import UpstreamConnection
from tests.dialogues import Hire, Serve
from tests.wire import PatchedPool, Peer, Proxy, tcp, unix
from tests.worker import OK, Worker

ASKS = b"GET /health?a=%%2F HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n"
LIMIT = 3.0


def checks_of(proxy: Proxy) -> Checks:
    return Checks(pool=proxy.pool, judge=Guard(proxy.settings.guard).judge_sockaddr, book=proxy.names)


async def verdict(proxy: Proxy, endpoint: Endpoint, path: str | None = "/health") -> str:
    """Empty for a check that passed, else why it did not; `refused` before one that nobody took."""
    try:
        await checks_of(proxy).make(endpoint, path, LIMIT)
    except CheckFailed as failed:
        return f"refused: {failed}" if failed.refused else str(failed)
    return ""


def answers(text: bytes) -> Callable[[Peer], object]:
    async def behaviour(peer: Peer) -> None:
        await peer.until()
        await peer.send(text)
        await peer.rest()

    return behaviour


@pytest.mark.parametrize("path", ["", "worker.sock"])
async def test_what_is_asked(serve: Serve, workers: Hire, tmp_path: Path, path: str) -> None:
    worker = workers(str(tmp_path / path) if path else None)
    proxy = await serve(worker.endpoint)
    checking = asyncio.create_task(verdict(proxy, worker.endpoint, "/health?a=%2F"))
    peer = await worker.accept()
    await peer.expect(ASKS % (b"localhost" if path else worker.endpoint.name.encode()))
    await peer.send(OK)
    assert await checking == ""
    await peer.ended()


@pytest.mark.parametrize("host", ["localhost", "127.1", "127.0.0.1", "::ffff:127.0.0.1"])
async def test_however_the_address_is_written(proxy: Proxy, worker: Worker, host: str) -> None:
    worker.behave(answers(OK))  # type: ignore[arg-type] # a coroutine function
    assert await verdict(proxy, tcp(worker.sock.getsockname()[1], host)) == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", ""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nno more is read", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nno", ""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", ""),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "/health answered 302"),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "/health answered 503"),
        (b"", "127.0.0.1"),
        (b"HTTP/1.1 200", "127.0.0.1"),
        (b"garbage\r\n\r\n", "garbage"),
    ],
)
async def test_a_path_must_answer_2xx(proxy: Proxy, worker: Worker, text: bytes, said: str) -> None:
    async def behaviour(peer: Peer) -> None:
        await peer.until()
        await peer.send(text)
        if text.endswith(b"\r\n\r\n"):
            await peer.rest()

    worker.behave(behaviour)
    heard = await verdict(proxy, worker.endpoint)
    assert (said in heard) if said else heard == ""
    assert not heard.startswith("refused")
    assert len(worker.peers) == 1 or not text.endswith(b"\r\n\r\n"), "no redirect is followed"
    assert proxy.pool._open == set(), "the connection of a check is nobody else's"


async def test_no_cookie_is_sent_back(proxy: Proxy, worker: Worker) -> None:
    text = OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\n\r\n")
    for _ in range(2):
        checking = asyncio.create_task(verdict(proxy, worker.endpoint, "/health?a=%2F"))
        peer = await worker.accept()
        await peer.expect(ASKS % worker.endpoint.name.encode())
        await peer.send(text)
        assert await checking == ""


async def test_a_late_answer_is_a_timeout(proxy: Proxy, worker: Worker) -> None:
    checking = asyncio.create_task(checks_of(proxy).make(worker.endpoint, "/health", 1.0))
    peer = await worker.asked()
    with pytest.raises(TimeoutError):
        await checking
    await peer.ended()


@pytest.mark.parametrize("path", [None, "/health"])
async def test_nobody_there(proxy: Proxy, worker: Worker, path: str | None) -> None:
    worker.refuse()
    heard = await verdict(proxy, worker.endpoint, path)
    assert heard == f"refused: {worker.endpoint.name}: Connection refused"


@pytest.mark.parametrize("path", [None, "/health"])
async def test_a_name_without_an_address(proxy: Proxy, path: str | None) -> None:
    assert "no such host" in await verdict(proxy, tcp(8008, "nowhere.test"), path)


@pytest.mark.parametrize("path", [None, "/health"])
async def test_a_replication_listener_is_not_even_connected_to(
    serve: Serve, workers: Hire, tmp_path: Path, path: str | None
) -> None:
    """Whatever the table says, and whatever a name stands for by now."""
    by_port, by_path = workers(), workers(str(tmp_path / "replication.sock"))
    port = by_port.sock.getsockname()[1]
    proxy = await serve(
        by_port.endpoint, settings=Settings(guard=GuardSettings(replication_ports=((port, port),)))
    )
    for endpoint in (
        *(tcp(port, host) for host in ("127.0.0.1", "127.1", "localhost", "::ffff:127.0.0.1")),
        unix(str(tmp_path / "replication.sock")),
    ):
        heard = await verdict(proxy, endpoint, path)
        assert heard.startswith(f"refused: {endpoint.name}: ")
        assert "replication" in heard
    for worker in (by_port, by_path):
        await worker.lonely()


@pytest.mark.parametrize("path", [None, "/health"])
async def test_out_of_descriptors_is_no_fault_of_the_worker(
    proxy: Proxy, worker: Worker, path: str | None
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))
    try:
        with pytest.raises(NotAsked):
            await checks_of(proxy).make(worker.endpoint, path, LIMIT)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_the_connection_of_a_check_is_never_pooled(
    proxy: Proxy, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that took it would be cut when the check ends."""
    released: list[UpstreamConnection] = []
    monkeypatch.setattr(PatchedPool, "release", lambda _, connection: released.append(connection))
    assert await verdict(proxy, worker.endpoint, None) == ""
    await (await worker.accept()).ended()
    assert released == []
