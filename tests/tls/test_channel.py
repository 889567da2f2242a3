"""The channel between a raw transport and a protocol, from both sides, by records over real sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from router.tls.certificates import CertificateStore
from router.tls.channel import FEED, TlsChannel
from tests.authority import Authority, TlsPeer
from tests.wire import PATIENCE, SMALL, Peer, settle


class Recorder(asyncio.Protocol):
    """What a protocol is told."""

    def __init__(self) -> None:
        self.transport: TlsChannel | None = None
        self.received: list[bytes] = []
        self.told: list[str] = []
        self.lost = asyncio.Event()
        self.keeps_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("TlsChannel", transport)

    def data_received(self, data: bytes) -> None:
        self.received.append(data)

    def eof_received(self) -> bool:
        self.told.append("eof")
        return self.keeps_open

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.told.append("lost")
        self.lost.set()


class Ends:
    """Channels of a test, and the raw peers of them."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.store = CertificateStore((self.authority.issue("a.example"),))
        self.protocol = Recorder()
        self.settled: list[str] = []
        self.socks: list[socket.socket] = []
        self.channel: TlsChannel | None = None

    async def _pair(self, channel: TlsChannel) -> Peer:
        ours, theirs = socket.socketpair(socket.AF_UNIX)
        for sock in (ours, theirs):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
        ours.setblocking(False)
        self.channel = channel
        peer = Peer(theirs)
        self.socks.append(theirs)
        await asyncio.get_running_loop().create_connection(lambda: channel, sock=ours)
        return peer

    def _note(self, _: TlsChannel, reason: str) -> None:
        self.settled.append(reason)

    async def server(self) -> TlsPeer:
        """Our side is the server's."""
        raw = await self._pair(TlsChannel(self.store.wrap, lambda: self.protocol, self._note))
        peer = await TlsPeer(raw, self.authority.client(), name="a.example").handshake()
        await settle()
        assert self.settled == [""]
        return peer

    async def client(self, *, trusting: bool = True) -> TlsPeer:
        """Our side is the client's."""
        context = self.authority.client() if trusting else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

        def wrap(incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
            return context.wrap_bio(incoming, outgoing, server_hostname="a.example")

        raw = await self._pair(TlsChannel(wrap, lambda: self.protocol, self._note))
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.ca.issue_cert("a.example").configure_cert(server)
        peer = await TlsPeer(raw, server, server=True).handshake()
        await settle()
        return peer

    async def lost(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.protocol.lost.wait()


@pytest.fixture
async def ends(tmp_path: Path) -> AsyncIterator[Ends]:
    ends = Ends(tmp_path)
    yield ends
    for sock in ends.socks:
        sock.close()
    if ends.channel is not None:
        ends.channel.abort()
    await settle()


async def test_a_write_of_many_records_arrives(ends: Ends) -> None:
    peer = await ends.server()
    channel = ends.protocol.transport
    assert channel is not None
    body = bytes(range(256)) * 1000
    channel.writelines([body, b"", body])
    channel.write(b"end")
    assert await peer.exactly(len(body) * 2 + 3) == body + body + b"end"


async def test_the_marks_are_those_of_the_socket(ends: Ends) -> None:
    peer = await ends.server()
    channel = ends.protocol.transport
    assert channel is not None
    channel.set_write_buffer_limits(high=50_000, low=10_000)
    assert channel.get_write_buffer_limits() == (10_000, 50_000)
    channel.write(b"x" * 400_000)
    await settle()
    assert ends.protocol.told == ["pause"]
    assert channel.get_write_buffer_size() > 50_000
    await peer.exactly(400_000)
    await settle()
    assert ends.protocol.told == ["pause", "resume"]
    assert channel.get_write_buffer_size() == 0


async def test_what_comes_at_once_is_told_at_once(ends: Ends) -> None:
    peer = await ends.server()
    ends.protocol.received.clear()
    data = bytes(range(256)) * 40
    for size in (1, FEED // 2, 100):
        await peer.send((data * 8)[:size])
    await settle()
    assert b"".join(ends.protocol.received) == b"".join((data * 8)[:size] for size in (1, FEED // 2, 100))
    assert len(ends.protocol.received) <= 3


async def test_nothing_is_lost_when_reading_is_paused_and_the_peer_ends(ends: Ends) -> None:
    peer = await ends.client()
    channel = ends.protocol.transport
    assert channel is not None
    channel.pause_reading()
    assert not channel.is_reading()
    await peer.send(b"the whole answer")
    await peer.goodbye()
    peer.finish()
    await settle()
    assert ends.protocol.received == []
    channel.resume_reading()
    await ends.lost()
    assert ends.protocol.received == [b"the whole answer"]
    assert ends.protocol.told == ["eof", "lost"]


async def test_a_server_that_ends_without_a_goodbye_has_not_ended(ends: Ends) -> None:
    peer = await ends.client()
    await peer.send(b"half an answer")
    peer.finish()
    await ends.lost()
    assert ends.protocol.received == [b"half an answer"]
    assert ends.protocol.told == ["lost"]


@pytest.mark.parametrize("goodbye", [True, False])
async def test_a_client_that_ends_has_left(ends: Ends, goodbye: bool) -> None:
    peer = await ends.server()
    if goodbye:
        await peer.goodbye()
    else:
        peer.finish()
    await ends.lost()
    assert ends.protocol.told == ["eof", "lost"]


async def test_close_sends_the_rest_and_says_goodbye(ends: Ends) -> None:
    peer = await ends.server()
    channel = ends.protocol.transport
    assert channel is not None
    channel.write(b"x" * 200_000)
    channel.close()
    channel.close()
    channel.write(b"too late")
    assert await peer.rest() == b"x" * 200_000
    await ends.lost()


async def test_one_direction_can_be_closed(ends: Ends) -> None:
    peer = await ends.server()
    channel = ends.protocol.transport
    assert channel is not None
    assert channel.can_write_eof()
    channel.write(b"why")
    channel.write_eof()
    assert await peer.rest() == b"why"
    await peer.send(b"still sending")
    await settle()
    assert ends.protocol.received == [b"still sending"]
    assert not channel.is_closing()
    peer.close()
    await ends.lost()


@pytest.mark.parametrize("fin", [True, False])
async def test_a_protocol_may_go_on_sending_when_the_peer_has_ended(ends: Ends, fin: bool) -> None:
    peer = await ends.server()
    channel = ends.protocol.transport
    assert channel is not None
    ends.protocol.keeps_open = True
    await peer.goodbye()
    if fin:
        peer.finish()
    await settle()
    assert ends.protocol.told == ["eof"]
    channel.write(b"more")
    assert await peer.exactly(4) == b"more"
    channel.close()
    await peer.ended()
    await ends.lost()


async def test_nothing_is_kept_of_what_comes_behind_a_goodbye(ends: Ends) -> None:
    peer = await ends.server()
    channel = ends.protocol.transport
    assert isinstance(channel, TlsChannel)
    ends.protocol.keeps_open = True
    await peer.goodbye()
    await settle()
    for _ in range(4):
        await Peer.send(peer, bytes(40_000))
        await settle()
    assert channel._incoming.pending == 0
    assert ends.protocol.received == []
    assert ends.protocol.told == ["eof"]
    channel.write(b"more")
    assert await peer.exactly(4) == b"more"
    channel.close()
    await peer.ended()
    await ends.lost()


async def test_abort_says_no_goodbye(ends: Ends) -> None:
    peer = await ends.server()
    channel = ends.protocol.transport
    assert channel is not None
    channel.write(b"half")
    await peer.exactly(4)
    channel.abort()
    with pytest.raises(ssl.SSLEOFError):
        await peer.rest()
    await ends.lost()


async def test_a_record_that_was_changed_ends_the_connection(ends: Ends) -> None:
    peer = await ends.server()
    await Peer.send(peer, b"\x17\x03\x03\x00\x40" + b"\0" * 64)
    await ends.lost()
    assert ends.protocol.received == []
    assert ends.protocol.told == ["lost"]


async def test_a_certificate_that_is_not_trusted(ends: Ends) -> None:
    with pytest.raises(ssl.SSLError, match="ALERT_UNKNOWN_CA"):
        await (await ends.client(trusting=False)).rest()
    await settle()
    assert ends.settled == ["certificate verify failed: unable to get local issuer certificate"]
    assert ends.protocol.transport is None, "the protocol is never told of it"
    assert ends.protocol.told == []


async def test_another_protocol_may_take_over(ends: Ends) -> None:
    peer = await ends.server()
    channel = ends.protocol.transport
    assert channel is not None
    assert channel.get_protocol() is ends.protocol
    other = Recorder()
    channel.set_protocol(other)
    await peer.send(b"for the other")
    await settle()
    assert other.received == [b"for the other"]
    channel.abort()
    await settle()
    assert other.told == ["lost"]


async def test_what_is_known_of_the_connection(ends: Ends) -> None:
    await ends.server()
    channel = ends.protocol.transport
    assert channel is not None
    wrapped = channel.get_extra_info("ssl_object")
    assert isinstance(wrapped, ssl.SSLObject)
    assert channel.get_extra_info("socket") is not None
    assert channel.get_extra_info("none", 1) == 1


async def test_both_may_end_one_after_the_other(ends: Ends) -> None:
    peer = await ends.server()
    channel = ends.protocol.transport
    assert channel is not None
    channel.write_eof()
    await peer.ended()
    await peer.send(b"the last")
    await peer.goodbye()
    await ends.lost()
    assert ends.protocol.received == [b"the last"]
    assert ends.protocol.told == ["eof", "lost"]
