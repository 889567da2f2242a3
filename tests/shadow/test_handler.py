"""A listener for mirrored requests: dialogues over real sockets."""

from __future__ import annotations

import pytest

from router.routing.snapshot import Snapshot
from router.shadow.compare import AGREED, DISAGREED, REFUSED, UNLABELLED, Comparison
from router.shadow.handler import Mirrored, mirror_table
from router.table import Condition, Pattern, Route, RouteTable, Upstream
from tests.dialogues import Hire, Serve
from tests.wire import Peer, Proxy
from tests.worker import Worker


async def status_of(client: Peer) -> int:
    """The status of one answer: a 204 has no body, and nothing that says how long it is."""
    return int((await client.until()).split()[1])


@pytest.fixture
def comparison() -> Comparison:
    return Comparison(lambda path: path.decode(), lambda: 5.0)


@pytest.fixture
async def mirror(serve: Serve, worker: Worker, comparison: Comparison) -> Proxy:
    """A table with a worker that must never be asked, behind a listener for mirrored requests."""
    by_port = Route(
        name="federation",
        pattern=Pattern(text="^/_matrix/"),
        conditions=(Condition(kind="port", pattern="^8448$"),),
        upstream="w",
    )
    main = Route(name="main", pattern=Pattern(text="^/_matrix/"), upstream="main")
    upstreams = {name: Upstream(name=name, endpoints=(worker.endpoint,)) for name in ("main", "w")}
    table = Snapshot.build(RouteTable(routes=(by_port, main), upstreams=upstreams))
    proxy = await serve(worker.endpoint)
    proxy.context.snapshot = mirror_table()
    proxy.context.observer = Mirrored(comparison, lambda: table)
    return proxy


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"GET /_matrix/a HTTP/1.1\r\nX-Router-Upstream: main\r\n", (204, ("main", AGREED))),
        (b"GET /_matrix/a HTTP/1.1\r\nX-Router-Upstream: w\r\n", (204, ("main", DISAGREED))),
        (
            b"GET /_matrix/a HTTP/1.1\r\nX-Router-Upstream: w\r\nX-Router-Port: 8448\r\n",
            (204, ("federation", AGREED)),
        ),
        (b"GET /_matrix/a HTTP/1.1\r\n", (204, ("main", UNLABELLED))),
        (b"OPTIONS /_matrix/a HTTP/1.1\r\nX-Router-Upstream: main\r\n", (204, ("main", AGREED))),
        (b"GET /_synapse/admin/v1 HTTP/1.1\r\nX-Router-Upstream: main\r\n", (204, ("none", REFUSED))),
        (b"GET /x HTTP/1.1\r\nX-Router-Upstream: -\r\n", (204, ("unmatched", AGREED))),
        (b"BREW /_matrix/a HTTP/1.1\r\nX-Router-Upstream: main\r\n", (501, ("none", REFUSED))),
        (b"GET /_matrix/\xe9 HTTP/1.1\r\nX-Router-Upstream: main\r\n", (400, ("none", REFUSED))),
    ],
)
async def test_each_is_answered_compared_and_never_forwarded(
    mirror: Proxy, worker: Worker, comparison: Comparison, head: bytes, expected: tuple[int, tuple[str, str]]
) -> None:
    client = await mirror.ask(head + b"Host: h\r\n\r\n")
    assert (await status_of(client), *comparison.counts) == expected
    assert comparison.counts.total() == 1
    await worker.lonely()


async def test_a_body_is_read_and_dropped(mirror: Proxy, worker: Worker, comparison: Comparison) -> None:
    """nginx is told to send none; from whoever does, it goes nowhere."""
    head = b"PUT /_matrix/a HTTP/1.1\r\nHost: h\r\nX-Router-Upstream: main\r\nContent-Length: 4\r\n\r\n"
    client = await mirror.ask(head + b"body")
    assert await status_of(client) == 204
    assert comparison.total(AGREED) == 1
    await worker.lonely()


def test_there_is_nothing_to_forward_to() -> None:
    snapshot = mirror_table()
    assert dict(snapshot.table.upstreams) == {}
    assert {route.upstream for route in snapshot.table.routes} == {None}


async def test_two_listeners_of_one_process(serve: Serve, workers: Hire, comparison: Comparison) -> None:
    """The mirror's context is made from the proxy's: what goes to one is not counted by the other."""
    worker = workers()
    proxy = await serve(worker.endpoint)
    context = proxy.context.serving(mirror_table(), Mirrored(comparison, lambda: proxy.context.snapshot))
    assert context.observer is not proxy.context.observer
    assert context.snapshot is not proxy.context.snapshot
    assert context.departures is proxy.context.departures
