"""TLS to endpoints: who is believed, who is not, and how it ends, by records over real sockets."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from router.table import ClientTls, DnsAddress, Endpoint, TcpAddress
from router.upstream.check import CheckFailed, Checks
from router.upstream.expansion import expand, of_addresses
from router.upstream.handshake import name_to_verify
from tests.authority import Authority, Secure
from tests.dialogues import Serve
from tests.wire import PATIENCE, Proxy, all_to, answer, settle
from tests.worker import OK, Worker

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def trusting(authority: Authority, **more: str) -> ClientTls:
    return ClientTls(ca=str(authority.file), **more)


async def test_a_request_and_another_on_the_same_connection(
    serve: Serve, worker: Worker, authority: Authority
) -> None:
    secure = Secure(worker, authority, "127.0.0.1")
    proxy = await serve(replace(worker.endpoint, tls=trusting(authority)))
    client = await proxy.ask(GET)
    peer = await secure.accept()
    assert peer.tls.selected_alpn_protocol() in (None, "http/1.1")
    for _ in range(2):
        assert (await peer.until()).startswith(b"GET /a HTTP/1.1\r\n")
        await peer.send(OK)
        await client.expect(OK)
        await client.send(GET)
    await peer.until()
    assert secure.asked_for == [None], "SNI has names only (RFC 6066 section 3)"


async def test_the_name_is_asked_for_and_verified(serve: Serve, worker: Worker, authority: Authority) -> None:
    secure = Secure(worker, authority, "synapse.example")
    proxy = await serve(replace(worker.endpoint, tls=trusting(authority, server_name="synapse.example")))
    client = await proxy.ask(GET)
    peer = await secure.accept()
    assert secure.asked_for == ["synapse.example"]
    await peer.until()
    await peer.send(OK)
    await client.expect(OK)


def checks_of(proxy: Proxy) -> Checks:
    return Checks(pool=proxy.pool, judge=lambda _: None, book=proxy.names)


async def refused(serve: Serve, secure: Secure, tls: ClientTls) -> str:
    """Asks once, then checks once; why that one fails."""
    endpoint = replace(secure.worker.endpoint, tls=tls)
    proxy = await serve(endpoint)
    client = await proxy.ask(GET)
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        await (await secure.accept()).rest()
    assert (await answer(client)).status == 502
    assert [exchange.reason for exchange in proxy.recorder.ended] == ["connect_failed"]
    checking = asyncio.create_task(checks_of(proxy).make(endpoint, None, PATIENCE))
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        await (await secure.accept()).rest()
    with pytest.raises(CheckFailed) as failed:
        await checking
    assert failed.value.refused
    return str(failed.value)


async def test_an_expired_certificate(serve: Serve, worker: Worker, authority: Authority) -> None:
    secure = Secure(worker, authority, "127.0.0.1", until=datetime(2020, 1, 1, tzinfo=UTC))
    reason = await refused(serve, secure, trusting(authority))
    assert reason == f"{worker.endpoint.name}: TLS: certificate verify failed: certificate has expired"


@pytest.mark.parametrize("name", [None, "synapse.example"])
async def test_a_certificate_of_another_name(
    serve: Serve, worker: Worker, authority: Authority, name: str | None
) -> None:
    secure = Secure(worker, authority, "other.example", "127.0.0.2")
    reason = await refused(serve, secure, ClientTls(ca=str(authority.file), server_name=name))
    assert "mismatch, certificate is not valid for" in reason


async def test_an_authority_that_nobody_knows(
    serve: Serve, worker: Worker, authority: Authority, tmp_path: Path
) -> None:
    secure = Secure(worker, authority, "127.0.0.1")
    (tmp_path / "other").mkdir()
    reason = await refused(serve, secure, trusting(Authority(tmp_path / "other")))
    assert "unable to get local issuer certificate" in reason


async def test_the_systems_authorities_are_the_default(
    serve: Serve, worker: Worker, authority: Authority
) -> None:
    secure = Secure(worker, authority, "127.0.0.1")
    assert "certificate verify failed" in await refused(serve, secure, ClientTls())


async def test_a_certificate_may_be_pinned(serve: Serve, worker: Worker, authority: Authority) -> None:
    secure = Secure(worker, authority, "127.0.0.1")
    proxy = await serve(replace(worker.endpoint, tls=ClientTls(ca=str(authority.folder / "chain-1.pem"))))
    client = await proxy.ask(GET)
    peer = await secure.accept()
    await peer.until()
    await peer.send(OK)
    await client.expect(OK)


async def test_a_client_certificate_is_shown(serve: Serve, worker: Worker, authority: Authority) -> None:
    secure = Secure(worker, authority, "127.0.0.1")
    secure.context.verify_mode = ssl.CERT_REQUIRED
    authority.ca.configure_trust(secure.context)
    own = authority.issue("router.example")
    tls = trusting(authority, certificate=own.certificate, key=own.key)
    proxy = await serve(replace(worker.endpoint, tls=tls))
    client = await proxy.ask(GET)
    peer = await secure.accept()
    shown = peer.tls.getpeercert()
    assert shown is not None
    assert shown["subjectAltName"] == (("DNS", "router.example"),)
    await peer.until()
    await peer.send(OK)
    await client.expect(OK)


async def test_an_endpoint_without_tls(serve: Serve, worker: Worker, authority: Authority) -> None:
    proxy = await serve(replace(worker.endpoint, tls=trusting(authority)))
    client = await proxy.ask(GET)
    peer = await worker.accept()
    await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert (await answer(client)).status == 502
    await settle()
    assert proxy.pool._open == set()


async def test_an_endpoint_that_hangs_up(serve: Serve, worker: Worker, authority: Authority) -> None:
    proxy = await serve(replace(worker.endpoint, tls=trusting(authority)))
    client = await proxy.ask(GET)
    (await worker.accept()).close()
    assert (await answer(client)).status == 502


async def test_a_handshake_has_the_time_of_a_connect(
    serve: Serve, worker: Worker, authority: Authority
) -> None:
    proxy = await serve(replace(worker.endpoint, tls=trusting(authority)))
    client = await proxy.ask(GET)
    peer = await worker.accept()
    await proxy.pass_time(6)
    assert (await answer(client)).status == 504
    await peer.rest()


@pytest.mark.parametrize("goodbye", [True, False])
async def test_a_body_that_ends_with_the_connection_needs_a_goodbye(
    serve: Serve, worker: Worker, authority: Authority, goodbye: bool
) -> None:
    secure = Secure(worker, authority, "127.0.0.1")
    proxy = await serve(replace(worker.endpoint, tls=trusting(authority)))
    client = await proxy.ask(GET)
    peer = await secure.accept()
    await peer.until()
    await peer.send(b"HTTP/1.1 200 OK\r\n\r\nbody")
    await client.until(b"4\r\nbody\r\n")
    if goodbye:
        await peer.goodbye()
        await client.expect(b"0\r\n\r\n")
        await client.silent()
    else:
        peer.finish()
        assert await client.reset_after() == b""


async def test_an_idle_connection_that_the_worker_closes_is_not_used_again(
    serve: Serve, worker: Worker, authority: Authority
) -> None:
    secure = Secure(worker, authority, "127.0.0.1")
    proxy = await serve(replace(worker.endpoint, tls=trusting(authority)))
    client = await proxy.ask(GET)
    for _ in range(2):
        peer = await secure.accept()
        await peer.until()
        await peer.send(OK)
        await client.expect(OK)
        await peer.goodbye()
        await settle()
        assert proxy.pool._open == set()
        await client.send(GET)
    await secure.accept()
    assert [exchange.attempts for exchange in proxy.recorder.ended] == [1, 1]


@pytest.mark.parametrize("path", [None, "/health"])
async def test_health_checks_take_the_same_way(
    serve: Serve, worker: Worker, authority: Authority, path: str | None
) -> None:
    secure = Secure(worker, authority, "127.0.0.1")
    endpoint = replace(worker.endpoint, tls=trusting(authority))
    proxy = await serve(endpoint)
    checking = asyncio.create_task(checks_of(proxy).make(endpoint, path, PATIENCE))
    peer = await secure.accept()
    if path:
        assert (await peer.until()).startswith(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1:")
        await peer.send(OK)
    await checking


def with_tls(address: TcpAddress | DnsAddress, name: str | None = None) -> Endpoint:
    return Endpoint(address=address, tls=ClientTls(server_name=name))


@pytest.mark.parametrize(
    ("host", "name", "verified"),
    [("synapse", None, "synapse"), ("synapse.example.", None, "synapse.example"), ("10.0.0.1", "a.b", "a.b")],
)
def test_what_is_verified(host: str, name: str | None, verified: str) -> None:
    endpoint = with_tls(TcpAddress(host=host, port=1), name)
    assert endpoint.tls is not None
    assert name_to_verify(endpoint, endpoint.tls) == verified


@pytest.mark.parametrize(("name", "verified"), [(None, "workers.example"), ("other", "other")])
def test_what_dns_finds_is_verified_by_the_name_that_was_asked_for(name: str | None, verified: str) -> None:
    address = DnsAddress(name="workers.example", port=8008)
    table = all_to(with_tls(address, name))
    (found,) = expand(table.upstreams, {address: of_addresses(["10.0.0.7"], 8008)})["main"].endpoints
    assert found.tls is not None
    assert name_to_verify(found, found.tls) == verified


@pytest.mark.parametrize("path", [None, "/health"])
@pytest.mark.parametrize("name", ["127.0.0.2", "other.example"])
async def test_a_check_believes_nobody_else(
    serve: Serve, worker: Worker, authority: Authority, path: str | None, name: str
) -> None:
    secure = Secure(worker, authority, name)
    endpoint = replace(worker.endpoint, tls=trusting(authority))
    proxy = await serve(endpoint)
    checking = asyncio.create_task(checks_of(proxy).make(endpoint, path, PATIENCE))
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        await (await secure.accept()).rest()
    with pytest.raises(CheckFailed, match=r"TLS: certificate verify failed: .*mismatch"):
        await checking


async def test_a_check_of_an_endpoint_without_tls(serve: Serve, worker: Worker, authority: Authority) -> None:
    endpoint = replace(worker.endpoint, tls=trusting(authority))
    proxy = await serve(endpoint)
    checking = asyncio.create_task(checks_of(proxy).make(endpoint, "/health", PATIENCE))
    await (await worker.accept()).send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(CheckFailed, match="TLS: wrong version number"):
        await checking
