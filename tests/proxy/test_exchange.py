"""One request from its head to its end: where it is tried, who is given up, and what the client is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from router.settings import Limits, Settings, Timeouts
from router.table import Endpoint, Pattern, Refusal, Route, RouteTable, Upstream
from router.upstream.connection import UpstreamConnection
from tests.dialogues import Hire, Serve
from tests.wire import PatchedPool, Peer, Proxy, answer, settle
from tests.worker import OK, Worker

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
FORWARDED = b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CLOSING = b"\r\nConnection: close\r\n\r\n"


def sending(method: bytes, body: bytes) -> bytes:
    return b"%b /a HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b" % (method, len(body), body)


async def kept_alive(proxy: Proxy, worker: Worker) -> tuple[Peer, Peer]:
    """A client and a worker's connection that have had one exchange."""
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(OK)
    await client.expect(OK)
    return client, peer


async def test_the_record_of_an_exchange(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(sending(b"POST", b"hello"))
    peer = await worker.asked()
    assert proxy.in_flight == {worker.endpoint.name: 1}
    proxy.now += 2
    await peer.send(OK[:-1])
    await client.until()
    proxy.now += 3
    await peer.send(OK[-1:])
    await client.expect(b"ok")
    (exchange,) = proxy.recorder.ended
    assert exchange.line == b"POST /a HTTP/1.1"
    assert exchange.client == "127.0.0.1"
    assert (exchange.status, exchange.reason) == (200, "")
    assert (exchange.bytes_in, exchange.bytes_out) == (5, 2)
    assert (exchange.started, exchange.first_byte, exchange.ended) == (1000.0, 1002.0, 1005.0)
    assert (exchange.endpoint, exchange.attempts) == (worker.endpoint, 1)
    assert proxy.in_flight == {}


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        (b"GET /%41?x=%zz& HTTP/1.1|Host: H.example:84", b"GET /%41?x=%zz& HTTP/1.1|Host: H.example:84"),
        (b"GET /a? HTTP/1.1|Host: h", b"GET /a? HTTP/1.1|Host: h"),
        (b"GET http://h/a?b HTTP/1.1|Host: h", b"GET /a?b HTTP/1.1|Host: h"),
        (b"GET HTTPS://H:80 HTTP/1.1|Host: h:80", b"GET / HTTP/1.1|Host: h:80"),
        (b"OPTIONS /a HTTP/1.1|Host: h|Origin: o", b"OPTIONS /a HTTP/1.1|Host: h|Origin: o"),
        (b"GET /a HTTP/1.1|Host: h|Connection: Upgrade|Upgrade: websocket", b"GET /a HTTP/1.1|Host: h"),
        (b"GET /a HTTP/1.1|Host: h|Connection: Upgrade, HTTP2-Settings|Upgrade: h2c|HTTP2-Settings: A",
         b"GET /a HTTP/1.1|Host: h"),
        (b"GET /a HTTP/1.1|Host: h|X: caf\xe9", b"GET /a HTTP/1.1|Host: h|X: caf\xe9"),
        (b"GET /a HTTP/1.1|host:h|X_Forwarded-For: 1.1.1.1|Forwarded: for=1.1", b"GET /a HTTP/1.1|host:h"),
    ],
)  # fmt: skip
async def test_what_the_worker_gets(proxy: Proxy, worker: Worker, sent: bytes, got: bytes) -> None:
    client = await proxy.ask(sent.replace(b"|", b"\r\n") + b"\r\n\r\n")
    host = next(
        line.partition(b":")[2].strip() for line in got.split(b"|") if line.lower().startswith(b"host:")
    )
    peer = await worker.accept()
    await peer.expect(got.replace(b"|", b"\r\n") + b"\r\n" + FORWARDED.replace(b"Host: h", b"Host: " + host))
    await peer.send(OK)
    await client.expect(OK)


async def test_a_refused_connection_leads_to_the_next_candidate(serve: Serve, workers: Hire) -> None:
    gone, there = workers(), workers()
    gone.refuse()
    proxy = await serve(gone.endpoint, there.endpoint)
    client = await proxy.ask(sending(b"POST", b"once"))
    peer = await there.asked()
    await peer.expect(b"once")
    await peer.send(OK)
    await client.expect(OK)
    assert not proxy.states.is_up(gone.endpoint)
    (exchange,) = proxy.recorder.ended
    assert (exchange.attempts, exchange.endpoint) == (2, there.endpoint)


