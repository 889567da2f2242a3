"""How many connections there may be: who is let in, who makes room, and what the others are told."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import router.proxy.capacity
from router.errors import DownstreamError, TooManyConnections, TooManyFromClient
from router.proxy.capacity import Capacity, group_of, most_connections
from router.settings import Limits, Settings
from tests.dialogues import Serve
from tests.wire import Proxy, answer, settle
from tests.worker import OK, Worker

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


class Client:
    """A connection that knows only whether it is idle."""

    def __init__(self, opened: set[Client], *, due: int = 0, is_idle: bool = False) -> None:
        self.due = due
        self.is_idle = is_idle
        self._opened = opened
        opened.add(self)

    def make_room(self) -> None:
        self.is_idle = False
        self._opened.discard(self)


class Crowd:
    """A capacity, and the connections that it counts."""

    def __init__(self, connections: int, per_client: int | None = None) -> None:
        self.now = 0.0
        self._refused: type[DownstreamError] | None = None
        limits = Limits(connections=connections, connections_per_client=per_client or 100)
        self.capacity = Capacity(limits, descriptors=1000, clock=lambda: self.now)
        self.opened: set[Client] = set()
        self.capacity.count(self.opened)

    def come(self, address: str = "192.0.2.1", *, due: int = 0, is_idle: bool = False) -> Client:
        client = Client(self.opened)
        self._refused = self.capacity.admit(client, address)
        client.due, client.is_idle = due, is_idle
        return client

    def refused(self) -> type[DownstreamError] | None:
        """What the last one was told."""
        return self._refused


def test_as_many_as_there_may_be() -> None:
    crowd = Crowd(3)
    for _ in range(3):
        crowd.come()
        assert crowd.refused() is None
    assert crowd.capacity.used == 3
    late = crowd.come()
    assert crowd.refused() is TooManyConnections
    assert crowd.capacity.turned_away == {late: TooManyConnections}
    assert crowd.capacity.used == 3


def test_the_longest_idle_makes_room_and_no_other() -> None:
    crowd = Crowd(3)
    busy = crowd.come(due=1)
    newer, older = crowd.come(due=9, is_idle=True), crowd.come(due=8, is_idle=True)
    crowd.come(due=10)
    assert crowd.refused() is None
    assert older not in crowd.opened
    crowd.come(due=11)
    assert crowd.refused() is None
    assert newer not in crowd.opened
    crowd.come()
    assert crowd.refused() is TooManyConnections
    assert busy in crowd.opened
    assert crowd.capacity.closed == {"idle": 2, "connections": 1, "connections_per_client": 0}


def test_who_was_idle_when_searched_and_is_no_more_stays() -> None:
    crowd = Crowd(3)
    woken, moved, idle = (crowd.come(due=due, is_idle=True) for due in (5, 6, 7))
    late = crowd.come(due=20)
    assert woken not in crowd.opened
    moved.due = 30
    crowd.come(due=21)
    assert idle not in crowd.opened
    assert moved in crowd.opened, "it has had a request since, and is idle for the shortest time"
    moved.is_idle = False
    assert {late, moved} < crowd.opened


def test_a_search_that_found_nobody_is_not_repeated_at_once() -> None:
    crowd = Crowd(2)
    first = crowd.come(due=5)
    crowd.come(due=5)
    crowd.come()
    assert crowd.refused() is TooManyConnections
    first.is_idle = True
    crowd.come()
    assert crowd.refused() is TooManyConnections
    crowd.now += router.proxy.capacity.SEARCH_AGAIN
    crowd.come()
    assert crowd.refused() is None
    assert first not in crowd.opened


def test_one_that_has_no_deadline_yet_is_not_idle() -> None:
    crowd = Crowd(1)
    new = crowd.come(due=0, is_idle=True)
    crowd.come()
    assert crowd.refused() is TooManyConnections
    assert new in crowd.opened


@pytest.mark.parametrize(
    ("address", "same", "other"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::", "2001:db8:0:2::1"),
        ("fe80::1%eth0", "fe80::2%eth1", "fe81::1"),
        ("::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.2"),
    ],
)
def test_who_counts_as_one_client(address: str, same: str, other: str) -> None:
    crowd = Crowd(10, per_client=2)
    crowd.come(address)
    crowd.come(same)
    assert crowd.refused() is None
    third = crowd.come(same)
    assert crowd.refused() is TooManyFromClient
    crowd.come(other)
    assert crowd.refused() is None
    crowd.opened.discard(third)
    crowd.capacity.leave(third, same)
    crowd.come(address)
    assert crowd.refused() is TooManyFromClient, "who was turned away was never counted"


def test_a_client_without_an_address_may_hold_any_number() -> None:
    crowd = Crowd(10, per_client=1)
    for _ in range(10):
        crowd.come("")
        assert crowd.refused() is None
    crowd.come("")
    assert crowd.refused() is TooManyConnections


def test_who_is_over_its_own_limit_costs_nobody_a_connection() -> None:
    crowd = Crowd(2, per_client=1)
    idle = crowd.come("192.0.2.1", due=5, is_idle=True)
    crowd.come("192.0.2.2", due=5)
    crowd.come("192.0.2.2")
    assert crowd.refused() is TooManyFromClient
    assert idle in crowd.opened


@given(st.lists(st.tuples(st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1", ""]), st.booleans())))
def test_everybody_who_left_is_forgotten(steps: list[tuple[str, bool]]) -> None:
    crowd = Crowd(5, per_client=2)
    there: list[tuple[Client, str]] = []
    for address, leaves in steps:
        if leaves and there:
            client, known = there.pop()
            crowd.opened.discard(client)
            crowd.capacity.leave(client, known)
        else:
            there.append((crowd.come(address, due=1), address))
        assert 0 <= crowd.capacity.used <= 5
    for client, address in there:
        crowd.opened.discard(client)
        crowd.capacity.leave(client, address)
    assert (crowd.capacity.used, crowd.capacity.turned_away, crowd.capacity._by_client) == (0, {}, {})


@pytest.mark.parametrize(("descriptors", "most"), [(20_000, 9872), (1024, 384), (256, 96), (4, 1), (1, 1)])
def test_two_descriptors_for_each_client_and_some_to_spare(descriptors: int, most: int) -> None:
    assert most_connections(descriptors) == most


def test_one_address_cannot_take_all_of_them() -> None:
    capacity = Capacity(Limits(), descriptors=20_000, clock=lambda: 0.0)
    assert (capacity.connections, capacity.per_client) == (9872, 7404)
    capacity = Capacity(Limits(connections=1), descriptors=20_000, clock=lambda: 0.0)
    assert (capacity.connections, capacity.per_client) == (1, 1)


def test_an_ipv4_address_is_its_own_group() -> None:
    assert group_of("192.0.2.1") == "192.0.2.1"


async def crowded(serve: Serve, worker: Worker, **limits: int) -> Proxy:
    return await serve(worker.endpoint, settings=Settings(limits=Limits(**limits)))


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        ({"connections": 2, "connections_per_client": 2000}, TooManyConnections),
        ({"connections_per_client": 2}, TooManyFromClient),
    ],
)
async def test_one_too_many_is_told_so(
    serve: Serve, worker: Worker, limits: dict[str, int], error: type[DownstreamError]
) -> None:
    proxy = await crowded(serve, worker, **limits)
    status, reason = error.status, error.reason
    busy = [await proxy.ask(GET) for _ in range(2)]
    peers = [await worker.asked() for _ in range(2)]
    late = await proxy.connect()
    await late.silent()
    await late.send(b"POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n")
    told = await answer(late)
    assert told.status == status
    assert told.headers["connection"] == "close"
    assert told.headers["retry-after"] == "5"
    assert told.headers["access-control-allow-origin"] == "*"
    said = json.loads(told.body)
    assert (said["errcode"], said["retry_after_ms"]) == (error.errcode, 5000)
    await late.send(b"\r\nhello" + GET)
    await late.ended()
    await worker.lonely()
    for client, peer in zip(busy, peers, strict=True):
        await peer.send(OK)
        await client.expect(OK)
    assert [end for end in proxy.ends if end[0] == status] == [(status, reason)]
    assert proxy.capacity.closed[reason] == 1
    late.close()
    await proxy.pass_time(router.proxy.capacity.SEARCH_AGAIN)
    again = await proxy.ask(GET)
    if reason == "connections":
        await peers[-1].until()
    else:
        assert (await answer(again)).status == 429


async def test_a_head_request_too_many_gets_no_body(serve: Serve, worker: Worker) -> None:
    proxy = await crowded(serve, worker, connections_per_client=1)
    await proxy.ask(GET)
    late = await proxy.ask(b"HEAD" + GET[3:])
    assert (await late.until()).startswith(b"HTTP/1.1 429 ")
    await late.ended()


async def test_one_too_many_that_says_nothing_is_not_kept(serve: Serve, worker: Worker) -> None:
    proxy = await crowded(serve, worker, connections_per_client=1)
    await proxy.ask(GET)
    late = await proxy.connect()
    await proxy.pass_time(4)
    await late.silent()
    await proxy.pass_time(2)
    assert await late.reset_after() == b""
    assert proxy.capacity.turned_away == {}
    assert proxy.recorder.ended == []


async def test_only_some_are_told(serve: Serve, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router.proxy.capacity, "MOST_TURNED_AWAY", 2)
    proxy = await crowded(serve, worker, connections_per_client=1)
    await proxy.ask(GET)
    await worker.asked()
    told = [await proxy.ask(GET) for _ in range(2)]
    await settle()
    cut = await proxy.connect()
    assert await cut.reset_after() == b""
    for client in told:
        assert (await answer(client)).status == 429
    assert proxy.capacity.closed["connections_per_client"] == 3


async def test_an_idle_client_makes_room_for_a_new_one(serve: Serve, worker: Worker) -> None:
    proxy = await crowded(serve, worker, connections=2, connections_per_client=9)
    idle = await proxy.ask(GET)
    peer = await worker.asked()
    await peer.send(OK)
    await idle.expect(OK)
    busy = await proxy.ask(GET)
    await peer.until()
    new = await proxy.ask(GET)
    await idle.ended()
    other = await worker.asked()
    for client, its in ((busy, peer), (new, other)):
        await its.send(OK)
        await client.expect(OK)
    assert [reason for _, reason in proxy.ends] == ["", "", ""]
    assert proxy.capacity.closed["idle"] == 1


async def test_who_has_not_said_anything_yet_makes_room_too(serve: Serve, worker: Worker) -> None:
    proxy = await crowded(serve, worker, connections=2, connections_per_client=9)
    silent = [await proxy.connect()]
    await proxy.pass_time(1)
    silent.append(await proxy.connect())
    await settle()
    await proxy.ask(GET)
    await silent[0].ended()
    await worker.asked()
    await silent[1].silent()
