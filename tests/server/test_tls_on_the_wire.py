"""What clients with TLS see and are refused, by records over real sockets."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from router.answers import Response
from router.proxy.connection import DRAIN_IDLE
from router.settings import Limits, Listener, ServerTls, Settings
from router.table import Pattern, Route, RouteTable, TcpAddress
from tests.absence import server_program
from tests.authority import Authority, TlsPeer, connect
from tests.dialogues import Hire, Serve
from tests.wire import PATIENCE, SMALL, Proxy, all_to, answer, settle
from tests.worker import OK, Worker

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
HSTS = b"Strict-Transport-Security: max-age=63072000\r\n"
SECURE_OK = OK.replace(b"\r\n\r\n", b"\r\n" + HSTS + b"\r\n")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def secure(serve: Serve, worker: Worker, authority: Authority) -> Proxy:
    """A listener that speaks TLS before one worker."""
    return await serve(worker.endpoint, tls=ServerTls(certificates=(authority.issue("a.example"),)))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_request_over_tls(
    secure: Proxy, worker: Worker, authority: Authority, version: ssl.TLSVersion
) -> None:
    context = authority.client()
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    client = await connect(secure, context)
    assert client.tls.selected_alpn_protocol() == "http/1.1"
    assert client.tls.compression() is None
    peer = None
    for _ in range(2):
        await client.send(GET)
        if peer is None:
            peer = await worker.accept()
        await peer.expect(
            b"GET /a HTTP/1.1\r\nHost: h\r\n"
            b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: h\r\n\r\n"
        )
        await peer.send(OK)
        await client.expect(SECURE_OK)
    assert secure.server.handshakes == {"ok": 1}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
async def test_old_versions_are_refused(secure: Proxy, authority: Authority, version: ssl.TLSVersion) -> None:
    context = authority.client()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
        await connect(secure, context)
    await settle()
    assert secure.server.handshakes == {"unsupported_protocol": 1}


@pytest.mark.parametrize(
    "ciphers", ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384"]
)
async def test_weak_ciphers_are_refused(secure: Proxy, authority: Authority, ciphers: str) -> None:
    """Without forward secrecy, or in CBC mode; RC4 and 3DES are not even in OpenSSL any more."""
    context = authority.client()
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match="ALERT_HANDSHAKE_FAILURE"):
        await connect(secure, context)
    await settle()
    assert secure.server.handshakes == {"no_shared_cipher": 1}


@pytest.mark.parametrize("cipher", ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"])
async def test_the_client_chooses_among_good_ciphers(
    secure: Proxy, authority: Authority, cipher: str
) -> None:
    context = authority.client()
    context.set_ciphers(f"{cipher}:ECDHE-ECDSA-AES256-GCM-SHA384")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    client = await connect(secure, context)
    assert client.tls.cipher()[0] == cipher  # type: ignore[index] # the handshake is done


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_there_are_no_tickets(secure: Proxy, authority: Authority, version: ssl.TLSVersion) -> None:
    context = authority.client()
    context.maximum_version = version
    client = await connect(secure, context)
    await client.send(b"NO HEAD\r\n\r\n")
    await client.rest()
    session = client.tls.session
    assert session is None or not session.has_ticket


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a.example", "a.example"),
        ("b.example", "b.example"),
        ("B.Example", "b.example"),
        ("one.c.example", "*.c.example"),
        ("one.two.c.example", "a.example"),
        ("c.example", "a.example"),
        ("d.example", "a.example"),
        (None, "a.example"),
    ],
)
async def test_the_certificate_is_chosen_by_name(
    serve: Serve, worker: Worker, authority: Authority, name: str | None, shown: str
) -> None:
    pairs = (authority.issue("a.example"), authority.issue("b.example"), authority.issue("*.c.example"))
    proxy = await serve(worker.endpoint, tls=ServerTls(certificates=pairs))
    context = authority.client()
    context.check_hostname = False
    client = await TlsPeer(await proxy.connect(), context, name=name).handshake()
    certificate = client.tls.getpeercert()
    assert certificate is not None
    assert certificate["subjectAltName"] == (("DNS", shown),)


async def s_client(proxy: Proxy, authority: Authority, *options: str, typed: bytes = b"") -> str:
    """What `openssl s_client` prints when somebody types that."""
    program = server_program("openssl", "openssl")
    assert isinstance(proxy.address, tuple)
    host, port = proxy.address
    where = ("-connect", f"{host}:{port}", "-CAfile", str(authority.file))
    child = await asyncio.create_subprocess_exec(
        program, "s_client", *where, *options,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        if typed:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(typed)
            return (await asyncio.wait_for(child.stdout.read(), PATIENCE)).decode()
        return (await asyncio.wait_for(child.communicate(b""), PATIENCE))[0].decode()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


async def test_the_chain_is_sent_in_the_order_of_its_file(
    serve: Serve, worker: Worker, authority: Authority
) -> None:
    files = authority.issue("a.example", between=True)
    proxy = await serve(worker.endpoint, tls=ServerTls(certificates=(files,)))
    out = await s_client(proxy, authority, "-showcerts", "-servername", "a.example", "-verify_return_error")
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    sent = [part.partition(end)[0].strip() for part in out.split(begin)[1:]]
    assert (
        sent
        == [part.partition(end)[0].strip() for part in authority.chain(files).split(begin)[1:]][: len(sent)]
    )
    assert len(sent) == 2, "the leaf and the one between, without the root"
    assert "Verify return code: 0 (ok)" in out


async def test_a_client_may_not_renegotiate(secure: Proxy, authority: Authority) -> None:
    out = await s_client(secure, authority, "-tls1_2", typed=b"R\n")
    assert "RENEGOTIATING" in out
    assert "no renegotiation" in out


async def test_local_answers_have_hsts_too(secure: Proxy, authority: Authority) -> None:
    client = await connect(secure, authority.client())
    await client.send(b"GET /_synapse/admin/v1/x HTTP/1.1\r\nHost: h\r\n\r\n")
    closed = await answer(client)
    assert (closed.status, closed.headers["strict-transport-security"]) == (404, "max-age=63072000")
    await client.send(b"NO HEAD\r\n\r\n")
    refused = await answer(client)
    assert (refused.status, refused.headers["strict-transport-security"]) == (400, "max-age=63072000")
    await client.ended()


@pytest.mark.parametrize(("hsts", "line"), [(0, b""), (3600, b"Strict-Transport-Security: max-age=3600\r\n")])
async def test_hsts_as_it_is_set(
    serve: Serve, worker: Worker, authority: Authority, hsts: int, line: bytes
) -> None:
    tls = ServerTls(certificates=(authority.issue("a.example"),), hsts=hsts)
    proxy = await serve(worker.endpoint, tls=tls)
    client = await connect(proxy, authority.client())
    await client.send(GET)
    await (await worker.asked()).send(OK)
    await client.expect(OK.replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n"))


async def test_hsts_of_a_route_s_own_answer_stays_alone(
    serve: Serve, worker: Worker, authority: Authority
) -> None:
    tls = ServerTls(certificates=(authority.issue("a.example"),))
    own = Response(fields=(("strict-transport-security", "max-age=1"),))
    route = Route(name="own", pattern=Pattern(text="^/"), response=own)
    table = RouteTable(routes=(route,), upstreams=all_to(worker.endpoint).upstreams)
    client = await connect(await serve(table=table, tls=tls), authority.client())
    await client.send(GET)
    assert (await client.until()).lower().count(b"strict-transport-security: ") == 1


async def test_hsts_of_the_worker_stays_alone(secure: Proxy, worker: Worker, authority: Authority) -> None:
    own = OK.replace(b"\r\n\r\n", b"\r\nstrict-transport-security: max-age=1\r\n\r\n")
    client = await connect(secure, authority.client())
    await client.send(GET)
    await (await worker.asked()).send(own)
    await client.expect(own)


async def test_a_cut_answer_ends_in_a_reset_without_a_goodbye(
    secure: Proxy, worker: Worker, authority: Authority
) -> None:
    client = await connect(secure, authority.client())
    await client.send(GET)
    peer = await worker.asked()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    await client.until(b"half")
    peer.reset()
    assert await client.reset_after() == b""
    assert secure.ends == [(200, "aborted")]


async def test_a_whole_answer_that_ends_with_the_connection_has_a_goodbye(
    secure: Proxy, worker: Worker, authority: Authority
) -> None:
    client = await connect(secure, authority.client())
    await client.send(GET.replace(b"HTTP/1.1", b"HTTP/1.0"))
    peer = await worker.asked()
    await peer.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
    peer.close()
    await client.until(b"all of it")
    await client.ended()


@pytest.mark.parametrize("how", ["goodbye", "end", "reset"])
async def test_a_client_that_leaves_cancels_its_request(
    secure: Proxy, worker: Worker, authority: Authority, how: str
) -> None:
    client = await connect(secure, authority.client())
    await client.send(GET)
    peer = await worker.asked()
    if how == "goodbye":
        await client.goodbye()
    elif how == "end":
        client.finish()
    else:
        client.reset()
    await peer.ended()
    await settle()
    assert secure.ends == [(499, "client_gone")]


async def test_an_answer_larger_than_every_buffer(serve: Serve, workers: Hire, authority: Authority) -> None:
    worker = workers(kernel=SMALL)
    tls = ServerTls(certificates=(authority.issue("a.example"),))
    proxy = await serve(worker.endpoint, tls=tls, kernel=SMALL)
    client = await TlsPeer(
        await proxy.connect(kernel=SMALL), authority.client(), name="a.example"
    ).handshake()
    body = bytes(range(256)) * 16_000
    await client.send(GET)
    peer = await worker.asked()
    sending = asyncio.create_task(
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    )
    await settle()
    await asyncio.sleep(0.1)
    assert not sending.done(), "the worker is held back"
    (connection,) = proxy.clients
    assert connection._transport is not None
    waiting = connection._transport.get_write_buffer_size()
    assert 16_384 < waiting < 65_536 + 300_000
    await client.until()
    for at in range(0, len(body), 64_000):
        await client.expect(body[at : at + 64_000])
    await sending


async def test_a_slow_reader_gets_the_rest_of_a_last_answer(
    serve: Serve, worker: Worker, authority: Authority
) -> None:
    """What waits is in the raw transport, and must be seen to become less."""
    tls = ServerTls(certificates=(authority.issue("a.example"),))
    proxy = await serve(worker.endpoint, tls=tls, kernel=SMALL)
    client = await TlsPeer(
        await proxy.connect(kernel=SMALL), authority.client(), name="a.example"
    ).handshake()
    body = b"x" * 200_000
    await client.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    peer = await worker.asked()
    sending = asyncio.create_task(
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    )
    await client.until()
    for _ in range(3):
        await client.exactly(20_000)
        await proxy.pass_time(6)
    await client.expect(body[60_000:])
    await client.ended()
    await sending


async def test_an_upload_larger_than_every_buffer(serve: Serve, workers: Hire, authority: Authority) -> None:
    worker = workers(kernel=SMALL)
    tls = ServerTls(certificates=(authority.issue("a.example"),))
    proxy = await serve(worker.endpoint, tls=tls, kernel=SMALL)
    client = await TlsPeer(
        await proxy.connect(kernel=SMALL), authority.client(), name="a.example"
    ).handshake()
    body = bytes(range(256)) * 40_000
    head = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body)
    sending = asyncio.create_task(client.send(head + body))
    peer = await worker.accept()
    await peer.until()
    await asyncio.sleep(0.1)
    assert not sending.done(), "the client is held back"
    for at in range(0, len(body), 64_000):
        await peer.expect(body[at : at + 64_000])
    await peer.send(OK)
    await client.expect(SECURE_OK)
    await sending


async def test_requests_that_come_with_the_handshake(
    secure: Proxy, worker: Worker, authority: Authority
) -> None:
    """A client may send at once, in one segment with the end of its handshake."""
    raw = await secure.connect()
    client = TlsPeer(raw, authority.client(), name="a.example")
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    await client.flush()
    while True:
        await client._feed()
        try:
            client.tls.do_handshake()
        except ssl.SSLWantReadError:
            continue
        break
    await client.send(GET + GET)
    peer = await worker.asked()
    await peer.send(OK)
    await client.expect(SECURE_OK)
    await peer.until()
    await peer.send(OK)
    await client.expect(SECURE_OK)


async def test_plain_http_is_told_so(secure: Proxy) -> None:
    client = await secure.ask(GET)
    told = await answer(client)
    assert told.status == 400
    assert b"speaks TLS" in told.body
    assert "strict-transport-security" not in told.headers, "RFC 6797 section 7.2"
    await client.ended()
    assert secure.server.handshakes == {"http_request": 1}
    assert secure.ends == []


@pytest.mark.parametrize(
    "what", [b"\x16\x03\x01\x00\x05hello", b"\x00" * 600, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
)
async def test_what_is_no_handshake_ends_the_connection(secure: Proxy, what: bytes) -> None:
    client = await secure.ask(what)
    await client.rest()
    assert sum(secure.server.handshakes.values()) == 1
    assert secure.ends == []


@pytest.mark.parametrize("sent", [0, 1, 60])
async def test_a_slow_handshake_is_ended(secure: Proxy, authority: Authority, sent: int) -> None:
    client = TlsPeer(await secure.connect(), authority.client(), name="a.example")
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    raw = await secure.ask(client._outgoing.read()[:sent])
    await settle()
    assert len(secure.server.connections) == 2
    await secure.pass_time(61)
    await raw.ended()
    assert secure.server.handshakes == {"timeout": 2}
    assert secure.server.connections == set()


async def test_who_leaves_during_the_handshake_is_forgotten(secure: Proxy) -> None:
    client = await secure.ask(b"\x16\x03\x01")
    await settle()
    assert len(secure.server.connections) == 1
    client.close()
    await settle()
    assert secure.server.connections == set()
    assert secure.server.handshakes == {"left": 1}


async def test_the_handshake_is_no_part_of_the_time_for_a_head(secure: Proxy, authority: Authority) -> None:
    client = await connect(secure, authority.client())
    await secure.pass_time(61)
    await client.ended()
    assert secure.server.handshakes == {"ok": 1}


async def test_draining_ends_handshakes_and_says_goodbye_to_the_idle(
    secure: Proxy, worker: Worker, authority: Authority
) -> None:
    begun = await secure.ask(b"\x16\x03\x01")
    idle = await connect(secure, authority.client())
    busy = await connect(secure, authority.client())
    await busy.send(GET)
    peer = await worker.asked()
    secure.server.pre_shutdown()
    draining = asyncio.create_task(secure.server.shutdown(60))
    await secure.pass_time(DRAIN_IDLE)
    await idle.ended()
    await begun.ended()
    await peer.send(OK)
    await busy.expect(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n" + HSTS + b"\r\n"))
    await busy.ended()
    await draining


async def test_a_client_that_still_sends_can_read_why_it_is_refused(
    secure: Proxy, authority: Authority
) -> None:
    client = await connect(secure, authority.client())
    await client.send(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 100_000)
    refused = await answer(client)
    assert refused.status == 413
    await client.ended()
    await secure.pass_time(1)
    assert secure.server.connections, "it lingers, so that no reset overtakes the answer"
    client.close()


async def test_a_new_certificate_is_for_new_connections(
    secure: Proxy, worker: Worker, authority: Authority
) -> None:
    old = await connect(secure, authority.client())
    authority.issue("a.example", "new.example", chain="chain-1.pem", key="key-1.pem")
    store = secure.server.certificates
    assert store is not None
    assert store.changed()
    store.reload()
    assert not store.changed()
    new = await connect(secure, authority.client(), "new.example")
    for client in (old, new):
        await client.send(GET)
        peer = await worker.asked()
        await peer.send(OK)
        await client.expect(SECURE_OK)
        peer.close()
        await settle()


async def test_a_preamble_comes_before_the_handshake(
    serve: Serve, worker: Worker, authority: Authority
) -> None:
    tls = ServerTls(certificates=(authority.issue("a.example"),))
    where = TcpAddress(host="127.0.0.1", port=0)
    proxy = await serve(worker.endpoint, listener=Listener(address=where, proxy_protocol=True, tls=tls))
    raw = await proxy.ask(b"PROXY TCP4 198.51.100.7 127.0.0.1 4711 443\r\n")
    client = await TlsPeer(raw, authority.client(), name="a.example").handshake()
    await client.send(GET)
    peer = await worker.asked()
    await peer.send(OK)
    await client.expect(SECURE_OK)
    assert [exchange.client for exchange in proxy.recorder.ended] == ["198.51.100.7"]


async def test_a_handshake_is_no_preamble(serve: Serve, worker: Worker, authority: Authority) -> None:
    tls = ServerTls(certificates=(authority.issue("a.example"),))
    where = TcpAddress(host="127.0.0.1", port=0)
    proxy = await serve(worker.endpoint, listener=Listener(address=where, proxy_protocol=True, tls=tls))
    with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
        await connect(proxy, authority.client())
    assert proxy.server.handshakes == {}


async def test_handshakes_take_no_more_connections_than_there_are(
    serve: Serve, worker: Worker, authority: Authority
) -> None:
    """The handshake that has waited longest makes room; requests do not."""
    settings = Settings(limits=Limits(connections=2, connections_per_client=2))
    tls = ServerTls(certificates=(authority.issue("a.example"),))
    proxy = await serve(worker.endpoint, tls=tls, settings=settings)
    first = await proxy.ask(b"\x16\x03\x01")
    await settle()
    busy = await connect(proxy, authority.client())
    await busy.send(GET)
    peer = await worker.asked()
    other = await connect(proxy, authority.client())
    await first.ended()
    await other.send(GET)
    second = await worker.asked()
    third = await proxy.connect()
    with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
        await TlsPeer(third, authority.client(), name="a.example").handshake()
    for client, each in ((busy, peer), (other, second)):
        await each.send(OK)
        await client.expect(SECURE_OK)
    assert proxy.server.handshakes == {"closed": 1, "ok": 2, "no_room": 1}
