"""Connections to a listener of the PROXY protocol, from raw peers and from a real HAProxy."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Network
from pathlib import Path
from typing import cast

import pytest

from router.proxy.capacity import MOST_TURNED_AWAY
from router.proxy.connection import DRAIN_IDLE
from router.settings import Limits, Listener, Settings, Timeouts, TrustedProxies
from router.table import TcpAddress
from tests.dialogues import Serve
from tests.real_haproxy import haproxy
from tests.real_nginx import free_ports
from tests.wire import Peer, Proxy, answer, settle
from tests.worker import OK, Worker

LISTENER = Listener(address=TcpAddress(host="127.0.0.1", port=0), proxy_protocol=True)
HEAD = b"GET /a HTTP/1.1\r\nHost: h\r\n"
GET = HEAD + b"\r\n"
V1 = b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n"
V2 = (
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
    + socket.inet_aton("203.0.113.7")
    + socket.inet_aton("192.0.2.1")
    + b"\x12\x67\x01\xbb"
)
LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"


def at_worker(client: str) -> bytes:
    fields = b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n\r\n"
    return HEAD + fields % client.encode()


async def passed(client: Peer, worker: Worker, source: str) -> None:
    peer = await worker.accept()
    await peer.expect(at_worker(source))
    await peer.send(OK)
    await client.expect(OK)


@pytest.fixture
async def proxy(serve: Serve, worker: Worker) -> Proxy:
    return await serve(worker.endpoint, listener=LISTENER)


@pytest.mark.parametrize(
    ("preamble", "source"),
    [(V1, "203.0.113.7"), (V2, "203.0.113.7"), (LOCAL, "127.0.0.1"), (b"PROXY UNKNOWN\r\n", "127.0.0.1")],
)
async def test_the_source_is_the_peer(proxy: Proxy, worker: Worker, preamble: bytes, source: str) -> None:
    client = await proxy.ask(preamble + GET)
    await passed(client, worker, source)
    await client.send(GET)
    await settle()
    assert [each.client for each in proxy.recorder.begun] == [source] * 2
    assert len(proxy.server.connections) == 1


@pytest.mark.parametrize("preamble", [V1, V2])
async def test_it_may_come_byte_by_byte(proxy: Proxy, worker: Worker, preamble: bytes) -> None:
    client = await proxy.connect()
    for byte in preamble + GET:
        await client.send(bytes([byte]))
        await settle()
    await passed(client, worker, "203.0.113.7")


@pytest.mark.parametrize(
    "sent", [GET, b"P" + GET, V1[:-2] + b"\n" + GET, V2[:12] + b"\x31" + V2[13:] + GET, b"\x16\x03\x01\x02"]
)
async def test_what_begins_otherwise_is_closed_without_an_answer(
    proxy: Proxy, worker: Worker, sent: bytes
) -> None:
    client = await proxy.ask(sent)
    await client.ended()
    await worker.lonely()
    (ended,) = proxy.recorder.ended
    assert (ended.status, ended.reason, ended.client, ended.line) == (0, "proxy_protocol", "127.0.0.1", b"")


async def test_a_second_preamble_is_no_request(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(V1 + V1 + GET)
    await client.until(b"HTTP/1.1 400 ")
    await worker.lonely()


async def test_only_one_that_begins_is_counted_when_it_does_not_come(serve: Serve, worker: Worker) -> None:
    proxy = await serve(worker.endpoint, listener=LISTENER, settings=Settings(timeouts=Timeouts(head=5)))
    silent, begun = await proxy.connect(), await proxy.ask(V1[:20])
    await proxy.pass_time(4)
    assert len(proxy.server.connections) == 2
    await proxy.pass_time(2)
    for client in (silent, begun):
        await client.ended()
    assert proxy.ends == [(0, "proxy_protocol")]
    assert not proxy.server.connections


async def test_one_that_leaves_before_is_forgotten(proxy: Proxy) -> None:
    for sent in (b"", V1[:20]):
        client = await proxy.ask(sent)
        await settle()
        client.reset()
        await settle()
        assert not proxy.server.connections
    assert proxy.ends == []


async def test_one_that_is_reset_with_its_preamble_frees_nobody_s_place(serve: Serve, worker: Worker) -> None:
    """It was never counted: who named a client with it could else let that one have more than its share."""
    limits = Limits(connections_per_client=1)
    proxy = await serve(worker.endpoint, settings=Settings(limits=limits), listener=LISTENER)
    client = await proxy.ask(V1 + GET)
    await passed(client, worker, "203.0.113.7")
    gone = Peer(socket.create_connection(cast("tuple[str, int]", proxy.address)))
    gone.send_some(V1 + GET)
    gone.reset()
    await settle()
    assert len(proxy.server.connections) == 1
    assert (await answer(await proxy.ask(V1 + GET))).status == 429


async def test_preambles_take_no_more_connections_than_there_are(serve: Serve, worker: Worker) -> None:
    """Who waits longest without a word makes room; one that has begun does not."""
    proxy = await serve(worker.endpoint, settings=Settings(limits=Limits(connections=2)), listener=LISTENER)
    begun = [await proxy.ask(V1[:10]) for _ in range(MOST_TURNED_AWAY)]
    silent = [await proxy.connect()]
    await proxy.pass_time(1.0)
    silent.append(await proxy.connect())
    await settle()
    third = await proxy.ask(V1[:10])
    await silent[0].ended()
    fourth = await proxy.ask(V1[:10])
    await silent[1].ended()
    await (await proxy.connect()).ended()
    assert len(proxy.server.connections) == MOST_TURNED_AWAY + 2
    assert proxy.capacity.closed == {"idle": 2, "connections": 1, "connections_per_client": 0}
    for client in (*begun, third, fourth):
        await client.silent()


async def test_a_drain_waits_for_none_of_them(proxy: Proxy) -> None:
    clients = [await proxy.connect(), await proxy.ask(V1[:20])]
    await settle()
    proxy.server.pre_shutdown()
    await proxy.pass_time(DRAIN_IDLE)
    await proxy.server.shutdown(60)
    for client in clients:
        await client.ended()
    assert proxy.ends == []


@pytest.mark.parametrize(
    ("trusted", "source"), [("203.0.113.7/32", "198.51.100.9"), ("127.0.0.1/32", "203.0.113.7")]
)
async def test_the_chain_counts_where_the_source_is_trusted(
    serve: Serve, worker: Worker, trusted: str, source: str
) -> None:
    settings = Settings(trusted_proxies=TrustedProxies(networks=(IPv4Network(trusted),)))
    proxy = await serve(worker.endpoint, listener=LISTENER, settings=settings)
    client = await proxy.ask(V1 + HEAD + b"X-Forwarded-For: 1.1.1.1, 198.51.100.9\r\n\r\n")
    await passed(client, worker, source)


async def test_on_a_unix_socket(serve: Serve, worker: Worker, tmp_path: Path) -> None:
    settings = Settings(trusted_proxies=TrustedProxies(unix=True))
    proxy = await serve(worker.endpoint, listener=LISTENER, settings=settings, path=str(tmp_path / "s"))
    chain = HEAD + b"X-Forwarded-For: 198.51.100.9\r\n\r\n"
    for preamble, source in ((V1, "203.0.113.7"), (LOCAL, "198.51.100.9")):
        client = await proxy.ask(preamble + chain)
        peer = await worker.accept()
        await peer.expect(at_worker(source))
        await peer.send(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        await client.until()


@pytest.mark.parametrize(
    "option", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options unique-id,crc32c"]
)
async def test_a_real_haproxy_in_front(proxy: Proxy, worker: Worker, tmp_path: Path, option: str) -> None:
    (port,) = free_ports(1)
    assert isinstance(proxy.address, tuple)
    listen = (
        f"listen front\n  mode tcp\n  bind 127.0.0.1:{port}\n  unique-id-format %pid-%rt\n"
        f"  server router 127.0.0.1:{proxy.address[1]} {option}\n"
    )
    with haproxy(tmp_path, listen, listens_on=port):
        sock = socket.socket()
        sock.setblocking(False)
        sock.bind(("127.0.0.9", 0))
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        client = Peer(sock)
        await client.send(GET)
        await passed(client, worker, "127.0.0.9")
        client.close()
    assert {each.client for each in proxy.recorder.begun} == {"127.0.0.9"}
