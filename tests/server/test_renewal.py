"""When certificates are read again, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from router.proxy.context import ProxyContext
from router.server.listener import ProxyServer
from router.server.renewal import INTERVAL, Renewal
from router.settings import Listener, ServerTls
from router.table import ClientTls, TcpAddress
from router.tls.certificates import CertificateStore, ClientStore
from tests.authority import Authority
from tests.dialogues import Serve
from tests.worker import Worker


class Watched:
    """A renewal of one listener with TLS and one without, at a time that the test sets."""

    def __init__(self, context: ProxyContext, folder: Path) -> None:
        self.authority = Authority(folder)
        self.now = 1000.0
        self.said: list[str] = []
        files = self.authority.issue("a.example", chain="chain.pem", key="key.pem")
        secure = Listener(address=TcpAddress(host="h", port=443), tls=ServerTls(certificates=(files,)))
        plain = Listener(address=TcpAddress(host="h", port=80))
        self.store = CertificateStore((files,))
        servers = (ProxyServer(context, plain), ProxyServer(context, secure, self.store))
        self.clients = ClientStore()
        self.renewal = Renewal(servers, self.clients, clock=lambda: self.now, say=self.said.append)

    @property
    def names(self) -> list[str]:
        return [name for facts in self.store.facts for name in facts.names]

    def renew(self) -> None:
        self.authority.issue("a.example", "b.example", chain="chain.pem", key="key.pem")


@pytest.fixture
async def watched(serve: Serve, worker: Worker, tmp_path: Path) -> Watched:
    return Watched((await serve(worker.endpoint)).context, tmp_path)


async def test_files_are_looked_at_once_a_minute(watched: Watched) -> None:
    watched.renew()
    watched.now += INTERVAL - 1
    watched.renewal.tick()
    assert watched.said == []
    watched.now += 1
    watched.renewal.tick()
    (line,) = watched.said
    assert line.startswith("h:443 has read its certificates again: a.example, b.example until 3000-01-01")
    assert watched.names == ["a.example", "b.example"]
    watched.now += INTERVAL
    watched.renewal.tick()
    assert len(watched.said) == 1, "nothing has changed since"


async def test_a_broken_file_is_said_once_and_changes_nothing(watched: Watched) -> None:
    (watched.authority.folder / "key.pem").write_text("half a k")
    for _ in range(3):
        watched.now += INTERVAL
        watched.renewal.tick()
    (line,) = watched.said
    assert line.startswith("error: h:443 keeps its old certificates: ")
    assert "key.pem holds no private key" in line
    assert watched.names == ["a.example"]
    watched.renew()
    watched.now += INTERVAL
    watched.renewal.tick()
    assert watched.names == ["a.example", "b.example"]


async def test_all_are_read_when_that_is_asked_for(watched: Watched) -> None:
    watched.renewal.read_all()
    assert len(watched.said) == 1
    watched.renew()
    watched.renewal.read_all()
    assert watched.names == ["a.example", "b.example"]


async def test_what_endpoints_are_trusted_by_is_read_too(watched: Watched) -> None:
    tls = ClientTls(ca=str(watched.authority.file))
    before = watched.clients.of(tls)
    watched.now += INTERVAL
    watched.renewal.tick()
    assert watched.said == []
    trustme.CA().cert_pem.write_to_path(str(watched.authority.file))
    watched.now += INTERVAL
    watched.renewal.tick()
    assert watched.said == ["TLS to endpoints has read its certificates again"]
    assert watched.clients.of(tls) is not before
    watched.authority.file.write_text("half a c")
    for _ in range(2):
        watched.now += INTERVAL
        watched.renewal.tick()
    (_, line) = watched.said
    assert line.startswith("error: TLS to endpoints keeps its old certificates: ")
