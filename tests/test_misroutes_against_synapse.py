"""A table that is wrong on purpose before the real workers: what they answer is noticed, no id is told."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from router.app import Application
from router.config.loader import load_bytes
from router.local.deployment import Deployment
from tests.deployment import ROUTES

TABLE = """
listen: 127.0.0.1:0
access_log: 'off'
upstreams:
  synapse: {{endpoints: [{{address: '127.0.0.1:{main}', instance: main}}]}}
  generic-worker: {{endpoints: [{{address: '127.0.0.1:{generic1}', instance: generic1}}]}}
  receipts: {{endpoints: [{{address: '127.0.0.1:{receipts_writer}', instance: receipts_writer}}]}}
  health: {{endpoints: [{{address: '127.0.0.1:{federation_sender1}', instance: federation_sender1}}]}}
routes:
  - {{name: receipt-of-r0, path: '^/_matrix/client/r0/rooms/[^/]+/receipt/', upstream: receipts}}
  - {{name: receipt, path: '^/_matrix/client/v3/rooms/[^/]+/receipt/', upstream: generic-worker}}
  - {{name: versions, path: '^/_matrix/client/versions', upstream: health}}
  - {{name: client, path: '^/_matrix/client/v3/(pushers|logout|events)', upstream: generic-worker}}
  - {{name: rest, path: '^/', upstream: synapse}}
"""

PASSWORD = "correct-horse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """A router with that table, one client of it, and its admin application."""

    url: str
    client: aiohttp.ClientSession
    admin: TestClient[Any, Any]

    async def ask(self, method: str, path: str, content: object = None) -> tuple[int, Any]:
        data = None if content is None else json.dumps(content)
        async with self.client.request(method, self.url + path, data=data) as answer:
            return answer.status, await answer.json() if answer.content_type == "application/json" else None

    async def misroutes(self) -> list[dict[str, Any]]:
        status = await (await self.admin.get("/status")).json()
        found: list[dict[str, Any]] = status["misroutes"]
        return found


@pytest.fixture
async def wrong(deployment: Deployment) -> AsyncIterator[Wrong]:
    ports = {each.name: each.client_port or each.health_port for each in deployment.layout.instances}
    loaded = load_bytes(TABLE.format(**ports).encode(), file="wrong.yaml")
    assert loaded.config is not None, loaded.findings
    loop = asyncio.get_running_loop()
    application = Application(loaded.config, loop=loop)
    listener = await loop.create_server(application.servers[0], "127.0.0.1", 0)
    host, port = listener.sockets[0].getsockname()
    async with TestClient(TestServer(application.make_admin())) as admin, aiohttp.ClientSession() as client:
        yield Wrong(url=f"http://{host}:{port}", client=client, admin=admin)
    listener.close()
    application.servers[0].pre_shutdown()
    await application.servers[0].shutdown(1.0)
    application.pool.close()


async def test_what_real_workers_answer_is_noticed(wrong: Wrong) -> None:
    name = f"mallory-{secrets.token_hex(4)}"
    account = {"username": name, "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
    _, registered = await wrong.ask("POST", "/_matrix/client/v3/register", account)
    wrong.client.headers["Authorization"] = f"Bearer {registered['access_token']}"
    _, created = await wrong.ask("POST", "/_matrix/client/v3/createRoom", {})
    room = created["room_id"]
    _, sent = await wrong.ask(
        "PUT", f"/_matrix/client/v3/rooms/{room}/send/m.room.message/1", {"msgtype": "m.text", "body": "x"}
    )
    receipt = f"/rooms/{room}/receipt/m.read/{sent['event_id']}"
    assert (await wrong.ask("POST", f"/_matrix/client/r0{receipt}", {}))[0] == 200
    assert (await wrong.ask("GET", "/_matrix/client/v3/nonsense"))[0] == 404
    assert (await wrong.ask("GET", "/favicon.ico"))[0] == 404
    assert (await wrong.ask("GET", f"/_matrix/client/v3/rooms/{room}/event/$none"))[0] == 404
    assert await wrong.misroutes() == []

    for _ in range(2):
        assert (await wrong.ask("GET", "/_matrix/client/v3/pushers?access_token=x"))[0] == 404
    assert (await wrong.ask("POST", f"/_matrix/client/v3/logout/{registered['access_token']}", {}))[0] == 404
    assert (await wrong.ask("POST", "/_matrix/client/v3/events"))[0] == 405
    assert (await wrong.ask("POST", f"/_matrix/client/v3{receipt}", {}))[0] == 500
    assert (await wrong.ask("GET", "/_matrix/client/versions"))[0] == 404

    found = await wrong.misroutes()
    assert [
        (each["kind"], each["method"], each["shape"], each["status"], each["count"]) for each in found
    ] == [
        ("no_resource", "GET", "/_matrix/client/versions", 404, 1),
        ("stream", "POST", "/_matrix/client/v3/rooms/*/receipt/*/*", 500, 1),
        ("unknown", "POST", "/_matrix/client/v3/events", 405, 1),
        ("unknown", "POST", "/_matrix/client/v3/logout/*", 404, 1),
        ("unrecognized", "GET", "/_matrix/client/v3/pushers", 404, 2),
    ]
    assert [each["instance"] for each in found] == ["federation_sender1", *["generic1"] * 4]
    assert {each["stream"] for each in found} == {"", "receipts"}
    assert found[1]["source"] == "wrong.yaml:11"

    shown = ""
    for page in ("/status", "/metrics", "/"):
        shown += await (await wrong.admin.get(page, headers={"Accept": "text/html"})).text()
    assert "Misrouted: " in shown
    assert 'router_misroutes_total{endpoint="' in shown
    for secret in (name, room, sent["event_id"], registered["access_token"], registered["device_id"]):
        assert secret not in shown


def test_the_shipped_table_has_main_as_its_fallback() -> None:
    loaded = load_bytes(ROUTES.read_bytes(), file=Path(ROUTES).name)
    assert loaded.config is not None
    fallback = loaded.config.table.fallback
    assert fallback is not None
    assert [each.instance for each in fallback.endpoints] == ["main"]
