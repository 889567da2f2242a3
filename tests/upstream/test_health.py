"""Health checks over real sockets: up, down, and up again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import pytest

from router.guard import Guard
from router.settings import Health
from router.table import DnsAddress, Endpoint
from router.upstream.check import Checks
from router.upstream.health import HealthChecker
from tests.dialogues import Hire, Serve
from tests.wire import PatchedPool, Peer, Proxy, answer, settle, tcp
from tests.worker import OK, Worker

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
DEFAULT = Health()


class Watch(Protocol):
    """Makes a checker of these endpoints."""

    def __call__(self, proxy: Proxy, *endpoints: Endpoint, settings: Health = DEFAULT) -> HealthChecker: ...


@pytest.fixture
async def watch() -> AsyncIterator[Watch]:
    made: list[HealthChecker] = []

    def make(proxy: Proxy, *endpoints: Endpoint, settings: Health = DEFAULT) -> HealthChecker:
        made.append(
            HealthChecker(
                endpoints=endpoints,
                settings=settings,
                states=proxy.states,
                pool=proxy.pool,
                checks=Checks(
                    pool=proxy.pool,
                    judge=Guard(proxy.settings.guard).judge_sockaddr,
                    book=proxy.names,
                ),
            )
        )
        return made[-1]

    yield make
    for checker in made:
        await checker.stop()


def answers(text: bytes) -> Callable[[Peer], object]:
    async def behaviour(peer: Peer) -> None:
        await peer.until()
        await peer.send(text)
        await peer.rest()

    return behaviour


async def test_a_connection_is_the_check_where_there_is_no_path(
    serve: Serve, workers: Hire, watch: Watch
) -> None:
    worker = workers()
    proxy = await serve(worker.endpoint)
    checker = watch(proxy, worker.endpoint)
    await checker.check_all()
    assert proxy.states.is_up(worker.endpoint)
    await (await worker.accept()).ended()
    proxy.now += 5
    worker.refuse()
    await checker.check_all()
    state = proxy.states.state(worker.endpoint)
    assert (state.up, state.since, state.checked) == (False, 1005.0, 1005.0)
    ((name, up, reason),) = proxy.changes
    assert (name, up) == (worker.endpoint.name, False)
    assert "refused" in reason
    await checker.check_all()
    assert len(proxy.changes) == 1


async def test_a_worker_that_comes_back_is_up_again(serve: Serve, workers: Hire, watch: Watch) -> None:
    worker = workers()
    port = worker.sock.getsockname()[1]
    proxy = await serve(worker.endpoint)
    checker = watch(proxy, worker.endpoint)
    worker.refuse()
    await checker.check_all()
    refused = await answer(await proxy.ask(GET))
    assert refused.status == 503
    back = Worker(port=port)
    try:
        await checker.check_all()
        await (await back.accept()).ended()
        assert [up for _, up, _ in proxy.changes] == [False], "one check is not enough"
        await checker.check_all()
        assert [up for _, up, _ in proxy.changes] == [False, True]
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
    proxy: Proxy, worker: Worker, watch: Watch, text: bytes, up: bool
) -> None:
    worker.behave(answers(text))  # type: ignore[arg-type] # a coroutine function
    await watch(proxy, worker.endpoint, settings=Health(path="/health")).check_all()
    assert proxy.states.is_up(worker.endpoint) is up
    assert proxy.pool._open == set(), "the connection of a check is nobody else's"


async def test_a_worker_that_is_late_three_times_in_a_row_is_down(
    proxy: Proxy, worker: Worker, watch: Watch
) -> None:
    checker = watch(proxy, worker.endpoint, settings=Health(path="/health", timeout=0.05))
    for _ in range(2):
        await checker.check_all()
        await (await worker.asked()).ended()
    assert proxy.changes == [], "it may only be busy"
    await checker.check_all()
    assert [reason for _, _, reason in proxy.changes] == [f"{worker.endpoint.name}: no answer within 0.05 s"]
    await (await worker.asked()).ended()


async def test_an_answer_in_between_begins_the_count_anew(serve: Serve, workers: Hire, watch: Watch) -> None:
    worker = workers()
    proxy = await serve(worker.endpoint)
    checker = watch(proxy, worker.endpoint, settings=Health(path="/health", timeout=0.3))
    for late in (True, True, False, True, True):
        asked = asyncio.create_task(checker.check_all())
        peer = await worker.asked()
        if not late:
            await peer.send(OK)
        await asked
        await peer.ended()
    assert proxy.changes == []


async def test_a_request_under_way_is_a_check_of_an_endpoint_that_is_up(
    proxy: Proxy, worker: Worker, watch: Watch
) -> None:
    checker = watch(proxy, worker.endpoint)
    await proxy.ask(GET)
    await worker.asked()
    await checker.check_all()
    await worker.lonely()
    assert proxy.states.is_up(worker.endpoint)


async def test_an_endpoint_that_refuses_is_not_up_for_an_old_connection(
    proxy: Proxy, worker: Worker, watch: Watch
) -> None:
    """A worker that ends serves what it has begun, and takes nothing new."""
    checker = watch(proxy, worker.endpoint)
    await proxy.ask(GET)
    await worker.asked()
    worker.refuse()
    assert (await answer(await proxy.ask(GET))).status == 502
    assert proxy.changes == []
    await checker.check_all()
    assert not proxy.states.is_up(worker.endpoint)
    assert (await answer(await proxy.ask(GET))).status == 503


async def test_one_address_is_asked_once(proxy: Proxy, worker: Worker, watch: Watch) -> None:
    again = tcp(worker.sock.getsockname()[1], weight=2)
    await watch(proxy, worker.endpoint, again).check_all()
    await worker.accept()
    await worker.lonely()


async def test_endpoints_are_asked_again_and_again(proxy: Proxy, worker: Worker, watch: Watch) -> None:
    checker = watch(proxy, worker.endpoint, settings=Health(interval=0.01))
    checker.start()
    for _ in range(3):
        await (await worker.accept()).ended()
    await checker.stop()
    await worker.lonely()


def test_intervals_differ_by_chance_and_are_short_for_who_is_not_up() -> None:
    chances = iter([0.0, 1.0, 0.5])
    checker = HealthChecker(
        endpoints=(),
        settings=Health(interval=5.0, jitter=0.4),
        chance=lambda: next(chances),
        **dict.fromkeys(("states", "pool", "checks")),  # type: ignore[arg-type] # not used
    )
    assert [checker._interval(up=up) for up in (True, True, False)] == [5.0, 5.4, 1.2]


async def test_the_first_answer_counts_at_once_and_lateness_does_not(
    serve: Serve, workers: Hire, watch: Watch
) -> None:
    broken, late = workers(), workers()
    broken.behave(answers(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"))  # type: ignore[arg-type] # a coroutine function
    proxy = await serve(broken.endpoint, late.endpoint)
    checker = watch(proxy, broken.endpoint, late.endpoint, settings=Health(path="/health", timeout=0.2))
    await checker.check_all()
    assert [name for name, _, _ in proxy.changes] == [broken.endpoint.name]
    await (await late.asked()).ended()


async def test_who_comes_is_asked_at_once_and_who_goes_no_more(
    serve: Serve, workers: Hire, watch: Watch
) -> None:
    stays, goes, comes = workers(), workers(), workers()
    proxy = await serve(stays.endpoint)
    checker = watch(proxy, stays.endpoint, goes.endpoint, settings=Health(interval=3600))
    checker.start()
    task = (checker._tasks or {})[stays.endpoint.name]
    checker.watch([stays.endpoint, comes.endpoint, Endpoint(address=DnsAddress(name="x", port=8008))])
    await (await comes.accept()).ended()
    assert checker._tasks is not None
    assert checker._tasks.keys() == {stays.endpoint.name, comes.endpoint.name}
    assert checker._tasks[stays.endpoint.name] is task
    checker.watch([stays.endpoint, comes.endpoint])
    await goes.lonely()
    await comes.lonely()
    await stays.lonely()


async def test_a_change_before_the_start_is_taken_up_by_it(serve: Serve, workers: Hire, watch: Watch) -> None:
    before, after = workers(), workers()
    proxy = await serve(before.endpoint)
    checker = watch(proxy, before.endpoint)
    checker.watch([after.endpoint])
    await checker.check_all()
    await (await after.accept()).ended()
    await before.lonely()


async def test_a_connection_to_where_the_endpoint_was_is_no_check(
    proxy: Proxy, worker: Worker, watch: Watch
) -> None:
    await proxy.ask(GET)
    await worker.asked()
    proxy.pool.drop_outdated({})
    worker.refuse()
    await watch(proxy, worker.endpoint).check_all()
    assert not proxy.states.is_up(worker.endpoint)


async def test_a_check_that_cannot_connect_in_time_is_given_up(
    proxy: Proxy, worker: Worker, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(PatchedPool, "_open_connection", never)
    checker = watch(proxy, worker.endpoint, settings=Health(timeout=0.01))
    for _ in range(DEFAULT.fall):
        await checker.check_all()
    await settle()
    assert not proxy.states.is_up(worker.endpoint)
    assert proxy.pool._connecting == set()
