"""A certificate authority for tests, and a peer that speaks TLS by raw records."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from datetime import datetime
from pathlib import Path

import trustme

from router.settings import CertificateFiles
from tests.wire import Peer, Proxy
from tests.worker import Worker


class Authority:
    """Issues certificates into files of a folder."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.folder = folder
        self.file = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(str(self.file))
        self._issued = 0

    def issue(
        self,
        *names: str,
        chain: str = "",
        key: str = "",
        until: datetime | None = None,
        between: bool = False,
    ) -> CertificateFiles:
        """A chain and its key, in files of these names or of new ones; `between` adds one to the chain."""
        self._issued += 1
        issuer = self.ca.create_child_ca() if between else self.ca
        leaf = issuer.issue_cert(*names, not_after=until)
        files = CertificateFiles(
            certificate=str(self.folder / (chain or f"chain-{self._issued}.pem")),
            key=str(self.folder / (key or f"key-{self._issued}.pem")),
        )
        Path(files.certificate).write_bytes(b"".join(each.bytes() for each in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(files.key)
        return files

    @staticmethod
    def chain(files: CertificateFiles) -> str:
        """The certificates of a file, as text."""
        return Path(files.certificate).read_text(encoding="ascii")

    def client(self) -> ssl.SSLContext:
        """What a client trusts: this authority alone."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.ca.configure_trust(context)
        return context


class TlsPeer(Peer):
    """One end of a connection with TLS: its `sock` still carries raw records."""

    def __init__(
        self, raw: Peer, wrapped: ssl.SSLContext, *, name: str | None = None, server: bool = False
    ) -> None:
        super().__init__(raw.sock)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = wrapped.wrap_bio(self._incoming, self._outgoing, server_side=server, server_hostname=name)

    async def handshake(self) -> TlsPeer:
        """Raises what ssl raises where it fails."""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self.flush()
                await self._feed()
            else:
                await self.flush()
                return self

    async def flush(self) -> None:
        """Sends the records that are ready."""
        if self._outgoing.pending:
            await super().send(self._outgoing.read())

    async def _feed(self) -> None:
        loop = asyncio.get_running_loop()
        data: bytes = await self._patiently(loop.sock_recv(self.sock, 65_536), "sends nothing")
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def send(self, data: bytes) -> None:
        self.tls.write(data)
        await self.flush()

    async def _read(self) -> bytes:
        """b"" where the other side has said that it sends no more; ssl.SSLEOFError where it just ends."""
        while True:
            try:
                data = self.tls.read(65_536)
            except ssl.SSLWantReadError:
                await self._feed()
            except ssl.SSLZeroReturnError:
                return b""
            else:
                self._buffer += data
                return data

    async def goodbye(self) -> None:
        """Sends close_notify, and goes on reading."""
        with contextlib.suppress(ssl.SSLError):
            self.tls.unwrap()
        await self.flush()


async def connect(proxy: Proxy, context: ssl.SSLContext, name: str = "a.example") -> TlsPeer:
    """A new client of the proxy whose handshake is done."""
    return await TlsPeer(await proxy.connect(), context, name=name).handshake()


class Secure:
    """A worker that speaks TLS."""

    def __init__(
        self, worker: Worker, authority: Authority, *names: str, until: datetime | None = None
    ) -> None:
        self.worker = worker
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        files = authority.issue(*names, until=until)
        self.context.load_cert_chain(files.certificate, files.key)
        self.asked_for: list[str | None] = []
        self.context.sni_callback = lambda _, name, __: self.asked_for.append(name)

    async def accept(self) -> TlsPeer:
        return await TlsPeer(await self.worker.accept(), self.context, server=True).handshake()
