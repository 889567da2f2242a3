"""What leaves HTTP by an Upgrade: who may, how bytes go both ways, and how it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
from aiohttp import web

import router.proxy.connection
import router.upstream.connection
from router.settings import Settings, Timeouts
from tests.dialogues import Hire, Serve
from tests.wire import SMALL, Peer, Proxy, answer, settle, tcp
from tests.worker import OK, Worker

ASK = (
    b"GET /ws HTTP/1.1\r\nHost: h\r\n"
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n"
)
FORWARDED = b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n\r\n"
ASKED = (
    b"GET /ws HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Key: k\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    + FORWARDED
)
UNASKED = b"GET /ws HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Key: k\r\n" + FORWARDED
GRANT = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nServer: S\r\n\r\n"
GRANTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nServer: S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
)
CLOSING = b"\r\nConnection: close\r\n\r\n"


@pytest.fixture
async def proxy(serve: Serve, worker: Worker) -> Proxy:
    """One proxy before one worker, on a route that allows WebSocket."""
    return await serve(worker.endpoint, upgrade=("websocket",))


async def tunnel(proxy: Proxy, worker: Worker) -> tuple[Peer, Peer]:
    """A client and a worker that have left HTTP."""
    client = await proxy.ask(ASK)
    peer = await worker.accept()
    await peer.expect(ASKED)
    await peer.send(GRANT)
    await client.expect(GRANTED)
    return client, peer


async def test_bytes_go_both_ways_as_they_come(proxy: Proxy, worker: Worker) -> None:
    client, peer = await tunnel(proxy, worker)
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x00\xff", b"0\r\n\r\n"):
        await client.send(data)
        await peer.expect(data)
        await peer.send(data * 2)
        await client.expect(data * 2)
    assert proxy.ends == []
    assert proxy.in_flight == {worker.endpoint.name: 1}
    client.finish()
    await peer.ended()
    peer.close()
    await client.ended()
    assert proxy.ends == [(101, "")]
    (exchange,) = proxy.recorder.ended
    assert (exchange.bytes_in, exchange.bytes_out) == (25, 50)
    assert exchange.first_byte
    assert proxy.in_flight == {}


async def test_what_is_sent_with_the_heads_goes_through_behind_them(proxy: Proxy, worker: Worker) -> None:
    """The client's only once the worker has agreed: before, it would be a request that nobody has seen."""
    client = await proxy.ask(ASK + b"early")
    peer = await worker.accept()
    await peer.expect(ASKED)
    await peer.silent()
    await client.send(b", earlier")
    await peer.silent()
    await peer.send(GRANT + b"rest")
    await client.expect(GRANTED + b"rest")
    await peer.expect(b"early, earlier")
    assert [(each.bytes_in, each.bytes_out) for each in proxy.recorder.begun] == [(14, 4)]


async def test_a_client_that_sends_much_before_the_101_is_read_on_behind_it(
    proxy: Proxy, worker: Worker
) -> None:
    client = await proxy.ask(ASK)
    peer = await worker.accept()
    await peer.expect(ASKED)
    sent = await push(client)
    assert sent
    await peer.silent()
    await peer.send(GRANT)
    await client.expect(GRANTED)
    await peer.exactly(sent)
    await client.send(b"more")
    await peer.expect(b"more")


@pytest.mark.usefixtures("small_buffers")
async def test_a_client_that_is_full_at_the_101(serve: Serve, workers: Hire) -> None:
    worker = workers()
    proxy = await serve(worker.endpoint, kernel=SMALL, upgrade=("websocket",))
    client = await proxy.connect(kernel=SMALL)
    await client.send(ASK)
    peer = await worker.asked()
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: %b\r\n\r\n" % (b"a" * 60_000)
    await peer.send(hints * 4 + GRANT + b"rest")
    sent = await push(peer)
    await client.expect(hints * 4 + GRANTED + b"rest")
    await client.exactly(sent)
    assert proxy.ends == []


