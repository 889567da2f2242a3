"""Clients that leave while they are not read: noticed, and their requests given up at the worker."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from router.proxy.departures import Departures
from tests.dialogues import Hire, Serve
from tests.wire import SMALL, Peer, Proxy, settle

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
UPLOAD = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 90000000\r\n\r\n"

LEAVE = [Peer.close, Peer.reset, Peer.finish]


class Client:
    """A connection as `Departures` sees it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.left = 0

    def fileno(self) -> int:
        return self.sock.fileno()

    def on_departure(self) -> None:
        self.left += 1


def test_only_who_has_left_is_told_and_only_once() -> None:
    departures = Departures()
    pairs = [socket.socketpair() for _ in range(3)]
    stays, leaves, is_read = (Client(near) for near, _ in pairs)
    for client in (stays, leaves, is_read):
        departures.watch(client)
    departures.tick()
    assert [each.left for each in (stays, leaves, is_read)] == [0, 0, 0]
    for _, far in pairs:
        far.send(b"unread")
    departures.forget(is_read)
    pairs[1][1].shutdown(socket.SHUT_WR)
    pairs[2][1].close()
    departures.tick()
    departures.tick()
    assert [each.left for each in (stays, leaves, is_read)] == [0, 1, 0]
    for near, far in pairs:
        near.close()
        far.close()
    departures.tick()
    assert stays.left == 0, "a closed socket is somebody else's business"


async def fill(client: Peer, proxy: Proxy) -> None:
    """Sends until it is no longer read; a FIN behind what cannot be delivered would be seen by nobody."""
    for _ in range(10_000):
        if proxy.context.departures._paused:
            return
        client.send_some(bytes(8192))
        await settle()
    raise AssertionError("the client was never paused")


@pytest.mark.parametrize("leave", LEAVE)
@pytest.mark.parametrize("path", ["", "router.sock"])
async def test_a_client_that_leaves_while_its_body_waits_for_the_worker(
    serve: Serve, workers: Hire, tmp_path: Path, leave: Callable[[Peer], None], path: str
) -> None:
    worker = workers(kernel=SMALL)
    proxy = await serve(
        worker.endpoint, path=str(tmp_path / path) if path else None, kernel=SMALL, max_body=10**9
    )
    client = await proxy.ask(UPLOAD)
    peer = await worker.asked()
    await fill(client, proxy)
    proxy.context.departures.tick()
    assert proxy.ends == []
    leave(client)
    proxy.context.departures.tick()
    await settle()
    assert proxy.ends == [(499, "client_gone")]
    assert await left(peer)


@pytest.mark.parametrize("leave", LEAVE)
async def test_a_client_that_leaves_behind_what_it_has_pipelined(
    serve: Serve, workers: Hire, leave: Callable[[Peer], None]
) -> None:
    worker = workers()
    proxy = await serve(worker.endpoint)
    client = await proxy.ask(GET)
    peer = await worker.asked()
    await client.send(GET * 2000)
    await settle()
    assert len(proxy.context.departures._paused) == 1
    leave(client)
    proxy.context.departures.tick()
    await settle()
    assert proxy.ends == [(499, "client_gone")]
    await peer.ended()


async def test_who_is_read_again_is_no_longer_watched(serve: Serve, workers: Hire) -> None:
    worker = workers(kernel=SMALL)
    proxy = await serve(worker.endpoint, kernel=SMALL, max_body=10**9)
    client = await proxy.ask(UPLOAD)
    peer = await worker.asked()
    await fill(client, proxy)
    for _ in range(400):
        await peer.exactly(32_768)
        await settle()
        if not proxy.context.departures._paused:
            break
    assert not proxy.context.departures._paused


async def left(peer: Peer) -> bool:
    """Whether the connection ends, however much was sent on it before."""
    try:
        await peer.rest()
    except OSError:
        return True
    return True
