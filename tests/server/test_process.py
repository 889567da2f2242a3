"""A real process: what it says, and how it ends."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.server.process import Ticker
from tests.authority import Authority, TlsPeer
from tests.real_nginx import free_ports
from tests.wire import PATIENCE, Peer
from tests.worker import OK, Worker

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
LAST = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Serving:
    """A router in a folder of its own, on a free port and a unix socket."""

    def __init__(self, folder: Path, worker: Worker, drain_timeout: str = "30s") -> None:
        [self.port] = free_ports(1)
        self.folder = folder
        self.log = folder / "access.log"
        self.unix = folder / "router.sock"
        self.admin = folder / "admin.sock"
        self.file = folder / "routes.yaml"
        self.file.write_text(
            f"listen: ['127.0.0.1:{self.port}', 'unix:{self.unix}']\n"
            f"admin: 'unix:{self.admin}'\n"
            f"access_log: {self.log}\n"
            f"drain_timeout: {drain_timeout}\n"
            "health: {interval: 10m}\n"  # a check in the midst of a test would be one more connection
            f"upstreams:\n  main: {{endpoints: ['{worker.endpoint.name}', '127.0.0.1:1']}}\n"
            "routes:\n  - {path: '^/', upstream: main}\n"
        )
        self.process: asyncio.subprocess.Process | None = None
        self.peers: list[Peer] = []

    async def start(self) -> list[str]:
        """Starts it; what it says up to the ready line."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "router", "serve", "-c", str(self.file), stderr=asyncio.subprocess.PIPE
        )
        said: list[str] = []
        while not said or not said[-1].startswith("ready"):
            line = await self.line()
            assert line, said
            said.append(line)
        return said

    async def line(self) -> str:
        assert self.process is not None
        assert self.process.stderr is not None
        async with asyncio.timeout(4 * PATIENCE):
            return (await self.process.stderr.readline()).decode()

    async def ask(self, data: bytes) -> Peer:
        peer = Peer(socket.create_connection(("127.0.0.1", self.port)))
        self.peers.append(peer)
        await peer.send(data)
        return peer

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def exit(self) -> int:
        assert self.process is not None
        async with asyncio.timeout(2 * PATIENCE):
            return await self.process.wait()


@pytest.fixture
async def serving(tmp_path: Path, worker: Worker) -> AsyncIterator[Serving]:
    serving = Serving(tmp_path, worker)
    yield serving
    for peer in serving.peers:
        peer.close()
    if serving.process is not None and serving.process.returncode is None:
        serving.process.kill()
        await serving.process.wait()


async def ready(worker: Worker) -> None:
    """Takes the connection of the check at the start."""
    await (await worker.accept()).ended()


async def test_one_line_says_what_serves(serving: Serving, worker: Worker) -> None:
    down, line = await serving.start()
    await ready(worker)
    assert re.fullmatch(r"endpoint 127\.0\.0\.1:1 is down: .*refused.*\n", down)
    assert re.fullmatch(
        rf"ready listen=127\.0\.0\.1:{serving.port},unix:\S+/router\.sock admin=unix:\S+/admin\.sock "
        r"config=\S+/routes\.yaml@[0-9a-f]{6} routes=2 patterns=2 upstreams=1 endpoints=1/2 "
        r"down=127\.0\.0\.1:1 version=\d+\.\d+\.\d+ modules=(pure|compiled) took=\d+\.\d\ds\n",
        line,
    )


async def test_sigterm_drains_and_exits_with_0(serving: Serving, worker: Worker) -> None:
    await serving.start()
    await ready(worker)
    idle = await serving.ask(b"")
    client = await serving.ask(GET)
    peer = await worker.asked()
    serving.signal(signal.SIGTERM)
    await idle.ended()
    assert not serving.unix.exists(), "another process may already have the path"
    with pytest.raises(ConnectionRefusedError):
        await serving.ask(GET)
    await peer.send(OK)
    await client.expect(LAST)
    await client.ended()
    assert await serving.exit() == 0
    assert not serving.admin.exists()
    assert '"GET /a HTTP/1.1" 200 2 ' in serving.log.read_text()