async def test_an_answer_other_than_101_is_an_answer(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(ASK + b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n")
    peer = await worker.accept()
    await peer.expect(ASKED)
    await peer.send(b"HTTP/1.1 426 No\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nno")
    await client.expect(b"HTTP/1.1 426 No\r\nContent-Length: 2\r\n\r\nno")
    await peer.expect(b"GET /next HTTP/1.1\r\nHost: h\r\n" + FORWARDED)
    await peer.send(OK)
    await client.expect(OK)


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        (ASK, ASKED),
        (ASK.replace(b": Upgrade", b": keep-alive, UPGRADE"), ASKED),
        (ASK.replace(b"websocket", b"WebSocket"), ASKED),
        (ASK.replace(b"websocket", b"h2c, websocket, x"), ASKED),
        (ASK.replace(b"websocket", b"h2c"), UNASKED),
        (ASK.replace(b"websocket", b"websocket/13"), UNASKED),
        (ASK.replace(b"websocket", b"websockets"), UNASKED),
        (ASK.replace(b": Upgrade", b": keep-alive"), UNASKED),
        (ASK.replace(b"Connection: Upgrade\r\n", b""), UNASKED),
        (ASK.replace(b"GET", b"POST", 1), UNASKED.replace(b"GET", b"POST", 1)),
        (ASK.replace(b"HTTP/1.1", b"HTTP/1.0"), UNASKED),
    ],
)
async def test_exactly_the_allowed_protocol_is_asked_for(
    proxy: Proxy, worker: Worker, sent: bytes, got: bytes
) -> None:
    client = await proxy.ask(sent)
    peer = await worker.accept()
    await peer.expect(got)
    await peer.send(GRANT)
    if got is ASKED:
        await client.expect(GRANTED)
    else:
        assert (await answer(client)).status == 502


async def test_a_route_that_says_nothing_allows_none(serve: Serve, worker: Worker) -> None:
    proxy = await serve(worker.endpoint)
    client = await proxy.ask(ASK)
    peer = await worker.accept()
    await peer.expect(UNASKED)
    await peer.send(GRANT + b"hello")
    assert (await answer(client)).status == 502
    await peer.ended()
    await client.silent()
    assert proxy.ends == [(502, "bad_response")]


