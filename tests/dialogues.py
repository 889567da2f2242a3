"""Fixtures for dialogues by raw bytes: workers, and proxies before them, in a uvloop."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any, Protocol

import pytest
import uvloop

from router.settings import Listener, ServerTls, Settings
from router.table import Endpoint, RouteTable, TcpAddress
from tests.absence import absent
from tests.wire import Proxy, all_to
from tests.worker import Worker


def pytest_asyncio_loop_factories() -> Mapping[str, Any]:
    """The loop that serves is the loop that is tested."""
    return {"uvloop": uvloop.new_event_loop}


class Serve(Protocol):
    """Makes a proxy that listens."""

    def __call__(
        self,
        *endpoints: Endpoint,
        table: RouteTable | None = None,
        settings: Settings | None = None,
        listener: Listener | None = None,
        tls: ServerTls | None = None,
        path: str | None = None,
        kernel: int = 0,
        **route: Any,
    ) -> Awaitable[Proxy]: ...


class Hire(Protocol):
    """Makes a worker that listens."""

    def __call__(self, path: str | None = None, *, kernel: int = 0, host: str = "127.0.0.1") -> Worker: ...


def need_ipv6() -> None:
    """Without ::1 the test is skipped, or fails where CI=true says that it must be there."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        absent("this machine has no ::1")


@pytest.fixture
async def workers() -> AsyncIterator[Hire]:
    """Makes workers, and stops them."""
    made: list[Worker] = []

    def make(path: str | None = None, *, kernel: int = 0, host: str = "127.0.0.1") -> Worker:
        made.append(Worker(path, kernel=kernel, host=host))
        return made[-1]

    yield make
    for worker in made:
        await worker.stop()


@pytest.fixture
def worker(workers: Hire) -> Worker:
    return workers()


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Makes proxies, and looks at what they leave behind."""
    made: list[Proxy] = []

    async def make(
        *endpoints: Endpoint,
        table: RouteTable | None = None,
        settings: Settings | None = None,
        listener: Listener | None = None,
        tls: ServerTls | None = None,
        path: str | None = None,
        kernel: int = 0,
        **route: Any,
    ) -> Proxy:
        if tls is not None:
            listener = Listener(address=TcpAddress(host="127.0.0.1", port=0), tls=tls)
        proxy = Proxy(table or all_to(*endpoints, **route), settings, listener=listener)
        made.append(proxy)
        await proxy.listen(path, kernel=kernel)
        return proxy

    yield make
    for proxy in made:
        await proxy.stop()


@pytest.fixture
async def proxy(serve: Serve, worker: Worker) -> Proxy:
    """One proxy before one worker."""
    return await serve(worker.endpoint)
