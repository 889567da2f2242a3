"""Ends that nobody takes for whole ones."""

from __future__ import annotations

import asyncio
import socket

import pytest

from router.proxy.reset import reset
from tests.wire import Peer


@pytest.mark.parametrize(
    ("size", "closing"), [(0, False), (14, False), (8_000_000, False), (8_000_000, True)]
)
async def test_tcp_sees_a_reset(size: int, closing: bool) -> None:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = Peer(socket.create_connection(listener.getsockname()))
        accepted, _ = listener.accept()
        transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, accepted)
        transport.write(bytes(size))
        if closing:
            transport.close()
        reset(transport)
        reset(transport)
        assert len(await peer.reset_after()) <= size
        peer.close()


async def test_a_unix_socket_sees_an_end() -> None:
    ours, theirs = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().connect_accepted_socket(asyncio.Protocol, ours)
    reset(transport)
    peer = Peer(theirs)
    await peer.ended()
    peer.close()
