"""What clients get of TLS by the router, a real nginx and a real HAProxy, as Mozilla's guidelines say."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from router.settings import CertificateFiles, ServerTls
from router.tls.contexts import CIPHERS
from tests.authority import Authority, TlsPeer
from tests.dialogues import Serve
from tests.real_haproxy import haproxy
from tests.real_nginx import free_ports, nginx
from tests.wire import Peer
from tests.worker import OK, Worker

pytestmark = [pytest.mark.nginx, pytest.mark.xdist_group("nginx")]

US, NGINX, HAPROXY = "the router", "nginx", "HAProxy"
NAMES: Mapping[object, str] = {(("DNS", name),): name for name in ("a.example", "b.example", "*.c.example")}
"""What getpeercert says of each certificate, and its name."""

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pairs(authority: Authority) -> tuple[CertificateFiles, ...]:
    return tuple(authority.issue(name) for name in NAMES.values())


@pytest.fixture(scope="module")
def nginx_port(
    pairs: tuple[CertificateFiles, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    (port,) = free_ports(1)
    servers = (
        f"server {{ listen 127.0.0.1:{port} ssl; server_name {name}; "
        f"ssl_certificate {files.certificate}; ssl_certificate_key {files.key}; return 200 ok; }}\n"
        for name, files in zip(NAMES.values(), pairs, strict=True)
    )
    common = f"ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers {CIPHERS}; ssl_session_tickets off;\n"
    with nginx(tmp_path_factory.mktemp("nginx"), common + "".join(servers)):
        yield port


@pytest.fixture(scope="module")
def haproxy_port(
    pairs: tuple[CertificateFiles, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("haproxy")
    (port,) = free_ports(1)
    for number, files in enumerate(pairs):
        both = Path(files.certificate).read_text() + Path(files.key).read_text()
        (folder / f"{number}.pem").write_text(both)
    certificates = " ".join(f"crt {folder}/{number}.pem" for number in range(len(pairs)))
    front = (
        f"frontend f\n  bind 127.0.0.1:{port} ssl {certificates} ssl-min-ver TLSv1.2 ciphers {CIPHERS} "
        f"no-tls-tickets prefer-client-ciphers alpn http/1.1\n  http-request return status 200\n"
    )
    with haproxy(folder, front, listens_on=port):
        yield port


@pytest.fixture
async def ports(
    serve: Serve, worker: Worker, pairs: tuple[CertificateFiles, ...], nginx_port: int, haproxy_port: int
) -> Mapping[str, int]:
    """Where each of the three listens."""
    ours = await serve(worker.endpoint, tls=ServerTls(certificates=pairs))
    assert isinstance(ours.address, tuple)
    return {US: ours.address[1], NGINX: nginx_port, HAPROXY: haproxy_port}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a client says in its hello."""

    versions: tuple[ssl.TLSVersion, ssl.TLSVersion] = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    ciphers: str = "DEFAULT"
    protocols: tuple[str, ...] = field(default=("http/1.1",))
    name: str | None = "a.example"


def only(version: ssl.TLSVersion, ciphers: str = "DEFAULT") -> Offer:
    return Offer(versions=(version, version), ciphers=ciphers)


async def connected(port: int) -> Peer:
    sock = socket.socket()
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    return Peer(sock)


