"""matrix-nio, a client nobody here wrote, through the router to the real deployment."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import random
import secrets
import time
from collections.abc import AsyncIterator
from urllib.parse import quote

import aiohttp
import nio
import pytest

from router.local.deployment import Deployment

MEDIA_BYTES = 40 * 1024 * 1024
LONG_POLL_MS = 30_000
PASSWORD = "correct-horse"


@pytest.fixture(scope="module", autouse=True)
def began() -> float:
    """When the first test of this file began, in seconds since 1970."""
    return time.time()


@pytest.fixture
def homeserver(deployment: Deployment) -> str:
    return deployment.layout.base_url


@pytest.fixture
async def alice(homeserver: str) -> AsyncIterator[nio.AsyncClient]:
    async with _registered(homeserver, "alice") as client:
        yield client


@pytest.fixture
async def bob(homeserver: str) -> AsyncIterator[nio.AsyncClient]:
    async with _registered(homeserver, "bob") as client:
        yield client


class _registered:  # noqa: N801 - reads as a verb where it is used
    def __init__(self, homeserver: str, name: str) -> None:
        self._client = nio.AsyncClient(homeserver, f"{name}-{secrets.token_hex(4)}")

    async def __aenter__(self) -> nio.AsyncClient:
        answer = await self._client.register(self._client.user, PASSWORD)
        assert isinstance(answer, nio.RegisterResponse), answer
        return self._client

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()


async def _shared_room(alice: nio.AsyncClient, bob: nio.AsyncClient) -> str:
    created = await alice.room_create(name="Through the router")
    assert isinstance(created, nio.RoomCreateResponse), created
    invited = await alice.room_invite(created.room_id, bob.user_id)
    assert isinstance(invited, nio.RoomInviteResponse), invited
    joined = await bob.join(created.room_id)
    assert isinstance(joined, nio.JoinResponse), joined
    return str(created.room_id)


async def _sync_until_quiet(client: nio.AsyncClient) -> str:
    """Reads until nothing is new, so that the next long poll waits for what the test does."""
    while True:
        answer = await client.sync(timeout=500)
        assert isinstance(answer, nio.SyncResponse), answer
        since = answer.next_batch
        later = await client.sync(timeout=500, since=since)
        assert isinstance(later, nio.SyncResponse), later
        if later.next_batch == since:
            return str(since)


async def test_a_message_wakes_a_long_polling_sync(alice: nio.AsyncClient, bob: nio.AsyncClient) -> None:
    room = await _shared_room(alice, bob)
    since = await _sync_until_quiet(bob)
    waiting = asyncio.create_task(bob.sync(timeout=LONG_POLL_MS, since=since))
    await asyncio.sleep(0.3)
    assert not waiting.done()

    sent = await alice.room_send(room, "m.room.message", {"msgtype": "m.text", "body": "hello"})
    assert isinstance(sent, nio.RoomSendResponse), sent
    answer = await asyncio.wait_for(waiting, timeout=LONG_POLL_MS / 2000)

    assert isinstance(answer, nio.SyncResponse), answer
    events = answer.rooms.join[room].timeline.events
    assert [event.event_id for event in events] == [sent.event_id]
    assert events[0].body == "hello"


async def test_typing_and_a_receipt_reach_the_other_side(
    alice: nio.AsyncClient, bob: nio.AsyncClient
) -> None:
    room = await _shared_room(alice, bob)
    sent = await alice.room_send(room, "m.room.message", {"msgtype": "m.text", "body": "read me"})
    assert isinstance(sent, nio.RoomSendResponse), sent

    typing = await bob.room_typing(room, typing_state=True)
    assert isinstance(typing, nio.RoomTypingResponse), typing
    receipt = await bob.update_receipt_marker(room, sent.event_id)
    assert isinstance(receipt, nio.UpdateReceiptMarkerResponse), receipt

    seen: set[str] = set()
    since: str | None = None
    for _ in range(10):
        answer = await alice.sync(timeout=2000, since=since)
        assert isinstance(answer, nio.SyncResponse), answer
        since = answer.next_batch
        for event in answer.rooms.join[room].ephemeral if room in answer.rooms.join else ():
            if isinstance(event, nio.TypingNoticeEvent) and bob.user_id in event.users:
                seen.add("typing")
            if isinstance(event, nio.ReceiptEvent) and any(r.user_id == bob.user_id for r in event.receipts):
                seen.add("receipt")
        if seen == {"typing", "receipt"}:
            break
    assert seen == {"typing", "receipt"}


async def test_forty_megabytes_of_media_go_up_and_come_down(alice: nio.AsyncClient) -> None:
    content = random.Random(40).randbytes(MEDIA_BYTES)
    uploaded, _ = await alice.upload(
        io.BytesIO(content),
        content_type="application/octet-stream",
        filename="forty.bin",
        filesize=MEDIA_BYTES,
    )
    assert isinstance(uploaded, nio.UploadResponse), uploaded
    server, media = uploaded.content_uri.removeprefix("mxc://").split("/")

    path = f"/_matrix/client/v1/media/download/{quote(server)}/{quote(media)}"
    answer = await alice.send("GET", path, headers={"Authorization": f"Bearer {alice.access_token}"})
    async with answer:
        assert answer.status == 200
        digest = hashlib.sha256()
        async for piece in answer.content.iter_chunked(1 << 16):
            digest.update(piece)
    assert digest.digest() == hashlib.sha256(content).digest()


async def test_an_upload_over_the_limit_is_told_so_before_synapse_resets(alice: nio.AsyncClient) -> None:
    host, port = alice.homeserver.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /_matrix/media/v3/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 52428801\r\n"
        b"Authorization: Bearer " + alice.access_token.encode() + b"\r\n\r\n" + bytes(1 << 16)
    )
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"Access-Control-Allow-Origin: *" in head
    assert json.loads(body)["errcode"] == "M_TOO_LARGE"


@pytest.fixture
def token(alice: nio.AsyncClient) -> str:
    return str(alice.access_token)


@pytest.mark.parametrize("path", ["/_synapse/admin/v1/server_version", "/_synapse/replication/send_events/x"])
async def test_closed_paths_are_unrecognized_even_with_a_token(
    homeserver: str, token: str, path: str
) -> None:
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        session.get(homeserver + path) as answer,
    ):
        assert answer.status == 404
        assert json.loads(await answer.read())["errcode"] == "M_UNRECOGNIZED"


async def test_no_request_was_misrouted(deployment: Deployment, began: float) -> None:
    """Runs last in this file: the router notices what a wrong worker answers, and keeps its own 500."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{deployment.layout.admin_port}/status") as answer,
    ):
        assert answer.status == 200
        status = await answer.json()
    assert [misroute for misroute in status["misroutes"] if misroute["kind"] != "unknown"] == []
    # One with a reason is the router's own: other tests of the session end workers.
    ours = [failure for failure in status["failures"] if failure["time"] >= began]
    assert [failure for failure in ours if not failure["reason"]] == []
