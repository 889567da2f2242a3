"""What counts as a worker's failure, what is tried again, and who is left alone for how long."""

from __future__ import annotations

import pytest

from router.settings import Settings, Timeouts
from tests.dialogues import Hire, Serve
from tests.proxy.test_exchange import GET, kept_alive, sending
from tests.wire import Proxy, answer, settle
from tests.worker import OK, Worker


@pytest.mark.parametrize(
    ("request_", "again"),
    [
        (GET, True),
        (sending(b"PUT", b"at hand"), True),
        (sending(b"PUT", b"a" * 70_000), False),
        (sending(b"POST", b"x"), False),
    ],
)
async def test_a_worker_that_says_nothing_is_left_for_the_next_candidate(
    serve: Serve, workers: Hire, request_: bytes, again: bool
) -> None:
    """One that hangs still takes connections: only time tells."""
    hangs, answers = workers(), workers()
    timeouts = Timeouts(first_byte=5, body=60)
    proxy = await serve(hangs.endpoint, answers.endpoint, settings=Settings(timeouts=timeouts))
    client = await proxy.ask(request_)
    peer = await hangs.asked()
    await peer.exactly(len(request_.partition(b"\r\n\r\n")[2]))
    await proxy.pass_time(6)
    await peer.ended()
    assert not proxy.states.is_up(hangs.endpoint)
    if again:
        await (await answers.asked()).send(OK)
        await client.expect(OK)
    else:
        assert (await answer(client)).status == 504
        await answers.lonely()


async def test_nobody_answers_in_time(serve: Serve, workers: Hire) -> None:
    staff = [workers() for _ in range(3)]
    settings = Settings(timeouts=Timeouts(first_byte=5))
    proxy = await serve(*(worker.endpoint for worker in staff), settings=settings)
    client = await proxy.ask(GET)
    for worker in staff[:2]:
        await worker.asked()
        await proxy.pass_time(6)
    assert (await answer(client)).status == 504
    await staff[2].lonely()


async def test_who_is_out_is_tried_by_one_request_when_its_time_is_over(serve: Serve, workers: Hire) -> None:
    bad, good = workers(), workers()
    proxy = await serve(bad.endpoint, good.endpoint)
    client = await proxy.ask(GET)
    (await bad.asked()).close()
    peer = await good.asked()
    await peer.send(OK)
    await client.expect(OK)
    proxy.now += 5
    for _ in range(3):
        await client.send(GET)
        await peer.until()
        await peer.send(OK)
        await client.expect(OK)
    proxy.now += 6
    for _ in range(2):  # as in nginx, the weight that was lowered when it failed has to come back first
        await client.send(GET)
        await peer.until()
        await peer.send(OK)
        await client.expect(OK)
    first, second = await proxy.ask(GET), await proxy.ask(GET)
    tried = await bad.asked()
    await bad.lonely()
    await tried.send(OK)
    asked, untried = (first, second) if proxy.recorder.begun[-2].endpoint == bad.endpoint else (second, first)
    await asked.expect(OK)
    await peer.until()
    await peer.send(OK)
    await untried.expect(OK)
    assert proxy.states.state(bad.endpoint).word == "up"


@pytest.mark.parametrize(
    "bad", [b"", b"HTTP/1.1 2", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"]
)
async def test_what_counts_as_a_failure(serve: Serve, workers: Hire, bad: bytes) -> None:
    one, other = workers(), workers()
    proxy = await serve(one.endpoint, other.endpoint)
    client = await proxy.ask(b"POST" + GET[3:])
    peer = await one.asked()
    await peer.send(bad)
    await settle()
    peer.close()
    assert (await answer(client)).status == 502
    assert proxy.states.state(one.endpoint).word == "out"


@pytest.mark.parametrize(
    "answer_",
    [
        b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
    ],
)
async def test_what_does_not(serve: Serve, workers: Hire, answer_: bytes) -> None:
    """A 5xx is an answer, and so is one that breaks off, to nginx."""
    one, other = workers(), workers()
    proxy = await serve(one.endpoint, other.endpoint)
    client = await proxy.ask(GET)
    peer = await one.asked()
    await peer.send(answer_)
    await client.until()
    peer.close()
    await settle()
    assert proxy.states.is_up(one.endpoint)


@pytest.mark.parametrize("whole", [True, False])
async def test_who_closes_before_the_request_is_whole_is_not_to_blame(
    serve: Serve, workers: Hire, whole: bool
) -> None:
    """Twisted closes after 60 s without a byte: clients that stop there would have each worker taken out."""
    one, other = workers(), workers()
    proxy = await serve(one.endpoint, other.endpoint)
    client = await proxy.ask(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhalf")
    peer = await one.asked()
    if whole:
        await client.send(b"!")
    await peer.exactly(5 if whole else 4)
    peer.close()
    assert (await answer(client)).status == 502
    assert proxy.states.is_up(one.endpoint) is not whole
    assert proxy.states.state(one.endpoint).failures == 1


async def test_a_kept_connection_closed_under_us_is_nobodys_failure(serve: Serve, workers: Hire) -> None:
    one, other = workers(), workers()
    proxy = await serve(one.endpoint, other.endpoint)
    client, peer = await kept_alive(proxy, one)
    await other.lonely()
    await client.send(GET)
    await (await other.asked()).send(OK)
    await client.expect(OK)
    await client.send(GET)
    await peer.until()
    peer.close()
    await (await one.asked()).send(OK)
    await client.expect(OK)
    state = proxy.states.state(one.endpoint)
    assert (state.word, state.failures) == ("up", 1)


async def test_the_only_endpoint_is_never_out(proxy: Proxy, worker: Worker) -> None:
    for _ in range(3):
        client = await proxy.ask(b"POST" + GET[3:])
        (await worker.asked()).close()
        assert (await answer(client)).status == 502
    assert proxy.states.state(worker.endpoint).word == "up"
