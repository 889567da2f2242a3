"""TLS towards an endpoint: always verified, by its host name unless its `server_name` says another."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable

from router.errors import HandshakeFailed
from router.table import ClientTls, Endpoint, TcpAddress
from router.tls.channel import TlsChannel

Dial = Callable[[Callable[[], asyncio.BaseProtocol]], Awaitable[object]]
"""Opens the raw connection for the protocol that the factory makes."""

CLOSED = "left"
"""A channel's word for a peer that is gone before the handshake is done."""


def name_to_verify(endpoint: Endpoint, tls: ClientTls) -> str:
    """What the endpoint's certificate must name: a host, or an address where no name was ever written."""
    if tls.server_name is not None:
        return tls.server_name
    assert isinstance(endpoint.address, TcpAddress)  # noqa: S101 - all others need a name; for the type checker only
    return endpoint.address.host.rstrip(".")


async def handshake(dial: Dial, protocol: asyncio.Protocol, context: ssl.SSLContext, name: str) -> None:
    """Opens a connection and tells the protocol once TLS is spoken on it.

    Raises HandshakeFailed, which says why, or whatever `dial` raises.
    """
    settled: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def wrap(incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
        return context.wrap_bio(incoming, outgoing, server_hostname=name)

    def note(_: TlsChannel, reason: str) -> None:
        if not settled.done():
            settled.set_result(reason)

    channel = TlsChannel(wrap, lambda: protocol, note)
    try:
        await dial(lambda: channel)
        reason = await settled
    except asyncio.CancelledError:
        channel.abort()
        raise
    if reason == CLOSED:
        reason = "the connection was closed during the handshake"
    if reason:
        raise HandshakeFailed(f"TLS: {reason.replace('_', ' ')}")
