"""The end of listening: who is connected is accepted, who is not waits or is refused."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import cast

import pytest

from router.server import backlog
from tests.absence import absent

CLIENTS = 60


class Greeter(asyncio.Protocol):
    """Answers whatever comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


def listening(path: str = "") -> socket.socket:
    sock = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
    sock.bind(path or ("127.0.0.1", 0))
    sock.listen(CLIENTS)
    sock.setblocking(False)
    return sock


def connected(address: object) -> socket.socket:
    client = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    client.connect(address)  # type: ignore[arg-type] # whatever getsockname said
    client.send(b"hello")
    client.setblocking(False)
    return client


async def heard(client: socket.socket) -> bytes:
    with client:
        try:
            return await asyncio.get_running_loop().sock_recv(client, 100)
        except ConnectionResetError:
            return b"reset"


@pytest.mark.parametrize(("emptied", "answer"), [(True, b"hello"), (False, b"reset")])
async def test_everybody_who_waits_is_served(emptied: bool, answer: bytes) -> None:
    """The kernel alone resets them: a test without that would show nothing."""
    sock = listening()
    server = await asyncio.get_running_loop().create_server(Greeter, sock=sock, backlog=CLIENTS)
    clients = [connected(sock.getsockname()) for _ in range(CLIENTS)]
    if emptied:
        await backlog.empty([sock])
    server.close()
    assert {await heard(client) for client in clients} == {answer}


async def test_on_a_unix_socket_too(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    sock = listening(path)
    server = await asyncio.get_running_loop().create_unix_server(Greeter, sock=sock, backlog=CLIENTS)
    clients = [connected(path) for _ in range(CLIENTS)]
    await backlog.empty([sock])
    server.close()
    assert {await heard(client) for client in clients} == {b"hello"}


def test_nobody_new_is_taken_and_nobody_is_refused() -> None:
    with listening() as sock:
        if not backlog.take_nobody_new(sock):
            absent("this system has no filters for sockets")
        with socket.socket() as client:
            client.settimeout(0.05)
            with pytest.raises(TimeoutError):
                client.connect(sock.getsockname())


async def test_where_the_filter_cannot_be_set_it_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "take_nobody_new", lambda _: False)
    monkeypatch.setattr(backlog, "LONGEST", 0.05)
    with listening() as sock, connected(sock.getsockname()):
        await backlog.empty([sock])
