"""Requests that wait, on the wire: for an endpoint to have room, and for one to come up."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from router.errors import ConnectFailed
from router.proxy.queue import PATIENCE
from router.request import RequestHead
from router.settings import Limits, Settings, Timeouts
from router.table import (
    Endpoint,
    HashKey,
    Pattern,
    Policy,
    PolicyKind,
    Route,
    RouteTable,
    Upstream,
)
from router.upstream.pool import ConnectWaiter
from tests.dialogues import Hire, Serve
from tests.wire import PatchedPool, Peer, Proxy, answer, settle
from tests.worker import OK, Worker

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
FEDERATION = b"PUT /_matrix/federation/v1/send/1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"


def bounded(worker: Worker, most: int = 1) -> Endpoint:
    return replace(worker.endpoint, max_requests=most)


async def busy(proxy: Proxy, worker: Worker, sent: bytes = GET) -> tuple[Peer, Peer]:
    """A client whose request the worker has."""
    client = await proxy.ask(sent)
    return client, await worker.asked()


def waiting(proxy: Proxy) -> int:
    return proxy.context.queues.length("main")


async def test_a_full_endpoint_gets_the_next_request_once_it_has_room(serve: Serve, worker: Worker) -> None:
    proxy = await serve(bounded(worker))
    first, peer = await busy(proxy, worker)
    others = []
    for number in range(3):
        others.append(await proxy.ask(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % number))
        await settle()
    assert waiting(proxy) == 3
    await worker.lonely()
    await peer.silent()
    assert proxy.in_flight == {worker.endpoint.name: 1}
    await peer.send(OK)
    await first.expect(OK)
    for number, client in enumerate(others):
        assert (await peer.until()).startswith(b"GET /%d " % number)
        assert waiting(proxy) == 2 - number
        await peer.silent()
        await peer.send(OK)
        await client.expect(OK)
    assert proxy.ends == [(200, "")] * 4


async def test_who_is_connecting_counts_too(serve: Serve, worker: Worker) -> None:
    proxy = await serve(bounded(worker, 2))
    clients = [await proxy.connect() for _ in range(5)]
    for client in clients:
        client.send_some(GET)
    await settle()
    assert waiting(proxy) == 3
    assert proxy.in_flight == {worker.endpoint.name: 2}
    for _ in range(2):
        await worker.accept()
    await worker.lonely()


async def test_who_leaves_while_connecting_makes_room_at_once(
    serve: Serve, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = await serve(bounded(worker))
    first, second = await proxy.connect(), await proxy.connect()
    with monkeypatch.context() as patched:
        patched.setattr(PatchedPool, "connect", lambda *_: asyncio.ensure_future(asyncio.Event().wait()))
        await first.send(GET)
        await settle()
    await second.send(GET)
    await settle()
    assert waiting(proxy) == 1
    first.close()
    await settle()
    assert waiting(proxy) == 0
    await (await worker.asked()).send(OK)
    await second.expect(OK)


async def test_a_connect_that_fails_makes_room_at_once(
    serve: Serve, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = await serve(bounded(worker))
    waiters: list[ConnectWaiter] = []
    connecting: list[asyncio.Task[Any]] = []  # the test ends it: the pool's own would have ended by itself

    def never(_: PatchedPool, __: Endpoint, waiter: ConnectWaiter) -> asyncio.Task[Any]:
        waiters.append(waiter)
        connecting.append(asyncio.ensure_future(asyncio.Event().wait()))
        return connecting[-1]

    first, second = await proxy.connect(), await proxy.connect()
    with monkeypatch.context() as patched:
        patched.setattr(PatchedPool, "connect", never)
        await first.send(GET)
        await settle()
    await second.send(GET)
    await settle()
    assert waiting(proxy) == 1
    waiters[0].on_connect_failed(ConnectFailed("refused"))
    await settle()
    assert waiting(proxy) == 0
    await (await worker.asked()).send(OK)
    await second.expect(OK)
    assert b" 502 " in await first.until()
    connecting[0].cancel()
    await settle()


async def test_another_endpoint_with_room_is_taken_first(serve: Serve, workers: Hire) -> None:
    full, free = workers(), workers()
    table = hashed(bounded(full), bounded(free))
    proxy = await serve(table=table)
    client = await proxy.ask(asking(proxy, full))
    await full.asked()
    other = await proxy.ask(asking(proxy, full))
    await (await free.asked()).send(OK)
    await other.expect(OK)
    await client.silent()


def hashed(*endpoints: Endpoint) -> RouteTable:
    policy = Policy(kind=PolicyKind.CONSISTENT_HASH, keys=(HashKey(kind="header", name="x-key"),))
    return RouteTable(
        routes=(Route(name="all", pattern=Pattern(text="^/"), upstream="main"),),
        upstreams={"main": Upstream(name="main", endpoints=endpoints, policy=policy)},
    )


def asking(proxy: Proxy, worker: Worker, target: bytes = b"/a") -> bytes:
    """A request whose key leads to that worker first."""
    balancer = proxy.context.snapshot.balancers["main"]
    for number in range(100):
        head = RequestHead(method="GET", target=target, headers=[(b"x-key", b"%d" % number)])
        candidates, _, _ = balancer.choose(head, proxy.states)
        if candidates[0].name == worker.endpoint.name:
            return b"GET %b HTTP/1.1\r\nHost: h\r\nX-Key: %d\r\n\r\n" % (target, number)
    raise AssertionError("no key leads there")


async def test_a_hash_is_kept_to_where_it_can_be(serve: Serve, workers: Hire) -> None:
    one, other = workers(), workers()
    proxy = await serve(table=hashed(bounded(one), bounded(other)))
    client, peer = await busy(proxy, one, asking(proxy, one))
    await busy(proxy, other, asking(proxy, other))
    for target in (b"/for-other", b"/for-one"):
        await proxy.ask(asking(proxy, other if target == b"/for-other" else one, target))
        await settle()
    assert waiting(proxy) == 2
    await peer.send(OK)
    await client.expect(OK)
    assert (await peer.until()).startswith(b"GET /for-one ")
    proxy.now += PATIENCE
    await peer.send(OK)
    assert (await peer.until()).startswith(b"GET /for-other "), "better there than waiting on"


async def test_a_full_queue_is_told(serve: Serve, worker: Worker) -> None:
    proxy = await serve(bounded(worker), settings=Settings(limits=Limits(queue=1)))
    await busy(proxy, worker)
    await proxy.ask(GET)
    await settle()
    late = await proxy.ask(GET)
    told = await answer(late)
    assert told.status == 429
    assert told.headers["retry-after"] == "5"
    assert told.headers["access-control-allow-origin"] == "*"
    said = json.loads(told.body)
    assert (said["errcode"], said["retry_after_ms"]) == ("M_LIMIT_EXCEEDED", 5000)
    server = await proxy.ask(FEDERATION)
    assert (await answer(server)).status == 503, "another homeserver takes a 429 no better"
    assert proxy.ends == [(429, "overload"), (503, "overload")]
    await late.send(GET)
    assert (await answer(late)).status == 429, "its connection goes on"


@pytest.mark.parametrize("upstream", [{}, {"queue_timeout": 3.0}])
async def test_waiting_has_its_time(serve: Serve, worker: Worker, upstream: dict[str, Any]) -> None:
    limit = upstream.get("queue_timeout", 7.0)
    table = RouteTable(
        routes=(Route(name="all", pattern=Pattern(text="^/"), upstream="main"),),
        upstreams={"main": Upstream(name="main", endpoints=(bounded(worker),), **upstream)},
    )
    proxy = await serve(table=table, settings=Settings(timeouts=Timeouts(queue=7)))
    await busy(proxy, worker)
    late = await proxy.ask(GET)
    await proxy.pass_time(limit - 1)
    await late.silent()
    await proxy.pass_time(2)
    told = await answer(late)
    assert told.status == 503
    assert told.headers["retry-after"] == "5"
    assert proxy.ends == [(503, "queue_timeout")]
    assert waiting(proxy) == 0


async def test_an_upstream_may_have_no_queue(serve: Serve, worker: Worker) -> None:
    table = RouteTable(
        routes=(Route(name="all", pattern=Pattern(text="^/"), upstream="main"),),
        upstreams={"main": Upstream(name="main", endpoints=(bounded(worker),), queue_size=0)},
    )
    proxy = await serve(table=table)
    await busy(proxy, worker)
    assert (await answer(await proxy.ask(GET))).status == 429


async def test_who_leaves_waits_no_more(serve: Serve, worker: Worker) -> None:
    proxy = await serve(bounded(worker))
    client, peer = await busy(proxy, worker)
    leaving, staying = await proxy.ask(GET), await proxy.ask(GET.replace(b"/a", b"/b"))
    await settle()
    leaving.close()
    await settle()
    assert waiting(proxy) == 1
    assert proxy.ends == [(499, "client_gone")]
    await peer.send(OK)
    await client.expect(OK)
    assert (await peer.until()).startswith(b"GET /b ")
    await peer.send(OK)
    await staying.expect(OK)


async def test_little_of_a_body_is_held_meanwhile(serve: Serve, worker: Worker) -> None:
    proxy = await serve(bounded(worker))
    client, peer = await busy(proxy, worker)
    body = bytes(range(256)) * 20_000
    uploading = await proxy.ask(b"PUT /b HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body))
    sent = 0
    while some := uploading.send_some(body[sent : sent + 1_000_000]):
        sent += some
        await settle()
    assert sent < len(body)
    assert 0 < proxy.recorder.begun[-1].bytes_in <= 65_536 + 256_000
    await peer.send(OK)
    await client.expect(OK)
    await peer.until()
    got = 0
    while got < len(body):
        got += len(await peer.exactly(min(len(body) - got, 50_000)))
        sent += uploading.send_some(body[sent : sent + 1_000_000])
    await peer.send(OK)
    await uploading.expect(OK)


async def test_a_worker_that_is_killed_makes_room(serve: Serve, workers: Hire) -> None:
    worker = workers()
    proxy = await serve(bounded(worker))
    client, peer = await busy(proxy, worker, GET.replace(b"GET", b"POST"))
    other = await proxy.ask(GET)
    await settle()
    peer.reset()
    assert (await answer(client)).status == 502
    await (await worker.asked()).send(OK)
    await other.expect(OK)


async def test_an_endpoint_that_two_upstreams_have_serves_both_queues(serve: Serve, worker: Worker) -> None:
    endpoint = bounded(worker)
    table = RouteTable(
        routes=(
            Route(name="x", pattern=Pattern(text="^/x"), upstream="x"),
            Route(name="all", pattern=Pattern(text="^/"), upstream="main"),
        ),
        upstreams={name: Upstream(name=name, endpoints=(endpoint,)) for name in ("main", "x")},
    )
    proxy = await serve(table=table)
    _, peer = await busy(proxy, worker)
    for target in (b"/x1", b"/a2", b"/x3"):
        await proxy.ask(GET.replace(b"/a", target))
        await settle()
        proxy.now += 0.1
    for target in (b"/x1", b"/a2", b"/x3"):
        await peer.send(OK)
        assert (await peer.until()).startswith(b"GET %b " % target)


async def wait_for(serve: Serve, worker: Worker, **route: Any) -> Proxy:
    """A proxy whose only endpoint is known to be down."""
    proxy = await serve(worker.endpoint, **route)
    proxy.states.mark_down(worker.endpoint, "restarting")
    return proxy


async def test_a_request_may_wait_for_a_worker(serve: Serve, worker: Worker) -> None:
    proxy = await wait_for(serve, worker, wait_for_worker=15.0)
    client = await proxy.ask(FEDERATION)
    await proxy.pass_time(10)
    await client.silent()
    assert waiting(proxy) == 1
    proxy.states.mark_up(worker.endpoint)
    peer = await worker.asked()
    await peer.expect(b"{}")
    await peer.send(OK)
    await client.expect(OK)
    assert proxy.ends == [(200, "")]


async def test_it_does_not_wait_for_ever(serve: Serve, worker: Worker) -> None:
    proxy = await wait_for(serve, worker, wait_for_worker=15.0)
    client = await proxy.ask(FEDERATION)
    await proxy.pass_time(14)
    await client.silent()
    await proxy.pass_time(2)
    assert (await answer(client)).status == 503
    assert proxy.ends == [(503, "no_endpoint")]


async def test_others_do_not_wait(serve: Serve, worker: Worker) -> None:
    proxy = await wait_for(serve, worker)
    assert (await answer(await proxy.ask(GET))).status == 503
    assert proxy.ends == [(503, "no_endpoint")]


async def test_who_finds_out_waits_too_and_another_candidate_comes_first(serve: Serve, workers: Hire) -> None:
    gone, there = workers(), workers()
    port = gone.sock.getsockname()[1]
    gone.refuse()
    proxy = await serve(gone.endpoint, there.endpoint, wait_for_worker=15.0)
    client = await proxy.ask(FEDERATION)
    await (await there.asked()).send(OK)
    await client.expect(OK)
    there.peers[-1].close()
    there.refuse()
    await settle()
    await client.send(FEDERATION)
    await proxy.pass_time(5)
    await client.silent()
    assert waiting(proxy) == 1
    back = Worker(port=port)
    proxy.states.mark_up(gone.endpoint)
    try:
        await (await back.asked()).send(OK)
        await client.expect(OK)
    finally:
        await back.stop()


async def test_who_comes_up_and_still_refuses_is_waited_for(serve: Serve, worker: Worker) -> None:
    """Its time runs from when it first waited."""
    worker.refuse()
    proxy = await serve(worker.endpoint, wait_for_worker=15.0)
    client = await proxy.ask(FEDERATION)
    for _ in range(3):
        await proxy.pass_time(4)
        await client.silent()
        proxy.states.mark_up(worker.endpoint)
        await settle()
    await proxy.pass_time(4)
    assert (await answer(client)).status == 503
    assert [exchange.attempts for exchange in proxy.recorder.ended] == [4]


async def test_a_request_that_was_lost_waits_once(serve: Serve, workers: Hire) -> None:
    """One that ends workers must not end each that comes back."""
    worker = workers()
    proxy = await serve(worker.endpoint, wait_for_worker=15.0)
    client, peer = await busy(proxy, worker, FEDERATION)
    await peer.send(OK)
    await client.expect(OK)
    await client.send(FEDERATION)
    await peer.until()
    port = worker.sock.getsockname()[1]
    worker.refuse()
    peer.reset()
    await proxy.pass_time(2)
    await client.silent()
    back = Worker(port=port)
    await proxy.pass_time(1)
    try:
        (await back.asked()).reset()
        told = await answer(client)
        assert told.status == 502
        await back.lonely()
    finally:
        await back.stop()


async def test_a_full_queue_of_those_who_wait_for_a_worker(serve: Serve, worker: Worker) -> None:
    proxy = await wait_for(serve, worker, wait_for_worker=15.0, settings=Settings(limits=Limits(queue=1)))
    await proxy.ask(FEDERATION)
    await settle()
    assert (await answer(await proxy.ask(FEDERATION))).status == 503
    assert proxy.ends == [(503, "overload")]


async def test_stopping_ends_those_who_wait(serve: Serve, worker: Worker) -> None:
    proxy = await serve(bounded(worker))
    await busy(proxy, worker)
    client = await proxy.ask(GET)
    await settle()
    proxy.server.pre_shutdown()
    await proxy.server.shutdown(0.01)
    assert await client.reset_after() == b""
    assert waiting(proxy) == 0
    assert proxy.ends == [(503, "drain")] * 2
