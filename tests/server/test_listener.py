"""Draining, and listeners other than a TCP port."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from router.observe.listeners import CertificateState, ListenerState
from router.proxy.connection import DRAIN_IDLE
from router.settings import ServerTls
from tests.authority import Authority, connect
from tests.dialogues import Serve
from tests.wire import PATIENCE, Proxy, settle
from tests.worker import OK, Worker

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


async def test_draining_ends_the_idle_and_waits_for_the_busy(proxy: Proxy, worker: Worker) -> None:
    waiting = await proxy.ask(GET)
    first = await worker.asked()
    answering = await proxy.ask(GET)
    second = await worker.asked()
    await second.send(CHUNKED)
    await answering.expect(CHUNKED)
    idle = await proxy.connect()
    begun = await proxy.ask(GET[:10])
    await settle()
    proxy.server.pre_shutdown()
    draining = asyncio.create_task(proxy.server.shutdown(60))
    await idle.silent()
    await proxy.pass_time(DRAIN_IDLE)
    await idle.ended()
    await begun.send(GET[10:])
    third = await worker.asked()
    for peer in (first, third):
        await peer.send(OK)
    await second.send(b"0\r\n\r\n")
    for client, end in ((waiting, LAST), (begun, LAST), (answering, b"0\r\n\r\n")):
        await client.expect(end)
    for client in (waiting, begun):
        await client.ended()
    await answering.silent()
    await proxy.pass_time(DRAIN_IDLE)
    await answering.ended()
    await draining
    assert proxy.server.connections == set()
    assert [reason for _, reason in proxy.ends] == ["", "", ""]


@pytest.mark.parametrize("state", ["new", "idle", "answering"])
async def test_who_may_still_ask_is_answered_and_told_to_close(
    proxy: Proxy, worker: Worker, state: str
) -> None:
    """Whoever was told that the connection stays open may have the next request on its way."""
    client = await proxy.connect()
    if state != "new":
        await client.send(GET)
        peer = await worker.asked()
        await peer.send(CHUNKED)
        await client.expect(CHUNKED)
        if state == "idle":
            await peer.send(b"0\r\n\r\n")
            await client.expect(b"0\r\n\r\n")
    await settle()
    proxy.server.pre_shutdown()
    if state == "answering":
        await peer.send(b"0\r\n\r\n")
        await client.expect(b"0\r\n\r\n")
    await client.send(GET)
    if state == "new":
        peer = await worker.accept()
    await peer.until()
    await peer.send(OK)
    await client.expect(LAST)
    await client.ended()
    assert [reason for _, reason in proxy.ends] == [""] * len(proxy.ends)


async def test_a_client_who_comes_while_draining_is_served_once(proxy: Proxy, worker: Worker) -> None:
    proxy.server.pre_shutdown()
    late, silent = await proxy.ask(GET), await proxy.connect()
    await (await worker.asked()).send(OK)
    await late.expect(LAST)
    await late.ended()
    await proxy.pass_time(DRAIN_IDLE)
    await silent.ended()


async def test_the_time_to_drain_counts_from_its_beginning(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(GET)
    peer = await worker.asked()
    proxy.server.pre_shutdown()
    proxy.now += 3600
    async with asyncio.timeout(PATIENCE):
        await proxy.server.shutdown(3600)
    assert await client.reset_after() == b""
    await peer.ended()


async def test_who_is_idle_at_the_end_is_not_reset(proxy: Proxy) -> None:
    client = await proxy.connect()
    await settle()
    proxy.server.pre_shutdown()
    await proxy.server.shutdown(0)
    await client.ended()


async def test_one_more_pipelined_request_is_not_served_while_draining(proxy: Proxy, worker: Worker) -> None:
    client = await proxy.ask(GET + GET)
    peer = await worker.asked()
    proxy.server.pre_shutdown()
    await peer.send(OK)
    await client.expect(LAST)
    await client.ended()
    await peer.silent()


@pytest.mark.parametrize("lingers", ["before", "while draining"])
async def test_who_has_the_last_answer_is_not_waited_for(proxy: Proxy, worker: Worker, lingers: str) -> None:
    if lingers == "before":
        client = await proxy.ask(b"NO HEAD\r\n\r\n")
        await client.until(b"HTTP/1.1 400 ")
        proxy.server.pre_shutdown()
    else:
        client = await proxy.ask(GET + GET)
        peer = await worker.asked()
        proxy.server.pre_shutdown()
        await peer.send(OK)
        await client.expect(LAST)
    async with asyncio.timeout(PATIENCE):
        await proxy.server.shutdown(60 * PATIENCE)
    assert proxy.server.connections == set()


async def test_what_does_not_end_in_time_is_reset(proxy: Proxy, worker: Worker) -> None:
    waiting = await proxy.ask(GET)
    first = await worker.asked()
    answering = await proxy.ask(GET)
    second = await worker.asked()
    await second.send(CHUNKED)
    await answering.expect(CHUNKED)
    begun = await proxy.ask(GET[:10])
    await settle()
    proxy.server.pre_shutdown()
    await proxy.server.shutdown(0.01)
    for client in (waiting, answering, begun):
        assert await client.reset_after() == b""
    for peer in (first, second):
        await peer.ended()
    assert sorted(proxy.ends) == [(200, "drain"), (503, "drain")]


async def test_a_listener_on_a_unix_socket(serve: Serve, worker: Worker, tmp_path: Path) -> None:
    proxy = await serve(worker.endpoint, path=str(tmp_path / "router.sock"))
    client = await proxy.ask(GET)
    peer = await worker.accept()
    await peer.expect(
        b"GET /a HTTP/1.1\r\nHost: h\r\n"
        b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n\r\n"
    )
    await peer.send(OK)
    await client.expect(OK)
    client.close()
    await settle()
    assert proxy.server.connections == set()


async def test_what_is_told_of_a_listener(serve: Serve, worker: Worker, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    until = datetime(2030, 1, 2, tzinfo=UTC)
    files = authority.issue("a.example", until=until)
    proxy = await serve(worker.endpoint, tls=ServerTls(certificates=(files,)))
    await connect(proxy, authority.client())
    await proxy.ask(b"GET / HTTP/1.1\r\n\r\n")
    await proxy.connect()
    await settle()
    state = proxy.server.state
    assert state.listener == "127.0.0.1:0"
    assert state.connections == 2
    assert state.handshakes == {"ok": 1, "http_request": 1}
    shown = CertificateState(certificate=files.certificate, names=("a.example",), not_after=until.timestamp())
    assert state.certificates == (shown,)
    authority.issue("new.example", chain="chain-1.pem", key="key-1.pem", until=until)
    assert proxy.server.state.certificates == (shown,), "nobody gets the new one yet"
    assert proxy.server.certificates is not None
    proxy.server.certificates.reload()
    assert proxy.server.state.certificates == (replace(shown, names=("new.example",)),)


async def test_what_is_told_of_one_without_tls(proxy: Proxy) -> None:
    await proxy.connect()
    await settle()
    assert proxy.server.state == ListenerState(listener="127.0.0.1:0", connections=1)
