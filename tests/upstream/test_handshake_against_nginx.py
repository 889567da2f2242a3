"""A real nginx and its certificate as an endpoint; and what nginx and HAProxy believe of such an endpoint."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from router.table import ClientTls, Endpoint
from router.upstream.check import CheckFailed, Checks
from tests import real_haproxy
from tests.authority import Authority
from tests.dialogues import Serve
from tests.real_haproxy import haproxy
from tests.real_nginx import Client, free_ports, nginx
from tests.wire import PATIENCE, answer, tcp

pytestmark = [pytest.mark.nginx, pytest.mark.xdist_group("nginx")]

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
NAME = "synapse.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Ports of one nginx: each shows another certificate."""

    authority: Authority
    ports: Mapping[str, int]

    def endpoint(self, port: str, *, name: str | None = None) -> Endpoint:
        return tcp(self.ports[port], tls=ClientTls(ca=str(self.authority.file), server_name=name))


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("nginx")
    (folder / "stranger").mkdir()
    authority, stranger = Authority(folder), Authority(folder / "stranger")
    pairs = {
        "good": authority.issue("127.0.0.1", NAME, between=True),
        "another name": authority.issue("127.0.0.2", "other.example"),
        "expired": authority.issue("127.0.0.1", until=datetime(2020, 1, 1, tzinfo=UTC)),
        "a stranger's": stranger.issue("127.0.0.1"),
    }
    ports = dict(zip((*pairs, "plain"), free_ports(len(pairs) + 1), strict=True))
    text = 'return 200 "$ssl_protocol $ssl_server_name $connection_requests $http_x_forwarded_proto";'
    servers = [
        f"server {{ listen 127.0.0.1:{ports[which]} ssl; ssl_protocols TLSv1.2 TLSv1.3; {text}\n"
        f"ssl_certificate {files.certificate}; ssl_certificate_key {files.key}; }}\n"
        for which, files in pairs.items()
    ]
    plain = f"server {{ listen 127.0.0.1:{ports['plain']}; {text} }}\n"
    with nginx(folder, "".join((*servers, plain))):
        yield Servers(authority=authority, ports=ports)


def open_sockets() -> int:
    """Of this process."""
    return sum(each.is_socket() for each in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize(("name", "asked_for"), [(None, b""), (NAME, NAME.encode())])
async def test_requests_go_through(
    serve: Serve, servers: Servers, name: str | None, asked_for: bytes
) -> None:
    endpoint = servers.endpoint("good", name=name)
    proxy = await serve(endpoint)
    client = await proxy.ask(GET)
    for number in (b"1", b"2"):
        assert (await answer(client)).body == b" ".join((b"TLSv1.3", asked_for, number, b"http"))
        await client.send(GET)
    await answer(client)
    checks = Checks(pool=proxy.pool, judge=lambda _: None, book=proxy.names)
    before = open_sockets()
    await checks.make(endpoint, "/health", PATIENCE)
    # Whoever closes TLS waits for the other side to do so, here another process.
    async with asyncio.timeout(PATIENCE):
        while open_sockets() > before:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("shown", "name", "reason"),
    [
        ("another name", None, "IP address mismatch, certificate is not valid for '127.0.0.1'"),
        ("another name", NAME, f"Hostname mismatch, certificate is not valid for '{NAME}'"),
        ("expired", None, "certificate has expired"),
        ("a stranger's", None, "unable to get local issuer certificate"),
        ("plain", None, "wrong version number"),
    ],
)
async def test_whoever_cannot_be_believed_gets_no_request(
    serve: Serve, servers: Servers, shown: str, name: str | None, reason: str
) -> None:
    endpoint = servers.endpoint(shown, name=name)
    proxy = await serve(endpoint)
    told = await answer(await proxy.ask(GET))
    assert told.status == 502
    assert proxy.ends == [(502, "connect_failed")]
    checks = Checks(pool=proxy.pool, judge=lambda _: None, book=proxy.names)
    for path in (None, "/health"):
        with pytest.raises(CheckFailed) as failed:
            await checks.make(endpoint, path, PATIENCE)
        assert str(failed.value).startswith(f"{endpoint.name}: TLS: ")
        assert reason in str(failed.value)


SHOWN = ("good", "another name", "expired", "a stranger's")


@pytest.mark.parametrize(
    ("verify", "statuses"), [("off", [200, 200, 200, 200]), ("on", [200, 502, 502, 502])]
)
def test_nginx_believes_everybody_unless_told(
    servers: Servers, tmp_path: Path, verify: str, statuses: list[int]
) -> None:
    (port,) = free_ports(1)
    told = f"proxy_ssl_name {NAME}; proxy_ssl_trusted_certificate {servers.authority.file};"
    if verify == "on":
        told += " proxy_ssl_verify on; proxy_ssl_verify_depth 2;"
    locations = "".join(
        f"location /{number} {{ proxy_pass https://127.0.0.1:{servers.ports[shown]}; {told} }}\n"
        for number, shown in enumerate(SHOWN)
    )
    with nginx(tmp_path, f"server {{ listen 127.0.0.1:{port}; {locations} }}"), Client(port) as client:
        assert [client.ask(b"/%d" % number)[0] for number in range(len(SHOWN))] == statuses


def test_haproxy_wants_an_authority_and_looks_at_no_name(servers: Servers, tmp_path: Path) -> None:
    ports = free_ports(len(SHOWN))

    def proxies(more: str) -> str:
        return "".join(
            f"listen l{port}\n  bind 127.0.0.1:{port}\n"
            f"  server s 127.0.0.1:{servers.ports[shown]} ssl {more}\n"
            for port, shown in zip(ports, SHOWN, strict=True)
        )

    file = tmp_path / "without.cfg"
    file.write_text(f"defaults\n  mode http\n{proxies('')}")
    checked = subprocess.run(
        [real_haproxy.program(), "-c", "-f", file], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 1
    assert "verify is enabled by default but no CA file specified" in checked.stderr
    statuses = []
    with haproxy(tmp_path, proxies(f"ca-file {servers.authority.file}"), listens_on=ports[-1]):
        for port in ports:
            with Client(port) as client:
                statuses.append(client.ask(b"/a")[0])
    assert statuses == [200, 200, 503, 503]
