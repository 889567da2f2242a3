"""Requests that wait: for an endpoint to have room, and for one to come up."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from router.proxy.queue import LOOK_AHEAD, PATIENCE, Queues
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
from tests.dialogues import Hire, Serve
from tests.wire import Peer, Proxy, answer, settle
from tests.worker import OK, Worker

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
FEDERATION = b"PUT /_matrix/federation/v1/send/1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"


class Waiting:
    """One that waits, and knows only who it prefers and whether it can go on."""

    def __init__(self, queues: Queues, upstream: str, *, prefers: str = "", needs: str = "") -> None:
        self._queues = queues
        self._upstream = upstream
        self._prefers = prefers
        self.needs = needs
        self.turns: list[str] = []
        self.gone = False
        queues.enter(upstream, self)

    def prefers(self, endpoint: str) -> bool:
        return self._prefers == endpoint

    def on_turn(self, freed: str) -> bool:
        self.turns.append(freed)
        if self.needs not in ("", freed):
            return False
        self.gone = True
        self._queues.leave(self._upstream, self)
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_turns_go_by_arrival_across_queues() -> None:
    clock, order = Clock(), []
    queues = Queues(clock)

    class Noting(Waiting):
        def on_turn(self, freed: str) -> bool:
            order.append(self)
            return super().on_turn(freed)

    arrived = []
    for upstream in ("a", "b", "a", "b"):
        clock.now += 1
        arrived.append(Noting(queues, upstream))
    queues.serve()
    assert order == arrived
    assert queues.waiting == {}


def test_a_queue_that_cannot_go_on_does_not_stop_another() -> None:
    queues = Queues(Clock())
    stuck, behind, other = Waiting(queues, "a", needs="x"), Waiting(queues, "a"), Waiting(queues, "b")
    queues.serve("y")
    assert (stuck.gone, behind.gone, other.gone) == (False, False, True)
    assert behind.turns == [], "nobody overtakes the first of a queue that has no room for it"
    assert (queues.length("a"), queues.length("b")) == (2, 0)
    queues.serve("x")
    assert (stuck.gone, behind.gone) == (True, True)


def test_a_free_endpoint_goes_to_whom_it_was_meant_for() -> None:
    queues = Queues(Clock())
    others = [Waiting(queues, "a", prefers="y", needs="none") for _ in range(LOOK_AHEAD - 1)]
    meant = Waiting(queues, "a", prefers="x")
    queues.serve("x")
    assert meant.gone
    assert [each.turns for each in others[1:]] == [[]] * (len(others) - 1)


def test_nobody_is_looked_for_too_far_behind() -> None:
    queues = Queues(Clock())
    first, *_ = [Waiting(queues, "a", prefers="y", needs="none") for _ in range(LOOK_AHEAD)]
    meant = Waiting(queues, "a", prefers="x")
    queues.serve("x")
    assert not meant.gone
    assert first.turns == ["x"]


def test_nobody_is_passed_over_for_long() -> None:
    clock = Clock()
    queues = Queues(clock)
    first = Waiting(queues, "a", prefers="y")
    clock.now = PATIENCE
    meant = Waiting(queues, "a", prefers="x")
    meant.needs = "nothing more once the first has gone"
    queues.serve("x")
    assert first.gone
    assert not meant.gone


def test_who_has_left_gets_no_turn() -> None:
    queues = Queues(Clock())
    first, second = Waiting(queues, "a"), Waiting(queues, "a")
    queues.leave("a", first)
    assert queues.length("a") == 1
    queues.serve()
    assert (first.turns, second.turns) == ([], [""])


def test_a_turn_that_ends_another_request_gives_one_more() -> None:
    """As a request that is answered at once where it goes: nothing is called again from within."""
    queues = Queues(Clock())
    depth = 0

    class Ending(Waiting):
        def on_turn(self, freed: str) -> bool:
            nonlocal depth
            depth += 1
            assert depth == 1
            went = super().on_turn(freed)
            queues.serve("x")
            depth -= 1
            return went

    ending = [Ending(queues, "a") for _ in range(3)]
    queues.serve("x")
    assert all(each.gone for each in ending)


def test_a_turn_that_raises_does_not_end_all_turns() -> None:
    queues = Queues(Clock())

    class Broken(Waiting):
        def on_turn(self, freed: str) -> bool:
            super().on_turn(freed)
            raise LookupError("broken")

    Broken(queues, "a")
    with pytest.raises(LookupError, match="broken"):
        queues.serve()
    after = Waiting(queues, "a")
    queues.serve()
    assert after.gone


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
    policy = Policy(kind=PolicyKind.CONSISTENT_HASH, key=HashKey(kind="header", name="x-key"))
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
