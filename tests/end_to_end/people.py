"""Devices of users, each of them a matrix-nio client: what is done on one, and what it has come to see."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
import nio

PASSWORD = "correct-horse"

PATIENCE = 20.0
"""Seconds until what one side did must have reached the other."""

V1, V3 = "/_matrix/client/v1", "/_matrix/client/v3"

Seen = TypeVar("Seen")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer to a request that nio has no method for."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def done(answer: Any) -> Any:
    """The answer of nio's method, which must not be an error."""
    assert not isinstance(answer, nio.ErrorResponse), answer
    return answer


async def eventually(read: Callable[[], Awaitable[Seen]], right: Callable[[Seen], bool]) -> Seen:
    """What is read, once it is right: one process writes, and another one hears of it just after."""
    deadline = time.monotonic() + PATIENCE
    while not right(found := await read()):
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.02)
    return found


class Device:
    """One login of one user. Everything goes through matrix-nio, its sessions and its token."""

    def __init__(
        self, homeserver: str, user: str, name: str, store: Path, *, ca: ssl.SSLContext | None = None
    ) -> None:
        """`ca` says whom to believe about the homeserver's certificate, where that speaks TLS."""
        config = nio.AsyncClientConfig(encryption_enabled=True, max_timeouts=0)
        folder = store / f"{user}-{name}"
        folder.mkdir()
        self.name = name
        self.client = nio.AsyncClient(homeserver, user, store_path=str(folder), config=config, ssl=ca)
        self.events: dict[str, list[Any]] = defaultdict(list)
        """What the timelines brought, by room; decrypted where it could be."""
        self.account_data: dict[str, Any] = {}
        self.room_account_data: dict[tuple[str, str], Any] = {}
        self.presence: dict[str, Any] = {}
        self.to_device: list[Any] = []

    @property
    def user(self) -> str:
        return str(self.client.user_id)

    @property
    def token(self) -> str:
        return str(self.client.access_token)

    async def register(self) -> None:
        done(await self.client.register(self.client.user, PASSWORD, device_name=self.name))

    async def login(self) -> None:
        done(await self.client.login(PASSWORD, device_name=self.name))

    async def close(self) -> None:
        await self.client.close()

    async def ask(
        self,
        method: str,
        path: str,
        content: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> Answer:
        """What nio has no method for, by nio's session and with its token."""
        fields = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        fields |= headers or {}
        if content is not None:
            fields["Content-Type"] = "application/json"
            data = json.dumps(content).encode()
        answer: aiohttp.ClientResponse
        async with await self.client.send(method, path, data=data, headers=fields) as answer:
            return Answer(status=answer.status, headers=answer.headers.copy(), body=await answer.read())

    async def get(self, path: str, content: object = None, *, method: str = "GET") -> Any:
        """The JSON of an answer that must be 200."""
        answer = await self.ask(method, path, content)
        assert answer.status == 200, (method, path, answer)
        return answer.json

    async def comes_to(self, path: str, right: Callable[[Any], bool]) -> Any:
        """The JSON of that path once it is right."""
        answer = await eventually(
            partial(self.ask, "GET", path), lambda answer: answer.status == 200 and right(answer.json)
        )
        return answer.json

    async def put(self, path: str, content: object) -> Any:
        return await self.get(path, content, method="PUT")

    async def post(self, path: str, content: object) -> Any:
        return await self.get(path, content, method="POST")

    async def sync(self, timeout_ms: int = 0, *, sync_filter: object = None) -> Any:
        """One /sync, and what a client does after it: keys up, keys asked for, messages to devices sent."""
        news = done(await self.client.sync(timeout_ms, sync_filter))
        self.take(news)
        if self.client.should_upload_keys:
            done(await self.client.keys_upload())
        if self.client.should_query_keys:
            done(await self.client.keys_query())
        if self.client.should_claim_keys:
            done(await self.client.keys_claim(self.client.get_users_for_key_claiming()))
        for sent in await self.client.send_to_device_messages():
            done(sent)
        return news

    def take(self, news: nio.SyncResponse) -> None:
        """Keeps what an answer of /sync brought, where nio's own rooms don't."""
        for room, joined in news.rooms.join.items():
            self.events[room] += joined.timeline.events
            for event in joined.account_data:
                if isinstance(event, nio.UnknownAccountDataEvent):
                    self.room_account_data[room, event.type] = event.content
        for event in news.account_data_events:
            kind = event.type if isinstance(event, nio.UnknownAccountDataEvent) else type(event).__name__
            self.account_data[kind] = getattr(event, "content", event)
        for event in news.presence_events:
            self.presence[event.user_id] = event
        self.to_device += news.to_device_events

    async def until(self, seen: Callable[[], Seen | None], *, patience: float = PATIENCE) -> Seen:
        """Syncs, by long polls, until the device has seen that; AssertionError after `patience` seconds."""
        deadline = time.monotonic() + patience
        while True:
            found = seen()
            if found:
                return found
            assert time.monotonic() < deadline, f"{self.user} on {self.name} did not see it"
            await self.sync(1000)

    async def sees(self, room: str, event_id: str) -> Any:
        """The event, once it has come down the timeline."""
        return await self.until(lambda: self.event(room, event_id))

    def event(self, room: str, event_id: str) -> Any:
        """The event if it has come down the timeline; a redacted one stays as it came."""
        return next((event for event in self.events[room] if event.event_id == event_id), None)

    def ids(self, room: str) -> set[str]:
        """The ids of all events that have come down the timeline."""
        return {str(event.event_id) for event in self.events[room]}

    def room(self, room: str) -> nio.MatrixRoom:
        """What nio knows of the room."""
        return self.client.rooms[room]

    async def say(self, room: str, text: str, **more: object) -> str:
        """The id of a text message just sent."""
        await self.until(lambda: room in self.client.rooms)
        content = {"msgtype": "m.text", "body": text, **more}
        sent = await self.client.room_send(room, "m.room.message", content, ignore_unverified_devices=False)
        return str(done(sent).event_id)

    async def says_and(self, other: Device, room: str, text: str) -> str:
        """Sends a message and waits until the other device has it."""
        event_id = await self.say(room, text)
        assert (await other.sees(room, event_id)).body == text
        return event_id


def room_path(room: str, *rest: str) -> str:
    """The path below /_matrix/client/v3/rooms."""
    return "/".join([f"{V3}/rooms/{quote(room)}", *(quote(part) for part in rest)])