async def outcome(port: int, authority: Authority, offer: Offer) -> tuple[str, ...]:
    """Version, cipher, protocol and certificate's name; or the alert that ended it."""
    context = authority.client()
    context.check_hostname = False
    context.set_ciphers(f"{offer.ciphers}:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = offer.versions
    if offer.protocols:
        context.set_alpn_protocols(list(offer.protocols))
    raw = await connected(port)
    try:
        peer = await TlsPeer(raw, context, name=offer.name).handshake()
        cipher, shown = peer.tls.cipher(), peer.tls.getpeercert()
        assert cipher is not None
        assert shown is not None
        alternative = NAMES[shown["subjectAltName"]]
        return (str(peer.tls.version()), cipher[0], peer.tls.selected_alpn_protocol() or "", alternative)
    except ssl.SSLError as error:
        # OpenSSL's words: Python has no name for every alert.
        return (str(error.strerror).partition("] ")[2].partition(" (")[0],)
    finally:
        raw.close()


V10, V11, V12, V13 = (
    ssl.TLSVersion.TLSv1,
    ssl.TLSVersion.TLSv1_1,
    ssl.TLSVersion.TLSv1_2,
    ssl.TLSVersion.TLSv1_3,
)
AES, CHACHA = "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"
BEST = "TLS_AES_256_GCM_SHA384"
OLD, NO_CIPHER, NO_PROTOCOL = (
    ("tlsv1 alert protocol version",),
    ("sslv3 alert handshake failure",),
    ("tlsv1 alert no application protocol",),
)


def got(version: str, cipher: str, protocol: str = "http/1.1", name: str = "a.example") -> tuple[str, ...]:
    return (version, cipher, protocol, name)


@pytest.mark.parametrize(
    ("offer", "outcomes"),
    [
        pytest.param(only(V10), OLD, id="1.0"),
        pytest.param(only(V11), OLD, id="1.1"),
        pytest.param(only(V12, AES), got("TLSv1.2", AES), id="1.2"),
        pytest.param(only(V13), got("TLSv1.3", BEST), id="1.3"),
        pytest.param(only(V12, f"{CHACHA}:{AES}"), got("TLSv1.2", CHACHA), id="the client's choice"),
        pytest.param(only(V12, f"{AES}:{CHACHA}"), got("TLSv1.2", AES), id="its other choice"),
        pytest.param(only(V12, "AES128-GCM-SHA256"), NO_CIPHER, id="no forward secrecy"),
        pytest.param(only(V12, "ECDHE-ECDSA-AES128-SHA"), NO_CIPHER, id="CBC"),
        pytest.param(Offer(name="b.example"), got("TLSv1.3", BEST, name="b.example"), id="second name"),
        pytest.param(Offer(name="x.c.example"), got("TLSv1.3", BEST, name="*.c.example"), id="wildcard"),
        pytest.param(Offer(name="x.y.example"), got("TLSv1.3", BEST), id="unknown name"),
        pytest.param(Offer(name=None), got("TLSv1.3", BEST), id="no name"),
        pytest.param(
            Offer(name="x.y.c.example"),
            {
                US: got("TLSv1.3", BEST),
                NGINX: got("TLSv1.3", BEST, name="*.c.example"),
                HAPROXY: got("TLSv1.3", BEST),
            },
            id="two labels for a wildcard",
        ),
        pytest.param(Offer(protocols=("h2", "http/1.1")), got("TLSv1.3", BEST), id="h2 first"),
        pytest.param(Offer(protocols=()), got("TLSv1.3", BEST, ""), id="no ALPN"),
        pytest.param(
            Offer(protocols=("h2",)),
            {US: got("TLSv1.3", BEST, ""), NGINX: NO_PROTOCOL, HAPROXY: got("TLSv1.3", BEST, "")},
            id="h2 alone",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
async def test_what_a_client_gets(
    ports: Mapping[str, int],
    authority: Authority,
    offer: Offer,
    outcomes: tuple[str, ...] | dict[str, tuple[str, ...]],
) -> None:
    expected = outcomes if isinstance(outcomes, dict) else dict.fromkeys(ports, outcomes)
    assert {who: await outcome(port, authority, offer) for who, port in ports.items()} == expected


async def test_plain_http(ports: Mapping[str, int]) -> None:
    answers = {}
    for who, port in ports.items():
        peer = await connected(port)
        await peer.send(GET)
        try:
            answers[who] = (await peer.rest()).split(b"\r\n")[0]
        except ConnectionResetError:
            answers[who] = b"reset"
        peer.close()
    assert answers == {US: b"HTTP/1.1 400 Bad Request", NGINX: b"HTTP/1.1 400 Bad Request", HAPROXY: b""}


async def test_a_request(ports: Mapping[str, int], worker: Worker, authority: Authority) -> None:
    async def serve_all(peer: Peer) -> None:
        await peer.until()
        await peer.send(OK)
        await peer.rest()

    worker.behave(serve_all)
    for port in ports.values():
        raw = await connected(port)
        peer = await TlsPeer(raw, authority.client(), name="a.example").handshake()
        await peer.send(GET)
        assert (await peer.until()).startswith(b"HTTP/1.1 200 ")
        raw.close()