@pytest.mark.parametrize("how", ["in time", "at once"])
async def test_what_does_not_end_is_reset(worker: Worker, serving: Serving, how: str) -> None:
    serving.file.write_text(
        serving.file.read_text().replace("30s", "0.2s") if how == "in time" else serving.file.read_text()
    )
    await serving.start()
    await ready(worker)
    idle = await serving.ask(b"")
    client = await serving.ask(GET)
    peer = await worker.asked()
    await peer.send(CHUNKED)
    await client.expect(CHUNKED)
    serving.signal(signal.SIGTERM)
    await idle.ended()
    if how == "at once":
        await client.silent()
        serving.signal(signal.SIGTERM)
    assert await client.reset_after() == b""
    await peer.ended()
    assert await serving.exit() == 0
    assert '"GET /a HTTP/1.1" 200 0 ' in serving.log.read_text()


async def test_sigusr1_reopens_the_log(serving: Serving, worker: Worker) -> None:
    await serving.start()
    await ready(worker)
    client = await serving.ask(GET)
    peer = await worker.asked()
    await peer.send(OK)
    await client.expect(OK)
    moved = serving.log.rename(serving.folder / "access.log.1")
    serving.signal(signal.SIGUSR1)
    async with asyncio.timeout(PATIENCE):
        while not serving.log.exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.01)
    await client.send(GET.replace(b"/a", b"/b"))
    await peer.until()
    await peer.send(OK)
    await client.expect(OK)
    client.close()
    serving.signal(signal.SIGTERM)
    assert await serving.exit() == 0
    assert "/a" in moved.read_text()
    assert "/b" in serving.log.read_text()
    assert "/b" not in moved.read_text()


async def test_sighup_ends_nothing(serving: Serving, worker: Worker) -> None:
    await serving.start()
    await ready(worker)
    serving.signal(signal.SIGHUP)
    assert "SIGHUP: the table is not read again yet" in await serving.line()
    client = await serving.ask(GET)
    await (await worker.asked()).send(OK)
    await client.expect(OK)


async def test_sighup_reads_certificates_again(serving: Serving, worker: Worker, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("a.example", chain="chain.pem", key="key.pem")
    where = f"'127.0.0.1:{serving.port}'"
    tls = f"{{address: {where}, tls: {{certificate: chain.pem, key: key.pem}}}}"
    serving.file.write_text(serving.file.read_text().replace(where, tls))
    await serving.start()
    await ready(worker)
    old = await TlsPeer(await serving.ask(b""), authority.client(), name="a.example").handshake()
    authority.issue("b.example", chain="chain.pem", key="key.pem")
    serving.signal(signal.SIGHUP)
    assert "has read its certificates again: b.example until" in await serving.line()
    assert "SIGHUP: the table is not read again yet" in await serving.line()
    new = await TlsPeer(await serving.ask(b""), authority.client(), name="b.example").handshake()
    (authority.folder / "key.pem").write_text("half a k")
    serving.signal(signal.SIGHUP)
    assert re.match(
        r"error: 127\.0\.0\.1:\d+ keeps its old certificates: .*holds no private", await serving.line()
    )
    await serving.line()
    for client in (old, new):
        await client.send(GET)
        peer = await worker.asked()
        await peer.send(OK)
        await client.until(b"\r\n\r\nok")
        peer.close()
    serving.signal(signal.SIGTERM)
    for client in (old, new):
        await client.ended()
    assert await serving.exit() == 0


async def test_an_address_in_use_is_named(serving: Serving) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", serving.port))
        other.listen()
        with pytest.raises(
            AssertionError, match=f"cannot listen on 127.0.0.1:{serving.port}: another process"
        ):
            await serving.start()
    assert await serving.exit() == 1


async def test_the_timer_ticks_on_when_a_task_fails() -> None:
    loop = asyncio.get_running_loop()
    faults: list[object] = []
    loop.set_exception_handler(lambda _, fault: faults.append(fault))
    done = asyncio.Event()
    ticks = []

    def fail() -> None:
        ticks.append(1)
        if len(ticks) == 2:
            done.set()
        raise RuntimeError("a defect")

    ticker = Ticker(loop, every_tick=[fail], every_second=[])
    ticker.start()
    async with asyncio.timeout(PATIENCE):
        await done.wait()
    ticker.stop()
    assert faults
