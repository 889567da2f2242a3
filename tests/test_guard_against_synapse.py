"""The guard before the real deployment: its replication listeners are there, and cannot be reached."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import quote

import aiohttp
import pytest

from router.config.lint import lint
from router.config.loader import load_bytes
from router.guard import Guard
from router.local.deployment import Deployment
from tests.deployment import ROUTES

FILE = """
guard: {{replication: {ports}}}
upstreams: {{main: {{endpoints: ['{host}:{port}']}}}}
routes: [{{path: '^/', upstream: main}}]
"""


async def _ask(url: str, method: str = "GET") -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as session, session.request(method, url) as answer:
        return answer.status, await answer.read()


async def test_replication_listeners_answer_whoever_reaches_them(deployment: Deployment) -> None:
    for port in deployment.layout.replication_ports:
        status, body = await _ask(f"http://127.0.0.1:{port}/_synapse/replication/send_events/x")
        assert (status, json.loads(body)["errcode"]) == (405, "M_UNRECOGNIZED"), "a client listener says 404"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "localhost", "0x7f000001", "[::ffff:127.0.0.1]", "0.0.0.0"]
)
def test_no_file_makes_an_endpoint_of_one(deployment: Deployment, host: str) -> None:
    ports = list(deployment.layout.replication_ports)
    for port in ports:
        loaded = load_bytes(FILE.format(ports=ports, host=host, port=port).encode())
        assert loaded.config is None
        assert [finding.code for finding in loaded.findings] == ["H301"]
    client = deployment.layout["main"].client_port
    assert load_bytes(FILE.format(ports=ports, host="127.0.0.1", port=client).encode()).config is not None


OWN_FILES = """
guard: {{replication: [1]}}
synapse: {{homeserver: {config}/homeserver.yaml, workers: {config}/workers}}
upstreams: {{main: {{endpoints: ['{host}:{port}']}}}}
routes: [{{path: '^/', upstream: main}}]
"""


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "localhost", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"]
)
def test_the_files_that_synapse_runs_on_close_them_too(deployment: Deployment, host: str) -> None:
    layout = deployment.layout
    for port in layout.replication_ports:
        loaded = load_bytes(OWN_FILES.format(config=layout.config, host=host, port=port).encode())
        assert loaded.config is None
        assert [finding.code for finding in loaded.findings] == ["H301"]
        assert f"({layout.config}/" in loaded.findings[0].message, "it says which line made it one"
        sockaddrs: list[tuple[str | int, ...]] = [("127.0.0.1", port), ("::1", port, 0, 0)]
        guard = Guard(loaded.settings.guard)
        assert all(guard.judge_sockaddr(sockaddr) is not None for sockaddr in sockaddrs)
    for name in ("main", "generic1"):
        client = layout[name].client_port
        loaded = load_bytes(OWN_FILES.format(config=layout.config, host="127.0.0.1", port=client).encode())
        assert loaded.config is not None


def test_the_shipped_table_does_not_contradict_them(deployment: Deployment) -> None:
    layout = deployment.layout
    text = layout.translated(ROUTES.read_text(encoding="utf-8"))
    text += f"synapse: {{homeserver: {layout.config}/homeserver.yaml, workers: {layout.config}/workers}}\n"
    loaded = load_bytes(text.encode())
    assert (*loaded.findings, *lint(loaded)) == ()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/_synapse/replication/send_events/x", 404),
        ("/_synapse/replication", 404),
        ("/_synapse/admin/v1/server_version", 404),
        ("/_synapse/mas/query_user", 404),
        ("/_matrix/..%2F_synapse/replication/send_events/x", 400),
        ("/_synapse/%72eplication/send_events/x", 400),
    ],
)
async def test_no_path_leads_there(deployment: Deployment, method: str, path: str, status: int) -> None:
    host, port = deployment.layout.base_url.removeprefix("http://").split(":")
    reached = await _raw(host, int(port), f"{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert reached.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Server: Synapse" not in reached
    admin = f"http://127.0.0.1:{deployment.layout.admin_port}"
    asked = f"{admin}/explain?method={method}&target={quote(path, safe='')}"
    _, explained = await _ask(asked)
    assert json.loads(explained)["reason"] == "guard", "not only because the table has no route for it"


async def _raw(host: str, port: int, request: str) -> bytes:
    """As bytes, since a client library would tidy the path."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(request.encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer
