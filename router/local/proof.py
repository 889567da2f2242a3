"""Proves that a homeserver works: two people, a room, a message, and a /sync that the message wakes."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote

import aiohttp

from router.errors import LocalError

CLIENT = "/_matrix/client/v3"

LONG_POLL = 30.0
"""Seconds that a /sync may wait for news, as clients ask for."""

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was shown."""

    users: tuple[str, str]
    room: str
    event: str
    requests: int
    woken_after: float
    """Seconds from sending the message to the answer of the /sync that waited for it."""


class ProofFailed(LocalError):
    """The homeserver answered something else than a working one does."""


class _Client:
    """One person with one device, asking through the given address."""

    __slots__ = ("_session", "base_url", "requests", "token", "user")

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session = session
        self.base_url = base_url
        self.requests = 0
        self.token = ""
        self.user = ""

    async def ask(
        self, method: str, path: str, body: Json | None = None, *, accept: tuple[int, ...] = ()
    ) -> tuple[int, Json]:
        """Status and JSON of the answer; raises ProofFailed for a status but 200 and those of `accept`."""
        self.requests += 1
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        url = f"{self.base_url}{CLIENT}{path}"
        what = f"{method} {path.partition('?')[0]}"
        try:
            async with self._session.request(method, url, json=body, headers=headers) as answer:
                text = await answer.text()
                if answer.status != 200 and answer.status not in accept:
                    raise ProofFailed(f"{what} answered {answer.status}: {text[:300]}")
                return answer.status, cast("Json", await answer.json())
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ProofFailed(f"{what} got no answer: {error!r}") from error

    async def enter(self, name: str, password: str) -> None:
        """Registers the person or, if that has been done before, logs in."""
        new = {
            "username": name,
            "password": password,
            "device_id": "PROOF",
            "auth": {"type": "m.login.dummy"},
        }
        status, account = await self.ask("POST", "/register", new, accept=(400,))
        if status == 400 and account.get("errcode") != "M_USER_IN_USE":
            raise ProofFailed(f"{name} can't be registered: {account.get('error')}")
        if status == 400:
            known = {
                "type": "m.login.password",
                "identifier": {"type": "m.id.user", "user": name},
                "password": password,
                "device_id": "PROOF",
            }
            _, account = await self.ask("POST", "/login", known)
        self.user, self.token = str(account["user_id"]), str(account["access_token"])


async def prove(base_url: str, *, names: tuple[str, str], password: str) -> Proof:
    """Lets two people talk through `base_url`; raises ProofFailed at the first thing that isn't right.

    Run again on a kept database, it uses the same people, devices and room.
    """
    timeout = aiohttp.ClientTimeout(total=LONG_POLL + 15)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        sender, reader = _Client(session, base_url), _Client(session, base_url)
        await sender.enter(names[0], password)
        await reader.enter(names[1], password)
        room = await _shared_room(sender, reader, alias=f"talk-of-{names[0]}-and-{names[1]}")
        event, woken_after = await _wake(sender, reader, room)
        return Proof(
            users=(sender.user, reader.user),
            room=room,
            event=event,
            requests=sender.requests + reader.requests,
            woken_after=woken_after,
        )


async def _shared_room(sender: _Client, reader: _Client, *, alias: str) -> str:
    """The id of a room that both are in."""
    domain = sender.user.partition(":")[2]
    status, known = await sender.ask("GET", f"/directory/room/{quote(f'#{alias}:{domain}')}", accept=(404,))
    if status == 200:
        return str(known["room_id"])
    wanted: Json = {"preset": "private_chat", "room_alias_name": alias, "invite": [reader.user]}
    _, made = await sender.ask("POST", "/createRoom", wanted)
    room = str(made["room_id"])
    await reader.ask("POST", f"/rooms/{quote(room)}/join", {})
    return room


async def _wake(sender: _Client, reader: _Client, room: str) -> tuple[str, float]:
    """Sends a message while the reader's /sync waits; its id, and the seconds until the reader had it."""
    text = secrets.token_hex(8)
    _, first = await reader.ask("GET", "/sync?timeout=0")
    waiting = asyncio.create_task(_sync_until(reader, room, text, since=str(first["next_batch"])))
    try:
        await asyncio.sleep(0.2)  # nothing tells from outside that the /sync waits
        started = time.monotonic()
        message: Json = {"msgtype": "m.text", "body": text}
        target = f"/rooms/{quote(room)}/send/m.room.message/{secrets.token_hex(8)}"
        _, sent = await sender.ask("PUT", target, message)
        received = await waiting
    finally:
        waiting.cancel()
    if received != sent["event_id"]:
        raise ProofFailed(f"sent {sent['event_id']}, but /sync gave {received}")
    return received, time.monotonic() - started


async def _sync_until(reader: _Client, room: str, text: str, *, since: str) -> str:
    """The id of the message with that text, as soon as /sync brings it; other news may come before."""
    deadline = time.monotonic() + LONG_POLL
    while time.monotonic() < deadline:
        _, news = await reader.ask("GET", f"/sync?since={quote(since)}&timeout={int(LONG_POLL * 1000)}")
        since = str(news["next_batch"])
        for event in _timeline(news, room):
            if cast("Json", event["content"]).get("body") == text:
                return str(event["event_id"])
    raise ProofFailed(f"/sync did not bring the message in {LONG_POLL:g} s")


def _timeline(news: Json, room: str) -> list[Json]:
    """The events of the room in an answer of /sync (Matrix specification: rooms.join.ROOM.timeline)."""
    rooms = cast("dict[str, dict[str, dict[str, dict[str, list[Json]]]]]", news.get("rooms", {}))
    return rooms.get("join", {}).get(room, {}).get("timeline", {}).get("events", [])
