from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from router.local.loopback import answers, connection


@pytest.fixture(params=["port", "socket"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[int | Path]:
    """Where `/health` answers 200 and `/ready` 503."""
    application = web.Application()

    async def up(_: web.Request) -> web.Response:
        return web.Response(text="up")

    async def down(_: web.Request) -> web.Response:
        return web.Response(status=503)

    application.router.add_get("/health", up)
    application.router.add_get("/ready", down)
    runner = web.AppRunner(application)
    await runner.setup()
    where: int | Path
    if request.param == "socket":
        where = tmp_path / "health.sock"
        await web.UnixSite(runner, str(where)).start()
    else:
        where = unused_port()
        await web.TCPSite(runner, "127.0.0.1", where).start()
    try:
        yield where
    finally:
        await runner.cleanup()


async def test_health_is_a_200_and_nothing_else(place: int | Path) -> None:
    assert await asyncio.to_thread(answers, place)
    assert not await asyncio.to_thread(answers, place, "/ready")
    assert not await asyncio.to_thread(answers, place, "/other")


async def test_an_answer_is_read_from_there(place: int | Path) -> None:
    def read() -> bytes:
        asking = connection(place, timeout=5)
        try:
            asking.request("GET", "/health")
            return asking.getresponse().read()
        finally:
            asking.close()

    assert await asyncio.to_thread(read) == b"up"


def test_where_nobody_listens_there_is_no_health(tmp_path: Path) -> None:
    assert not answers(unused_port())
    assert not answers(tmp_path / "none.sock")
