from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from benchmarks.clients.homeserver import FILE, Connection, Homeserver

V3 = "/_matrix/client/v3"


@pytest.fixture
async def base() -> AsyncIterator[str]:
    """Where it listens."""
    homeserver = Homeserver()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(homeserver), "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


class Person:
    """Somebody with an account."""

    def __init__(self, session: aiohttp.ClientSession, base: str, name: str) -> None:
        self._session = session
        self._base = base
        self._headers = {"Authorization": f"Bearer {name}"}

    async def ask(self, method: str, path: str, body: object = None) -> dict[str, object]:
        data = None if body is None else json.dumps(body)
        async with self._session.request(
            method, self._base + path, data=data, headers=self._headers
        ) as answer:
            assert answer.status == 200
            found: dict[str, object] = json.loads(await answer.read())
            return found


@pytest.fixture
async def two(base: str) -> AsyncIterator[tuple[Person, Person]]:
    """In one room, `!1:localhost`."""
    async with aiohttp.ClientSession() as session:
        first, second = Person(session, base, "first"), Person(session, base, "second")
        made = await first.ask("POST", f"{V3}/createRoom", {})
        assert made == {"room_id": "!1:localhost"}
        await second.ask("POST", f"{V3}/join/%211:localhost", {})
        yield first, second


async def test_a_message_wakes_a_sync_that_waits(two: tuple[Person, Person]) -> None:
    first, second = two
    since = (await second.ask("GET", f"{V3}/sync?timeout=0"))["next_batch"]
    waiting = asyncio.create_task(second.ask("GET", f"{V3}/sync?since={since}&timeout=20000"))
    done, _ = await asyncio.wait([waiting], timeout=0.1)
    assert not done
    sent = await first.ask("PUT", f"{V3}/rooms/%211:localhost/send/m.room.message/t1", {"body": "hello"})
    async with asyncio.timeout(5):
        news = await waiting
    event = {"event_id": sent["event_id"], "type": "m.room.message", "content": {"body": "hello"}}
    assert news["rooms"] == {"join": {"!1:localhost": {"timeline": {"events": [event]}}}}
    assert news["next_batch"] != since


async def test_what_is_there_already_is_answered_at_once(two: tuple[Person, Person]) -> None:
    first, second = two
    await first.ask("PUT", f"{V3}/rooms/%211:localhost/send/m.room.message/t1", {"body": "hello"})
    async with asyncio.timeout(5):
        news = await second.ask("GET", f"{V3}/sync?since=s0&timeout=20000")
    assert "hello" in json.dumps(news)


async def test_a_sync_without_news_ends_with_its_time(two: tuple[Person, Person]) -> None:
    first, stranger = two
    await first.ask("POST", f"{V3}/createRoom", {})
    await first.ask("PUT", f"{V3}/rooms/%212:localhost/send/m.room.message/t1", {"body": "not for all"})
    began = asyncio.get_running_loop().time()
    news = await stranger.ask("GET", f"{V3}/sync?since=s0&timeout=50")
    assert asyncio.get_running_loop().time() - began >= 0.045
    assert news["rooms"] == {"join": {}}


async def test_it_has_accounts_and_pictures(base: str) -> None:
    async with aiohttp.ClientSession() as session:
        nobody = Person(session, base, "")
        account = await nobody.ask("POST", f"{V3}/register", {"username": "ada"})
        assert account["user_id"] == "@ada:localhost"
        up = await nobody.ask("POST", "/_matrix/media/v3/upload", "x" * 100_000)
        place = str(up["content_uri"]).removeprefix("mxc://")
        async with session.get(f"{base}/_matrix/client/v1/media/download/{place}") as answer:
            assert await answer.read() == FILE
        assert await nobody.ask("GET", "/health") == {}
