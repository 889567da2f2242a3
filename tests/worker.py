"""A worker that does what the test says: connection by connection, or by a behaviour for all of them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

from tests.wire import PATIENCE, Peer, bound_buffers, family_of, settle, tcp, unix

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Behaviour = Callable[[Peer], Awaitable[None]]
"""What is done with one connection; it is closed afterwards."""


class Worker:
    """Listens on a free port, or on a unix socket."""

    def __init__(
        self, path: str | None = None, *, kernel: int = 0, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.sock = socket.socket(socket.AF_UNIX if path else family_of(host))
        bound_buffers(self.sock, kernel)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.setblocking(False)
        self.sock.bind(path or (host, port))
        self.sock.listen(128)
        self.endpoint = unix(path) if path else tcp(self.sock.getsockname()[1], host)
        self.peers: list[Peer] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self) -> Peer:
        """The next connection."""
        try:
            async with asyncio.timeout(PATIENCE):
                sock, _ = await asyncio.get_running_loop().sock_accept(self.sock)
        except TimeoutError:
            raise AssertionError("nobody connects to the worker") from None
        peer = Peer(sock)
        self.peers.append(peer)
        return peer

    async def asked(self) -> Peer:
        """The next connection, once a whole head has come on it (and is thrown away)."""
        peer = await self.accept()
        await peer.until()
        return peer

    async def lonely(self) -> None:
        """Nobody connects."""
        await settle()
        with contextlib.suppress(BlockingIOError):
            self.sock.accept()[0].close()
            raise AssertionError("somebody connected to the worker")

    def behave(self, behaviour: Behaviour) -> None:
        """From now on, every connection gets the behaviour."""
        self._start(self._accept_all(behaviour))

    def _start(self, doing: Awaitable[None]) -> None:
        task = asyncio.ensure_future(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept_all(self, behaviour: Behaviour) -> None:
        while True:
            sock, _ = await asyncio.get_running_loop().sock_accept(self.sock)
            peer = Peer(sock)
            self.peers.append(peer)
            self._start(self._run(behaviour, peer))

    async def _run(self, behaviour: Behaviour, peer: Peer) -> None:
        with contextlib.suppress(AssertionError, OSError):
            await behaviour(peer)
        peer.close()

    def refuse(self) -> None:
        """Listens no more; what is connected stays."""
        self.sock.close()

    async def stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.sock.close()
        for peer in self.peers:
            peer.close()