async def test_an_upgrade_with_a_body_reaches_no_worker(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(ASK.replace(b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\na"))
    assert (await answer(client)).status == 400
    await worker.lonely()


@pytest.mark.parametrize(
    "grant",
    [
        GRANT.replace(b"WebSocket", b"h2c"),
        GRANT.replace(b"WebSocket", b"websocket, h2c"),
        GRANT.replace(b"Upgrade: WebSocket\r\n", b""),
        GRANT.replace(b"Connection: Upgrade", b"Connection: close"),
        GRANT.replace(b"Connection: Upgrade\r\n", b""),
        GRANT.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
)
async def test_a_101_that_grants_something_else_is_502(proxy: Proxy, worker: Worker, grant: bytes) -> None:
    client = await proxy.ask(ASK)
    peer = await worker.asked()
    await peer.send(grant + b"hello")
    assert (await answer(client)).status == 502
    await peer.ended()
    assert proxy.ends == [(502, "bad_response")]


async def test_a_101_with_a_length_or_after_hints_still_is_one(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(ASK)
    peer = await worker.asked()
    hints = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    await peer.send(hints + GRANT.replace(b"Server: S", b"Content-Length: 9\r\nServer: S"))
    await client.expect(hints + GRANTED)


@pytest.mark.parametrize("worker_first", [True, False])
async def test_half_a_tunnel_goes_on(proxy: Proxy, worker: Worker, worker_first: bool) -> None:
    client, peer = await tunnel(proxy, worker)
    first, other = (peer, client) if worker_first else (client, peer)
    await first.send(b"last words")
    first.finish()
    await other.expect(b"last words")
    await other.ended()
    await other.send(b"understood")
    await first.expect(b"understood")
    assert proxy.ends == []
    other.finish()
    await first.ended()
    assert proxy.ends == [(101, "")]
    assert proxy.server.connections == set()


@pytest.mark.parametrize("die", [Peer.reset, Peer.close])
async def test_a_worker_that_is_lost(proxy: Proxy, worker: Worker, die: Callable[[Peer], None]) -> None:
    client, peer = await tunnel(proxy, worker)
    await client.send(b"unread")
    await settle()
    die(peer)
    assert await client.reset_after() == b""
    assert proxy.ends == [(101, "aborted")]


async def test_a_client_that_is_lost(proxy: Proxy, worker: Worker) -> None:
    client, peer = await tunnel(proxy, worker)
    client.reset()
    assert await peer.reset_after() == b""
    assert proxy.ends == [(101, "client_gone")]


async def test_silence_has_its_time(serve: Serve, worker: Worker) -> None:
    settings = Settings(timeouts=Timeouts(tunnel=300, read=5, send=7, idle=9, first_byte=11))
    proxy = await serve(worker.endpoint, settings=settings, upgrade=("websocket",))
    client, peer = await tunnel(proxy, worker)
    for end, other in ((client, peer), (peer, client)):
        await proxy.pass_time(298)
        await end.send(b"ping")
        await other.expect(b"ping")
    await proxy.pass_time(298)
    await client.silent()
    await proxy.pass_time(4)
    assert await client.reset_after() == b""
    assert await peer.reset_after() == b""
    assert proxy.ends == [(101, "tunnel_idle")]


async def test_half_a_tunnel_has_less_time(serve: Serve, worker: Worker) -> None:
    proxy = await serve(
        worker.endpoint, settings=Settings(timeouts=Timeouts(tunnel=300, read=20)), upgrade=("websocket",)
    )
    client, peer = await tunnel(proxy, worker)
    client.finish()
    await peer.ended()
    await proxy.pass_time(18)
    await peer.send(b"still here")
    await client.expect(b"still here")
    await proxy.pass_time(18)
    assert proxy.ends == []
    await proxy.pass_time(4)
    assert await client.reset_after() == b""
    assert proxy.ends == [(101, "tunnel_idle")]


@pytest.fixture
def small_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both sides are paused at once when the kernel takes no more."""
    for side in (router.proxy.connection, router.upstream.connection):
        monkeypatch.setattr(side, "WRITE_HIGH", 2000)
        monkeypatch.setattr(side, "WRITE_LOW", 500)


async def narrow_tunnel(serve: Serve, workers: Hire) -> tuple[Proxy, Peer, Peer]:
    """A proxy, a client and a worker; the kernel holds little."""
    worker = workers(kernel=SMALL)
    proxy = await serve(worker.endpoint, kernel=SMALL, upgrade=("websocket",))
    client = await proxy.connect(kernel=SMALL)
    await client.send(ASK)
    peer = await worker.asked()
    await peer.send(GRANT)
    await client.expect(GRANTED)
    return proxy, client, peer


async def push(peer: Peer) -> int:
    """Sends as long as anybody takes it; returns how many bytes were taken."""
    sent = idle = 0
    while idle < 100:
        taken = peer.send_some(bytes(65_536))
        sent += taken
        idle = 0 if taken else idle + 1
        assert sent < 32_000_000, "nobody holds the sender back"
        await settle()
    return sent


@pytest.mark.usefixtures("small_buffers")
@pytest.mark.parametrize("from_worker", [True, False])
async def test_whoever_reads_slowly_slows_the_other_down(
    serve: Serve, workers: Hire, from_worker: bool
) -> None:
    proxy, client, peer = await narrow_tunnel(serve, workers)
    fast, slow = (peer, client) if from_worker else (client, peer)
    sent = await push(fast)
    (exchange,) = proxy.recorder.begun
    passed = exchange.bytes_out if from_worker else exchange.bytes_in
    assert passed <= sent < 8_000_000
    await slow.send(b"the other way is open")
    await fast.expect(b"the other way is open")
    await slow.exactly(sent)
    await fast.send(b"more")
    await slow.expect(b"more")
    assert proxy.ends == []


@pytest.mark.usefixtures("small_buffers")
@pytest.mark.parametrize("from_worker", [True, False])
async def test_whoever_takes_nothing_is_cut(serve: Serve, workers: Hire, from_worker: bool) -> None:
    """However much it sends itself."""
    proxy, client, peer = await narrow_tunnel(serve, workers)
    fast, slow = (peer, client) if from_worker else (client, peer)
    await push(fast)
    for _ in range(4):
        await proxy.pass_time(40)
        if proxy.ends:
            break
        await slow.send(b"I send")
        await fast.expect(b"I send")
    assert proxy.ends == [(101, "client_gone" if from_worker else "timeout")]


async def test_whoever_takes_a_little_is_not_cut(
    serve: Serve, workers: Hire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router.proxy.connection, "WRITE_HIGH", 400_000)
    proxy, client, peer = await narrow_tunnel(serve, workers)
    await push(peer)
    passed = proxy.recorder.begun[0].bytes_out
    for _ in range(3):
        await proxy.pass_time(50)
        await client.exactly(50_000)
        await settle()
    assert proxy.ends == []
    assert proxy.recorder.begun[0].bytes_out == passed, "it was full all the time"


async def test_the_end_waits_for_what_is_still_to_be_sent(serve: Serve, workers: Hire) -> None:
    proxy, client, peer = await narrow_tunnel(serve, workers)
    sent = await push(peer)
    client.finish()
    await peer.ended()
    peer.close()
    await settle()
    assert await client.rest() == bytes(sent)
    assert proxy.ends == [(101, "")]


async def test_a_tunnel_outlives_the_beginning_of_a_drain(proxy: Proxy, worker: Worker) -> None:
    client, peer = await tunnel(proxy, worker)
    proxy.server.pre_shutdown()
    await client.send(b"a")
    await peer.expect(b"a")
    await peer.send(b"b")
    await client.expect(b"b")
    assert len(proxy.server.connections) == 1
    proxy.server.cut()
    assert await client.reset_after() == b""
    assert await peer.reset_after() == b""
    assert proxy.ends == [(101, "drain")]


async def test_a_tunnel_ends_with_the_pool(proxy: Proxy, worker: Worker) -> None:
    client, peer = await tunnel(proxy, worker)
    proxy.pool.close()
    assert await client.reset_after() == b""
    await peer.ended()
    assert proxy.ends == [(101, "aborted")]


async def test_over_a_unix_socket(serve: Serve, workers: Hire, tmp_path: object) -> None:
    worker = workers(f"{tmp_path}/worker")
    proxy = await serve(worker.endpoint, path=f"{tmp_path}/clients", upgrade=("websocket",))
    client, peer = await tunnel(proxy, worker)
    await client.send(b"a")
    client.finish()
    await peer.expect(b"a")
    await peer.ended()
    await peer.send(b"b")
    peer.close()
    await client.expect(b"b")
    await client.ended()
    assert proxy.ends == [(101, "")]


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """The port of a WebSocket server that says everything again, in aiohttp."""

    async def answer_all(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("chat",))
        await socket.prepare(request)
        async for message in socket:
            await socket.send_bytes(message.data)
        return socket

    application = web.Application()
    application.router.add_get("/ws", answer_all)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def test_a_real_websocket(serve: Serve, echo: int) -> None:
    proxy = await serve(tcp(echo), upgrade=("websocket",))
    assert isinstance(proxy.address, tuple)
    url = "http://{}:{}/ws".format(*proxy.address)
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url, protocols=("chat",), compress=15) as socket:
            assert socket.protocol == "chat"
            for size in (0, 1, 125, 126, 65_536, 3_000_000):
                await socket.send_bytes(bytes(size))
                assert await socket.receive_bytes() == bytes(size)
            await socket.ping()
        assert socket.close_code == 1000
        plain = await serve(tcp(echo))
        assert isinstance(plain.address, tuple)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect("http://{}:{}/ws".format(*plain.address))
        assert refused.value.status == 400, "the server's own answer to a request without Upgrade"
    await settle()
    assert proxy.ends == [(101, "")]
