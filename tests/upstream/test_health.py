"""Health checks over real sockets: up, down, and up again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from router.settings import Health
from router.table import Endpoint
from router.upstream.health import HealthChecker
from tests.dialogues import Hire, Serve
from tests.wire import Peer, Proxy, answer, tcp
from tests.worker import OK, Worker

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
ASKS = b"GET /health HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n"


class Watch:
    """A checker, and what it has said."""

    def __init__(self, proxy: Proxy, endpoints: tuple[Endpoint, ...], settings: Health) -> None:
        self.said: list[tuple[str, bool, str]] = []
        self.checker = HealthChecker(
            endpoints=endpoints,
            settings=settings,
            states=proxy.states,
            pool=proxy.pool,
            on_change=lambda endpoint, up, reason: self.said.append((endpoint.name, up, reason)),
        )


Watching = Callable[..., Watch]


@pytest.fixture
async def watch() -> AsyncIterator[Watching]:
    made: list[Watch] = []

    def make(proxy: Proxy, *endpoints: Endpoint, **settings: float | str) -> Watch:
        made.append(Watch(proxy, endpoints, Health(**settings)))  # type: ignore[arg-type] # as written
        return made[-1]

    yield make
    for each in made:
        await each.checker.stop()


def answers(text: bytes) -> Callable[[Peer], object]:
    async def behaviour(peer: Peer) -> None:
        await peer.until()
        await peer.send(text)
        await peer.rest()

    return behaviour


async def test_a_connection_is_the_check_where_there_is_no_path(
    serve: Serve, workers: Hire, watch: Watching
) -> None:
    worker = workers()
    proxy = await serve(worker.endpoint)
    watching = watch(proxy, worker.endpoint)
    await watching.checker.check_all()
    assert proxy.states.is_up(worker.endpoint)
    await (await worker.accept()).ended()
    proxy.now += 5
    worker.refuse()
    await watching.checker.check_all()
    state = proxy.states.state(worker.endpoint)
    assert (state.up, state.since, state.checked) == (False, 1005.0, 1005.0)
    ((name, up, reason),) = watching.said
    assert (name, up) == (worker.endpoint.name, False)
    assert "refused" in reason
    await watching.checker.check_all()
    assert len(watching.said) == 1


async def test_a_worker_that_comes_back_is_up_again(serve: Serve, workers: Hire, watch: Watching) -> None:
    worker = workers()
    port = worker.sock.getsockname()[1]
    proxy = await serve(worker.endpoint)
    watching = watch(proxy, worker.endpoint)
    worker.refuse()
    await watching.checker.check_all()
    refused = await answer(await proxy.ask(GET))
    assert refused.status == 503
    back = Worker(port=port)
    try:
        await watching.checker.check_all()
        assert [up for _, up, _ in watching.said] == [False, True]
        client = await proxy.ask(GET)
        await (await back.accept()).ended()
        peer = await back.asked()
        await peer.send(OK)
        await client.expect(OK)
    finally:
        await back.stop()


@pytest.mark.parametrize(
    ("text", "up"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", True),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", False),
        (b"garbage\r\n\r\n", False),
    ],
)
async def test_a_path_must_answer_2xx(
    proxy: Proxy, worker: Worker, watch: Watching, text: bytes, up: bool
) -> None:
    worker.behave(answers(text))  # type: ignore[arg-type] # a coroutine function
    await watch(proxy, worker.endpoint, path="/health").checker.check_all()
    assert proxy.states.is_up(worker.endpoint) is up
    assert proxy.pool._open == set(), "the connection of a check is nobody else's"


async def test_what_is_asked(proxy: Proxy, worker: Worker, watch: Watching) -> None:
    checking = asyncio.create_task(watch(proxy, worker.endpoint, path="/health").checker.check_all())
    peer = await worker.accept()
    await peer.expect(ASKS % worker.endpoint.name.encode())
    await peer.send(OK)
    await checking
    await peer.ended()


async def test_a_worker_that_does_not_answer_in_time_is_down(
    proxy: Proxy, worker: Worker, watch: Watching
) -> None:
    watching = watch(proxy, worker.endpoint, path="/health", timeout=0.05)
    await watching.checker.check_all()
    assert [reason for _, _, reason in watching.said] == [f"{worker.endpoint.name}: no answer within 0.05 s"]
    await (await worker.asked()).ended()


async def test_a_request_under_way_is_a_check_of_an_endpoint_that_is_up(
    proxy: Proxy, worker: Worker, watch: Watching
) -> None:
    watching = watch(proxy, worker.endpoint)
    await proxy.ask(GET)
    await worker.asked()
    await watching.checker.check_all()
    await worker.lonely()
    assert proxy.states.is_up(worker.endpoint)


async def test_an_endpoint_that_refuses_is_not_up_for_an_old_connection(
    proxy: Proxy, worker: Worker, watch: Watching
) -> None:
    """A worker that ends serves what it has begun, and takes nothing new."""
    watching = watch(proxy, worker.endpoint)
    await proxy.ask(GET)
    await worker.asked()
    worker.refuse()
    assert (await answer(await proxy.ask(GET))).status == 502
    await watching.checker.check_all()
    assert not proxy.states.is_up(worker.endpoint)
    assert (await answer(await proxy.ask(GET))).status == 503


async def test_one_address_is_asked_once(proxy: Proxy, worker: Worker, watch: Watching) -> None:
    again = tcp(worker.sock.getsockname()[1], weight=2)
    await watch(proxy, worker.endpoint, again).checker.check_all()
    await worker.accept()
    await worker.lonely()


async def test_endpoints_are_asked_again_and_again(proxy: Proxy, worker: Worker, watch: Watching) -> None:
    watching = watch(proxy, worker.endpoint, interval=0.01)
    watching.checker.start()
    for _ in range(3):
        await (await worker.accept()).ended()
    await watching.checker.stop()
    await worker.lonely()