async def test_nobody_to_connect_to(serve: Serve, workers: Hire) -> None:
    one, other = workers(), workers()
    one.refuse()
    other.refuse()
    proxy = await serve(one.endpoint, other.endpoint)
    client = await proxy.ask(GET)
    refused = await answer(client)
    assert (refused.status, "retry-after" in refused.headers) == (502, False)
    for endpoint in (one.endpoint, other.endpoint):
        assert endpoint.name.encode() not in refused.body, "a client is never told of a worker"

    await client.send(GET)
    refused = await answer(client)
    assert refused.status == 503
    said = json.loads(refused.body)
    assert (said["errcode"], said["retry_after_ms"]) == ("M_UNKNOWN", 5000)
    assert refused.headers["retry-after"] == "5"
    assert refused.headers["access-control-allow-origin"] == "*"
    assert proxy.ends == [(502, "connect_failed"), (503, "no_endpoint")]
    assert [exchange.attempts for exchange in proxy.recorder.ended] == [2, 0]

    await client.send(b"HEAD" + GET[3:])
    head = await client.until()
    assert head.startswith(b"HTTP/1.1 503 ")
    await client.silent()


@pytest.mark.parametrize(
    ("request_", "again"),
    [
        (GET, True),
        (b"HEAD" + GET[3:], True),
        (b"DELETE" + GET[3:], True),
        (sending(b"PUT", b"body at hand"), True),
        (sending(b"PUT", b"a" * 60_000), True),
        (b"PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", True),
        (sending(b"PUT", b"a" * 70_000), False),
        (sending(b"POST", b"never twice"), False),
        (b"POST" + GET[3:], False),
        (b"PATCH" + GET[3:], False),
    ],
)
@pytest.mark.parametrize("lose", [Peer.close, Peer.reset])
async def test_a_request_lost_on_a_kept_alive_connection(
    proxy: Proxy, worker: Worker, request_: bytes, again: bool, lose: Callable[[Peer], None]
) -> None:
    client, peer = await kept_alive(proxy, worker)
    await client.send(request_)
    sent = await peer.exactly(len(request_) + len(FORWARDED) - 2)
    lose(peer)
    if again:
        fresh = await worker.accept()
        await fresh.expect(sent)
        await fresh.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        await client.expect(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert proxy.recorder.ended[-1].attempts == 2
    else:
        assert (await answer(client)).status == 502
        assert proxy.ends[-1] == (502, "aborted")
        await worker.lonely()


async def test_half_a_body_is_sent_again_and_then_the_other_half(proxy: Proxy, worker: Worker) -> None:
    client, peer = await kept_alive(proxy, worker)
    whole = sending(b"PUT", b"0123456789")
    await client.send(whole[:-5])
    sent = await peer.exactly(len(whole) + len(FORWARDED) - 7)
    peer.close()
    fresh = await worker.accept()
    await fresh.expect(sent)
    await client.send(whole[-5:])
    await fresh.expect(b"56789")
    await fresh.send(OK)
    await client.expect(OK)
    (_, exchange) = proxy.recorder.ended
    assert (exchange.attempts, exchange.bytes_in) == (2, 10)


@pytest.mark.parametrize("survives", [True, False])
async def test_a_worker_that_also_loses_a_new_connection_is_left(
    serve: Serve, workers: Hire, survives: bool
) -> None:
    """A worker that is killed may still accept: the kernel closes its sockets one after another."""
    staff = [workers() for _ in range(3)]
    proxy = await serve(*(worker.endpoint for worker in staff))
    (client, killed), (_, stale), (_, third) = [await kept_alive(proxy, worker) for worker in staff]
    await client.send(GET)
    await killed.until()
    killed.reset()
    (await staff[0].asked()).reset()
    second = await staff[1].asked()
    await stale.silent()
    if survives:
        await second.send(OK)
        await client.expect(OK)
    else:
        second.reset()
        assert (await answer(client)).status == 502
    await third.silent()
    exchange = proxy.recorder.ended[-1]
    assert (exchange.attempts, exchange.endpoint) == (3, staff[1].endpoint)


async def test_a_request_lost_by_an_only_worker_is_sent_to_it_twice(proxy: Proxy, worker: Worker) -> None:
    client, peer = await kept_alive(proxy, worker)
    await client.send(GET)
    await peer.until()
    peer.close()
    (await worker.asked()).close()
    assert (await answer(client)).status == 502
    await worker.lonely()
    assert proxy.recorder.ended[-1].attempts == 2


async def test_a_request_is_sent_to_two_workers_at_most(serve: Serve, workers: Hire) -> None:
    """However many candidates there are: a request that ends workers must not end all of them."""
    staff = [workers() for _ in range(3)]
    proxy = await serve(*(worker.endpoint for worker in staff))
    client = await proxy.ask(GET)
    (await staff[0].asked()).close()
    (await staff[1].asked()).close()
    assert (await answer(client)).status == 502
    await staff[2].lonely()
    assert proxy.recorder.ended[0].attempts == 2


async def test_a_request_is_not_sent_again_once_an_answer_has_begun(proxy: Proxy, worker: Worker) -> None:
    client, peer = await kept_alive(proxy, worker)
    await client.send(GET)
    await peer.until()
    await peer.send(b"HTTP/1.1 2")
    await settle()
    peer.close()
    assert (await answer(client)).status == 502
    await worker.lonely()


@pytest.mark.parametrize(("method", "status"), [(b"GET", 200), (b"POST", 502)])
async def test_a_new_connection_that_dies_leads_to_the_next_candidate(
    serve: Serve, workers: Hire, method: bytes, status: int
) -> None:
    one, other = workers(), workers()
    proxy = await serve(one.endpoint, other.endpoint)
    client = await proxy.ask(method + GET[3:])
    (await one.asked()).close()
    if status == 200:
        await (await other.asked()).send(OK)
    assert (await answer(client)).status == status
    assert not proxy.states.is_up(one.endpoint)


async def test_candidates_take_turns(serve: Serve, workers: Hire) -> None:
    one, other = workers(), workers()
    proxy = await serve(one.endpoint, other.endpoint)
    client = await proxy.connect()
    peers: dict[int, Peer] = {}
    for turn in range(4):
        await client.send(GET)
        place = turn % 2
        if turn < 2:
            peers[place] = await (one, other)[place].accept()
        await peers[place].until()
        await peers[place].send(OK)
        await client.expect(OK)


@pytest.fixture
def dead_end(monkeypatch: pytest.MonkeyPatch) -> Callable[[Endpoint], None]:
    """Makes connecting to an endpoint last for ever, as where packets are dropped."""
    ends: set[Endpoint] = set()
    connect = PatchedPool._open_connection

    async def try_to_connect(pool: PatchedPool, endpoint: Endpoint) -> UpstreamConnection:
        if endpoint in ends:
            await asyncio.get_running_loop().create_future()
        return await connect(pool, endpoint)

    monkeypatch.setattr(PatchedPool, "_open_connection", try_to_connect)
    return ends.add


async def test_connecting_has_its_time(
    serve: Serve, workers: Hire, dead_end: Callable[[Endpoint], None]
) -> None:
    one, other = workers(), workers()
    dead_end(one.endpoint)
    proxy = await serve(one.endpoint, other.endpoint, settings=Settings(timeouts=Timeouts(connect=2)))
    client = await proxy.ask(sending(b"POST", b"hi"))
    await proxy.pass_time(1)
    await other.lonely()
    await proxy.pass_time(2)
    peer = await other.asked()
    await peer.send(OK)
    await client.expect(OK)
    assert not proxy.states.is_up(one.endpoint)

    dead_end(other.endpoint)
    peer.close()
    await settle()
    await client.send(GET)
    await proxy.pass_time(3)
    assert (await answer(client)).status == 504
    assert proxy.ends == [(200, ""), (504, "connect_timeout")]


async def test_a_client_may_leave_while_its_worker_is_connected_to(
    serve: Serve, worker: Worker, dead_end: Callable[[Endpoint], None]
) -> None:
    dead_end(worker.endpoint)
    proxy = await serve(worker.endpoint)
    client = await proxy.ask(GET)
    await settle()
    client.close()
    await settle()
    assert proxy.ends == [(499, "client_gone")]
    assert proxy.pool._connecting == set()


async def test_little_is_held_while_a_worker_is_connected_to(
    serve: Serve, worker: Worker, dead_end: Callable[[Endpoint], None]
) -> None:
    dead_end(worker.endpoint)
    proxy = await serve(worker.endpoint)
    client = await proxy.ask(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000\r\n\r\n")
    while client.send_some(bytes(1_000_000)):
        await settle()
    assert 0 < proxy.recorder.begun[0].bytes_in <= 65_536 + 256_000
    await proxy.pass_time(6)
    assert (await answer(client)).status == 504


@pytest.mark.parametrize("route", [None, 5.0])
async def test_the_first_byte_has_its_time(serve: Serve, worker: Worker, route: float | None) -> None:
    timeouts = Timeouts(first_byte=20 if route is None else 600)
    proxy = await serve(worker.endpoint, settings=Settings(timeouts=timeouts), first_byte=route)
    client = await proxy.ask(GET)
    peer = await worker.asked()
    limit = route or 20
    await proxy.pass_time(limit - 2)
    await client.silent()
    await proxy.pass_time(3)
    refused = await answer(client)
    assert refused.status == 504
    assert json.loads(refused.body)["errcode"] == "M_UNKNOWN"
    await peer.ended()
    assert proxy.ends == [(504, "timeout")]
    await client.send(GET)
    await (await worker.asked()).send(OK)
    await client.expect(OK)


async def test_an_answer_that_stops_is_broken(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(CHUNKED)
    await client.expect(CHUNKED)
    for _ in range(3):
        await proxy.pass_time(55)
        await peer.send(b"1\r\na\r\n")
        await client.expect(b"1\r\na\r\n")
    await proxy.pass_time(62)
    assert await client.reset_after() == b""
    await peer.ended()
    assert proxy.ends == [(200, "timeout")]


async def test_a_worker_that_takes_no_body_is_given_up(serve: Serve, worker: Worker) -> None:
    """The client is not to blame while its worker is full."""
    proxy = await serve(worker.endpoint, settings=Settings(limits=Limits(body=50_000_000)))
    client = await proxy.ask(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 50000000\r\n\r\n")
    await worker.asked()
    while client.send_some(bytes(1_000_000)):
        await settle()
    await proxy.pass_time(62)
    assert (await answer(client)).status == 504


async def test_a_worker_asks_for_the_body_that_is_held_back(proxy: Proxy, worker: Worker) -> None:
    head = b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n"
    client = await proxy.ask(head + b"\r\n")
    peer = await worker.accept()
    await peer.expect(head + FORWARDED)
    await client.silent()
    await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    await client.expect(b"HTTP/1.1 100 Continue\r\n\r\n")
    await client.send(b"hi")
    await peer.expect(b"hi")
    await peer.send(OK)
    await client.expect(OK)
    await client.send(GET)
    await peer.until()


async def test_a_worker_refuses_the_body_that_is_held_back(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(
        b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    )
    peer = await worker.asked()
    refusal = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}"
    await peer.send(refusal)
    await client.expect(refusal.replace(b"\r\n\r\n", CLOSING))
    await client.ended()
    await peer.ended()


ASKING = b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


async def test_a_silent_worker_s_client_is_asked_for_its_body_here(proxy: Proxy, worker: Worker) -> None:
    """Once: what the worker says later is swallowed, and the next request begins anew."""
    client = await proxy.ask(ASKING)
    peer = await worker.asked()
    await client.silent()
    await proxy.pass_time(1)
    await client.expect(GO_ON)
    await proxy.pass_time(50)
    await client.silent()
    await peer.send(GO_ON * 2 + b"HTTP/1.1 103 Early Hints\r\n\r\n")
    await client.expect(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    await client.silent()
    await client.send(b"hi")
    await peer.expect(b"hi")
    await peer.send(OK)
    await client.expect(OK)
    await client.send(ASKING)
    await peer.until()
    await peer.send(GO_ON)
    await client.expect(GO_ON)
    await client.send(b"hi")
    await peer.expect(b"hi")
    await peer.send(OK)
    await client.expect(OK)
    assert proxy.ends == [(200, "")] * 2


async def test_a_client_that_was_asked_for_its_body_has_the_time_of_a_body(
    proxy: Proxy, worker: Worker
) -> None:
    for asked_here in (True, False):
        client = await proxy.ask(ASKING)
        peer = await worker.asked()
        await (proxy.pass_time(1) if asked_here else peer.send(GO_ON))
        await client.expect(GO_ON)
        await proxy.pass_time(58)
        await client.silent()
        await proxy.pass_time(3)
        assert (await answer(client)).status == 408
        await client.ended()


async def test_a_client_that_does_not_wait_for_a_100_gets_none_from_here(
    proxy: Proxy, worker: Worker
) -> None:
    client = await proxy.ask(ASKING + b"h")
    peer = await worker.asked()
    await peer.expect(b"h")
    await proxy.pass_time(5)
    await client.silent()
    await client.send(b"i")
    await peer.expect(b"i")
    await peer.send(OK)
    await client.expect(OK)


@pytest.mark.parametrize("late", [True, False])
async def test_a_refusal_of_a_body_that_was_asked_for_is_passed_on(
    proxy: Proxy, worker: Worker, late: bool
) -> None:
    client = await proxy.ask(ASKING)
    peer = await worker.asked()
    if late:
        await proxy.pass_time(1)
        await client.expect(GO_ON)
    await peer.send(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\n{}")
    await proxy.pass_time(1.5)
    await client.expect(b"HTTP/1.1 413 No\r\nContent-Length: 2" + CLOSING + b"{}")
    await client.ended()
    assert proxy.ends == [(413, "")]


async def test_no_1xx_for_http_1_0(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(ASKING.replace(b"1.1", b"1.0"))
    peer = await worker.asked()
    await peer.send(GO_ON)
    await proxy.pass_time(5)
    await client.silent()
    await client.send(b"hi")
    await peer.send(OK)
    assert (await answer(client)).status == 200


async def test_fields_of_one_hop_in_a_1xx_stay_on_it(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(
        b"HTTP/1.1 103 Early Hints\r\nConnection: close, X-A\r\nX-A: 1\r\nLink: </x>\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    await client.expect(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    await peer.send(b"HTTP/1.0 102 P\r\nContent-Length: 5\r\nKeep-Alive: 1\r\n\r\n" + OK)
    await client.expect(b"HTTP/1.1 102 P\r\n\r\n" + OK)


async def test_a_body_over_the_limit_is_refused_midway(serve: Serve, worker: Worker) -> None:
    proxy = await serve(worker.endpoint, max_body=10)
    client = await proxy.ask(b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    peer = await worker.asked()
    await client.send(b"a\r\n0123456789\r\n")
    await peer.expect(b"a\r\n0123456789\r\n")
    await client.send(b"1\r\nx\r\n")
    refused = await answer(client)
    assert refused.status == 413
    assert json.loads(refused.body)["errcode"] == "M_TOO_LARGE"
    await client.ended()
    assert b"x" not in await peer.rest()
    assert proxy.ends == [(413, "body_too_large")]


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"2\r\nhiX", b"1;a=\x01\r\n", b"\n"])
async def test_a_malformed_body_is_refused_midway(proxy: Proxy, worker: Worker, chunk: bytes) -> None:
    client = await proxy.ask(b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    peer = await worker.asked()
    await client.send(chunk + b"\r\n0\r\n\r\n" + GET)
    assert (await answer(client)).status == 400
    await client.ended()
    assert b"0\r\n\r\n" not in await peer.rest()
    await worker.lonely()


async def test_a_body_that_turns_bad_breaks_an_answer_that_has_begun(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    peer = await worker.asked()
    await peer.send(CHUNKED)
    await client.expect(CHUNKED.replace(b"\r\n\r\n", CLOSING))
    await client.send(b"bad\n")
    assert await client.reset_after() == b""
    assert proxy.ends == [(200, "bad_request")]


async def test_a_route_may_refuse(serve: Serve, worker: Worker) -> None:
    gone = Refusal(status=410, errcode="M_GONE", error="Gone")
    table = RouteTable(
        routes=(
            Route(name="gone", pattern=Pattern(text="^/gone"), refusal=gone),
            Route(name="all", pattern=Pattern(text="^/a"), upstream="main"),
        ),
        upstreams={"main": Upstream(name="main", endpoints=(worker.endpoint,))},
    )
    proxy = await serve(table=table)
    client = await proxy.connect()
    for path, status, reason in ((b"/gone", 410, "route"), (b"/else", 404, "unmatched")):
        await client.send(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % path)
        assert (await answer(client)).status == status
        assert proxy.ends[-1] == (status, reason)
    await worker.lonely()


async def test_a_defect_in_deciding_is_500_and_reaches_no_worker(proxy: Proxy, worker: Worker) -> None:
    proxy.context.snapshot.targets = ()  # the index that the matcher finds is out of its range
    client = await proxy.ask(GET)
    refused = await answer(client)
    assert refused.status == 500
    assert b"range" not in refused.body
    assert proxy.ends == [(500, "internal")]
    await worker.lonely()
