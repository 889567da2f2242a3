"""Names that move while requests are under way: the whole process but its signals, and a real name server."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from router.app import Application
from router.config.loader import load_bytes
from router.server.sockets import name_of
from tests.dialogues import need_ipv6
from tests.nameserver import NameServer
from tests.wire import Peer, settle
from tests.worker import Worker

FILE = """
access_log: off
resolver: {{servers: ['{server}']}}
{more}
upstreams:
  main: {upstream}
routes: [{{path: '^/', upstream: main}}]
"""


class Served:
    """An application that serves on a free port; `now` is the clock of its names."""

    def __init__(self, config: str) -> None:
        loaded = load_bytes(config.encode())
        assert loaded.config is not None, loaded.findings
        self.application = Application(loaded.config, loop=asyncio.get_running_loop())
        self.now = 1000.0
        self.application.names.clock = lambda: self.now
        self.listener: asyncio.Server | None = None
        self.url = ""

    async def start(self) -> None:
        application = self.application
        sock = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        application.listeners = frozenset({name_of(sock)})
        await application.resolve_names()
        self.listener = await asyncio.get_running_loop().create_server(application.servers[0], sock=sock)

    async def ask_again(self) -> None:
        """Every name, as if its TTL had ended."""
        self.now += 3600
        names = self.application.names
        names.tick()
        # A target that is gone by then takes its question with it.
        await asyncio.gather(*(entry.asking for entry in names.all() if entry.asking), return_exceptions=True)
        await names.resolve_all()

    @property
    def endpoints(self) -> list[str]:
        return [each.name for each in self.application.context.snapshot.table.upstreams["main"].endpoints]

    async def stop(self) -> None:
        application = self.application
        if self.listener is not None:
            self.listener.close()
        await application.names.close()
        await application.health.stop()
        application.servers[0].cut()
        application.pool.close()
        await settle()


Begin = Callable[..., Awaitable[Served]]


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    server = await NameServer.start()
    yield server
    server.stop()


@pytest.fixture
async def begin(server: NameServer) -> AsyncIterator[Begin]:
    """Serves an upstream, as it is written in YAML."""
    made: list[Served] = []

    async def begin(upstream: str, more: str = "") -> Served:
        made.append(Served(FILE.format(server=server.address, upstream=upstream, more=more)))
        await made[-1].start()
        return made[-1]

    yield begin
    for served in made:
        await served.stop()


class Named:
    """A worker that answers each request with its name; one for /slow when the test says so."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = 0
        self.go_on = asyncio.Event()
        self.slow = asyncio.Event()
        self.served = 0
        self._server: asyncio.Server | None = None
        self._serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def listen(self, host: str, port: int) -> None:
        self._server = await asyncio.start_server(self._answer, host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving[task] = writer
        body = self.name.encode()
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                if head.startswith(b"GET /slow "):
                    self.slow.set()
                    await self.go_on.wait()
                self.served += 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()

    def close(self) -> None:
        """Takes no connection any more."""
        assert self._server is not None
        self._server.close()

    async def stop(self) -> None:
        self.close()
        self.go_on.set()
        for writer in self._serving.values():
            writer.close()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await settle()


Hire = Callable[..., Awaitable[Named]]


@pytest.fixture
async def hire() -> AsyncIterator[Hire]:
    made: list[Named] = []

    async def hire(name: str, host: str = "127.0.0.1", port: int = 0) -> Named:
        made.append(Named(name))
        await made[-1].listen(host, port)
        return made[-1]

    yield hire
    for worker in made:
        await worker.stop()


class Clients:
    """Eight clients of five users each, who ask in turn; `owners` has who answered each user last."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.owners: dict[str, str] = {}
        self.asked = 0
        self._session = session
        self._url = url
        self._tasks = [asyncio.create_task(self._ask(f"{number}.")) for number in range(8)]

    async def _ask(self, client: str) -> None:
        for turn in itertools.count():
            user = f"{client}{turn % 5}"
            async with self._session.get(f"{self._url}/a", headers={"X-User": user}) as answer:
                assert answer.status == 200, await answer.text()
                self.owners[user] = await answer.text()
                self.asked += 1

    async def go_on(self) -> dict[str, str]:
        """Who answers whom after a hundred requests more."""
        self.owners = {}
        enough = self.asked + 100
        while self.asked < enough or len(self.owners) < 40:
            for task in self._tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0)
        return dict(self.owners)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


BY_USER = "{{policy: consistent_hash, key: {{header: X-User}}, endpoints: [{}]}}"


async def test_a_name_moves_under_load(server: NameServer, begin: Begin, hire: Hire) -> None:
    """No request fails, the one under way ends where it began, and nobody else's worker changes."""
    before, other = await hire("before"), await hire("other")
    after = await hire("after", "127.0.0.2", before.port)
    server.answer("w.test", "A", "127.0.0.1", ttl=5)
    served = await begin(BY_USER.format(f"w.test:{before.port}, 127.0.0.1:{other.port}"))
    async with aiohttp.ClientSession() as session:
        clients = Clients(session, served.url)
        owners = await clients.go_on()
        assert set(owners.values()) == {"before", "other"}
        user = next(user for user, owner in owners.items() if owner == "before")
        slow = asyncio.create_task(session.get(f"{served.url}/slow", headers={"X-User": user}))
        await before.slow.wait()

        server.answer("w.test", "A", "127.0.0.2", ttl=5)
        await served.ask_again()
        before.close()
        moved = await clients.go_on()
        assert moved == {user: "after" if owner == "before" else "other" for user, owner in owners.items()}

        before.go_on.set()
        assert await (await slow).text() == "before"
        await clients.stop()
    assert served.endpoints == [f"w.test:{before.port}", f"127.0.0.1:{other.port}"]
    assert served.application.context.snapshot.generation == 1, "its name and its place are what they were"
    assert all(each.up for each in served.application.states._states.values())
    assert after.served


async def test_endpoints_come_and_go_under_load(server: NameServer, begin: Begin, hire: Hire) -> None:
    one = await hire("one")
    two = await hire("two", "127.0.0.2", one.port)
    three = await hire("three", "127.0.0.3", one.port)
    server.answer("w.test", "A", "127.0.0.2", "127.0.0.1")
    served = await begin(BY_USER.format(f"'dns:w.test:{one.port}'"))
    async with aiohttp.ClientSession() as session:
        clients = Clients(session, served.url)
        two_of_them = await clients.go_on()
        server.answer("w.test", "A", "127.0.0.3", "127.0.0.2", "127.0.0.1")
        await served.ask_again()
        three_of_them = await clients.go_on()
        assert set(two_of_them.values()) == {"one", "two"}
        moved = {user for user in two_of_them if three_of_them[user] != two_of_them[user]}
        assert {three_of_them[user] for user in moved} <= {"three"}

        server.answer("w.test", "A", "127.0.0.3", "127.0.0.1")
        await served.ask_again()
        two.close()
        rest = await clients.go_on()
        assert set(rest.values()) <= {"one", "three"}
        assert all(rest[user] == owner for user, owner in three_of_them.items() if owner != "two")
        await clients.stop()
    assert served.endpoints == [f"127.0.0.1:{one.port}", f"127.0.0.3:{one.port}"]
    assert served.application.context.snapshot.generation == 4
    served.application._forget_gone()
    assert served.application.states._states.keys() == set(served.endpoints)
    assert {labels[2] for labels in served.application.metrics.requests} == set(served.endpoints)
    assert sum(served.application.metrics.gone.values()) > 0
    assert three.served


async def test_what_the_admin_listener_tells_of_names(server: NameServer, begin: Begin, hire: Hire) -> None:
    port = (await hire("one")).port
    server.answer("w.test", "A", "127.0.0.1", "127.0.0.2", ttl=7)
    served = await begin(
        f"{{endpoints: ['dns:w.test:{port}', 'dns:_http._tcp.none.test', localhost:{port}]}}"
    )
    server.answer("w.test", "A", "127.0.0.1", ttl=7)
    await served.ask_again()
    async with TestClient(TestServer(served.application.make_admin())) as client:
        status = await (await client.get("/status")).json()
        metrics = await (await client.get("/metrics")).text()
        page = await (await client.get("/")).text()
    names = {each["name"]: each for each in status["names"]}
    assert names["w.test"]["found"] == ["127.0.0.1"]
    assert names["w.test"]["next"] - status["time"] == pytest.approx(7, abs=0.1)
    assert names["w.test"]["answered"] == pytest.approx(status["time"], abs=0.1)
    assert names["localhost"]["found"][0] == "127.0.0.1"
    assert (names["_http._tcp.none.test"]["found"], names["_http._tcp.none.test"]["answered"]) == ([], None)
    down = {
        each["endpoint"]: each["reason"] for each in status["upstreams"][0]["endpoints"] if not each["up"]
    }
    assert down == {"dns:_http._tcp.none.test": "no such host (NXDOMAIN)"}
    assert f'router_endpoint_up{{endpoint="127.0.0.1:{port}",upstream="main"}} 1.0' in metrics
    assert f'endpoint="127.0.0.2:{port}"' not in metrics
    assert 'router_resolutions_total{name="w.test",result="ok"} 2.0' in metrics
    assert 'router_resolutions_total{name="_http._tcp.none.test",result="failed"} 2.0' in metrics
    assert re.search(r"^w\.test +127\.0\.0\.1 +0s ago +in [67]s$", page, re.MULTILINE)
    assert re.search(
        r"^_http\._tcp\.none\.test +nothing +never +in \ds +no such host \(NXDOMAIN\)$", page, re.MULTILINE
    )


async def test_a_service_with_a_replication_port_in_it(server: NameServer, begin: Begin, hire: Hire) -> None:
    """Wherever DNS points, nothing that the guard closes is ever connected to."""
    worker, replication = await hire("worker"), Worker()
    closed = replication.sock.getsockname()[1]
    server.answer("a.test", "A", "127.0.0.1")
    server.answer(
        "_http._tcp.s.test",
        "SRV",
        f"0 1 {worker.port} a.test.",
        f"0 9 {closed} a.test.",
        f"5 9 {worker.port} x.",
    )
    served = await begin("{endpoints: ['dns:_http._tcp.s.test']}", f"guard: {{replication: [{closed}]}}")
    assert served.endpoints == [f"a.test:{worker.port}"]
    async with aiohttp.ClientSession() as session:
        for _ in range(4):
            async with session.get(served.url) as answer:
                assert await answer.text() == "worker"
        server.answer("_http._tcp.s.test", "SRV", f"0 9 {closed} a.test.")
        await served.ask_again()
        async with session.get(served.url) as answer:
            assert answer.status == 503
    await replication.lonely()
    await replication.stop()
    assert ("x.", "A") not in server.asked


async def test_a_name_that_stands_for_the_router_itself(server: NameServer, begin: Begin) -> None:
    """A request would go round until every connection is used up."""
    served = await begin("{endpoints: ['dns:w.test:1']}")
    own = int(served.url.rpartition(":")[2])
    server.answer("_http._tcp.s.test", "SRV", f"0 1 {own} w.test.")
    server.answer("w.test", "A", "127.0.0.1")
    looping = await begin("{endpoints: ['dns:_http._tcp.s.test']}")
    looping.application.listeners = served.application.listeners
    await looping.ask_again()
    async with aiohttp.ClientSession() as session, session.get(looping.url) as answer:
        assert answer.status == 502
    await looping.application.health.check_all()
    state = looping.application.states.state(
        looping.application.context.snapshot.table.upstreams["main"].endpoints[0]
    )
    assert state.reason == f"w.test:{own}: is where the router itself listens"


async def test_a_worker_at_an_ipv6_address(server: NameServer, begin: Begin) -> None:
    need_ipv6()
    with socket.socket(socket.AF_INET6) as listening:
        listening.bind(("::1", 0))
        listening.listen()
        listening.setblocking(False)
        port = listening.getsockname()[1]
        server.answer("six.test", "AAAA", "::1")
        served = await begin(f"{{endpoints: ['dns:six.test:{port}']}}")
        assert served.endpoints == [f"[::1]:{port}"]
        async with aiohttp.ClientSession() as session:
            asked = asyncio.create_task(session.get(served.url))
            sock, _ = await asyncio.get_running_loop().sock_accept(listening)
            peer = Peer(sock)
            await peer.until()
            await peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")
            assert (await asked).status == 204
            peer.close()


def test_a_whole_process_with_the_systems_resolver(tmp_path: Path) -> None:
    """Nothing is left behind at the end: no task, no resolver, no warning."""
    with socket.create_server(("127.0.0.1", 0)) as worker, socket.create_server(("127.0.0.1", 0)) as free:
        port, own = worker.getsockname()[1], free.getsockname()[1]
        free.close()
        file = tmp_path / "routes.yaml"
        file.write_text(
            f"listen: 127.0.0.1:{own}\nadmin: unix:{tmp_path}/admin.sock\naccess_log: off\n"
            f"upstreams: {{main: {{endpoints: [localhost:{port}, 'dns:localhost:{port}']}}}}\n"
            "routes: [{path: '^/', upstream: main}]\n"
        )
        command = [sys.executable, "-X", "dev", "-W", "error", "-m", "router", "serve", "-c", str(file)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            said = []
            for line in process.stderr:
                said.append(line)
                if line.startswith("ready "):
                    break
            process.send_signal(signal.SIGTERM)
            said += process.stderr.readlines()
            assert process.wait() == 0, said
    assert any(line.startswith("name localhost is 127.0.0.1") for line in said), said
    assert f"127.0.0.1:{port}" not in "".join(line for line in said if "down" in line)
    assert not [line for line in said if "Warning" in line or "Traceback" in line], said
