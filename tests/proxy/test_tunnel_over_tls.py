"""Tunnels where one side or both speak TLS: raw bytes both ways, and how they end, by records."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from router.settings import ServerTls
from router.table import ClientTls
from tests.authority import Authority, Secure, TlsPeer, connect
from tests.dialogues import Serve
from tests.wire import Peer, Proxy, settle
from tests.worker import Worker

ASK = b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
GRANT = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"

IN, OUT, BOTH = (True, False), (False, True), (True, True)

Open = Callable[[tuple[bool, bool]], Awaitable[tuple[Proxy, Peer, Peer]]]


@pytest.fixture
def opened(serve: Serve, worker: Worker, tmp_path: Path) -> Open:
    """Opens a tunnel with TLS to the listener, to the endpoint, or both: proxy, client and worker."""
    authority = Authority(tmp_path)

    async def open_tunnel(where: tuple[bool, bool]) -> tuple[Proxy, Peer, Peer]:
        inside, outside = where
        endpoint = worker.endpoint
        accept: Callable[[], Awaitable[Peer]] = worker.accept
        if outside:
            accept = Secure(worker, authority, "127.0.0.1").accept
            endpoint = replace(endpoint, tls=ClientTls(ca=str(authority.file)))
        tls = ServerTls(certificates=(authority.issue("a.example"),)) if inside else None
        proxy = await serve(endpoint, tls=tls, upgrade=("websocket",))
        client = await connect(proxy, authority.client()) if inside else await proxy.connect()
        await client.send(ASK)
        peer = await accept()
        await peer.until()
        await peer.send(GRANT)
        assert (await client.until()).startswith(b"HTTP/1.1 101 ")
        return proxy, client, peer

    return open_tunnel


@pytest.mark.parametrize("where", [IN, OUT, BOTH])
async def test_bytes_go_both_ways_as_they_come(opened: Open, where: tuple[bool, bool]) -> None:
    _, client, peer = await opened(where)
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x00\xff\x16\x03\x01", b"0\r\n\r\n"):
        await client.send(data)
        await peer.expect(data)
        await peer.send(data * 2)
        await client.expect(data * 2)


@pytest.mark.parametrize("where", [IN, OUT, BOTH])
@pytest.mark.parametrize("from_worker", [True, False])
async def test_more_than_every_buffer(opened: Open, where: tuple[bool, bool], from_worker: bool) -> None:
    _, client, peer = await opened(where)
    one, other = (peer, client) if from_worker else (client, peer)
    data = bytes(range(256)) * 40_000
    sending = asyncio.create_task(one.send(data))
    await settle()
    for at in range(0, len(data), 64_000):
        await other.expect(data[at : at + 64_000])
    await sending


async def end(peer: Peer) -> None:
    """As the peer's own protocol says it: close_notify, or FIN."""
    if isinstance(peer, TlsPeer):
        await peer.goodbye()
    else:
        peer.finish()


@pytest.mark.parametrize("where", [IN, OUT, BOTH])
@pytest.mark.parametrize("from_worker", [True, False])
async def test_half_a_tunnel_goes_on(opened: Open, where: tuple[bool, bool], from_worker: bool) -> None:
    """Since 1.3, close_notify ends one direction (RFC 8446 section 6.1)."""
    proxy, client, peer = await opened(where)
    one, other = (peer, client) if from_worker else (client, peer)
    await one.send(b"bye")
    await end(one)
    await other.expect(b"bye")
    await other.ended()
    assert proxy.ends == []
    for data in (b"still", b"here" * 1000):
        await other.send(data)
        await one.expect(data)
    await end(other)
    await one.ended()
    await settle()
    assert proxy.ends == [(101, "")]


@pytest.mark.parametrize(
    ("where", "from_worker", "how"),
    [
        (IN, False, Peer.reset),
        (OUT, True, Peer.reset),
        (OUT, True, Peer.finish),
        (BOTH, False, Peer.reset),
        (BOTH, True, Peer.reset),
        (BOTH, True, Peer.finish),
    ],
)
async def test_a_cut_is_passed_on(
    opened: Open, where: tuple[bool, bool], from_worker: bool, how: Callable[[Peer], None]
) -> None:
    """A worker's FIN without a goodbye may be anybody's on the way (RFC 8446 section 6.1)."""
    proxy, client, peer = await opened(where)
    one, other = (peer, client) if from_worker else (client, peer)
    await one.send(b"half")
    await other.expect(b"half")
    how(one)
    assert await other.reset_after() == b""
    await settle()
    assert proxy.ends == [(101, "aborted" if from_worker else "client_gone")]


@pytest.mark.parametrize("where", [IN, BOTH])
async def test_a_client_may_end_without_a_goodbye(opened: Open, where: tuple[bool, bool]) -> None:
    proxy, client, peer = await opened(where)
    client.finish()
    await peer.ended()
    await peer.send(b"rest")
    await client.expect(b"rest")
    await end(peer)
    await client.ended()
    await settle()
    assert proxy.ends == [(101, "")]


@pytest.mark.parametrize(("where", "from_worker"), [(IN, False), (OUT, True), (BOTH, False), (BOTH, True)])
async def test_a_broken_record_cuts_both(opened: Open, where: tuple[bool, bool], from_worker: bool) -> None:
    proxy, client, peer = await opened(where)
    one, other = (peer, client) if from_worker else (client, peer)
    await Peer.send(one, b"\x17\x03\x03\x00\x20" + bytes(32))
    assert await other.reset_after() == b""
    await settle()
    assert proxy.ends == [(101, "aborted" if from_worker else "client_gone")]
