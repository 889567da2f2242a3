from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from router.admin.application import admin_application
from tests.admin.processes import GENERIC1, GENERIC2, LISTENER, MAIN, Process

Client = TestClient[web.Request, web.Application]
ClientFor = Callable[[web.Application], Awaitable[Client]]

PATHS = ("/", "/explain?target=/", "/health", "/metrics", "/ready", "/routes", "/status")


@pytest.fixture
def process() -> Process:
    return Process()


@pytest.fixture
async def client(process: Process, aiohttp_client: ClientFor) -> Client:
    return await aiohttp_client(admin_application(process.state))


async def test_health_is_ok_while_the_process_lives(client: Client, process: Process) -> None:
    process.states.mark_down(MAIN, "refused")
    process.draining = True
    response = await client.get("/health")
    assert (response.status, await response.text()) == (200, "OK")


async def test_ready_while_every_upstream_has_an_endpoint(client: Client, process: Process) -> None:
    process.states.mark_down(GENERIC1, "refused")
    response = await client.get("/ready")
    assert response.status == 200
    assert await response.json() == {"ready": True, "down": [], "draining": False}


async def test_not_ready_names_the_upstreams_without_an_endpoint(client: Client, process: Process) -> None:
    process.states.mark_down(GENERIC1, "refused")
    process.states.mark_down(GENERIC2, "refused")
    response = await client.get("/ready")
    assert response.status == 503
    assert await response.json() == {
        "ready": False,
        "down": ["generic-worker", "generic-worker-user"],
        "draining": False,
    }


async def test_not_ready_while_draining(client: Client, process: Process) -> None:
    process.draining = True
    response = await client.get("/ready")
    assert response.status == 503
    assert await response.json() == {"ready": False, "down": [], "draining": True}


async def test_routes_are_the_table(client: Client) -> None:
    routes = await (await client.get("/routes")).json()
    assert [(route["route"], route["source"]) for route in routes[:2]] == [
        ("initial_sync", "routes.yaml:12"),
        ("sync", "routes.yaml:13"),
    ]
    assert routes[-1]["route"] == "unmatched"


async def test_status_is_json(client: Client, process: Process) -> None:
    process.serve(b"/_matrix/media/x", status=502, reason="bad_response")
    status = await (await client.get("/status")).json()
    assert status["verdict"].startswith("All well: ")
    assert status["connections"] == 5
    assert [failure["reason"] for failure in status["failures"]] == ["bad_response"]


async def test_metrics_are_of_this_process(client: Client, process: Process) -> None:
    process.serve(b"/_matrix/media/x")
    process.states.mark_down(GENERIC2, "refused")
    process.dropped = 4
    response = await client.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(await response.text())
        for sample in family.samples
    }
    assert samples[("router_requests_total", "127.0.0.1:8008", "2xx", "GET", "main", "media")] == 1
    assert samples[("router_endpoint_up", "127.0.0.1:8102", "generic-worker-user")] == 0
    assert samples[("router_endpoint_up", "127.0.0.1:8008", "main")] == 1
    assert samples[("router_open_connections", LISTENER)] == 5
    assert samples[("router_log_dropped_total",)] == 4
    assert samples[("router_build_info", "0.1.0")] == 1
    assert samples[("router_config_info", "3f9c1a")] == 1


async def test_metrics_speak_openmetrics_too(client: Client) -> None:
    response = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert response.headers["Content-Type"].startswith("application/openmetrics-text")
    assert (await response.text()).endswith("# EOF\n")


async def test_explain_answers_for_a_target_encoded_once_more(client: Client) -> None:
    target = quote("/_matrix/client/v3/sync?since=s1%26x&timeout=0", safe="")
    found = await (await client.get(f"/explain?method=GET&target={target}&header=A:b&client=::1")).json()
    assert (found["route"], found["query"]) == ("sync", ["since", "timeout"])


async def test_explain_takes_raw_bytes(client: Client) -> None:
    found = await (await client.get("/explain?target=/%2FA%ff%253a")).json()
    assert found["path"] == "//A\xff%3a"


@pytest.mark.parametrize("query", ["", "?target=/&who=me", "?target=/&header=x", "?target=/&client=me"])
async def test_explain_says_what_it_expects(client: Client, query: str) -> None:
    response = await client.get(f"/explain{query}")
    assert response.status == 400
    body = await response.json()
    assert body["error"]
    assert body["expected"].startswith("GET /explain?method=")


async def test_a_browser_gets_a_page_and_a_terminal_gets_text(client: Client) -> None:
    page = await client.get("/", headers={"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"})
    text = await client.get("/", headers={"Accept": "*/*"})
    assert page.content_type == "text/html"
    assert "style-src 'sha256-" in page.headers["Content-Security-Policy"]
    assert (await page.text()).startswith("<!DOCTYPE html>")
    assert text.content_type == "text/plain"
    assert (await text.text()).startswith("All well: ")
    assert page.headers["Vary"] == text.headers["Vary"] == "Accept"


@pytest.mark.parametrize("path", [*PATHS, "/explain", "/nowhere"])
async def test_every_answer_is_closed_to_other_origins(client: Client, path: str) -> None:
    response = await client.get(path, headers={"Origin": "https://evil.example"})
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    assert not [name for name in response.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_nothing_is_changed(client: Client, method: str, path: str) -> None:
    response = await client.request(method, path)
    assert response.status == 405
    assert response.headers["Allow"] == "GET, HEAD"
    assert (await response.json())["error"] == "nothing is changed through this listener"


@pytest.mark.parametrize("path", PATHS)
async def test_head_is_get_without_a_body(client: Client, path: str) -> None:
    response = await client.head(path)
    assert response.status == 200
    assert await response.read() == b""


async def test_an_unknown_page_names_those_there_are(client: Client) -> None:
    response = await client.get("/metric")
    assert response.status == 404
    assert (await response.json())["expected"] == "/, /explain, /health, /metrics, /ready, /routes, /status"


async def test_a_name_that_leads_here_is_not_enough(client: Client) -> None:
    for path in PATHS:
        response = await client.get(path, headers={"Host": "rebound.example:8081"})
        assert response.status == 403
        assert set(await response.json()) == {"error", "expected"}
    assert (await client.get("/health", headers={"Host": "localhost:8081"})).status == 200


async def test_a_public_listener_takes_any_name(aiohttp_client: ClientFor) -> None:
    client = await aiohttp_client(admin_application(Process(public=True).state))
    assert (await client.get("/health", headers={"Host": "router.example"})).status == 200


async def test_a_unix_socket_takes_any_name(process: Process, tmp_path: Path) -> None:
    runner = web.AppRunner(admin_application(process.state))
    await runner.setup()
    try:
        await web.UnixSite(runner, str(tmp_path / "admin.sock")).start()
        connector = aiohttp.UnixConnector(path=str(tmp_path / "admin.sock"))
        async with aiohttp.ClientSession(connector=connector) as session:
            response = await session.get("http://anything.example/health")
            assert response.status == 200
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("place", ["bearer", "query", "spelled", "cookie", "x-matrix", "path", "userinfo"])
@given(secret=st.from_regex(r"[A-Za-z0-9]{16,32}", fullmatch=True))
@settings(max_examples=5)
async def test_a_token_is_never_shown(secret: str, place: str) -> None:
    token = f"syt_YWxpY2U_{secret}_abc123"
    target, headers = "/_matrix/client/v3/sync?since=s1", {}
    match place:
        case "bearer":
            headers = {"Authorization": f"Bearer {token}"}
        case "query":
            target += f"&access_token={token}"
        case "spelled":
            target += f"&%61ccess%5Ftoken={secret}"
        case "cookie":
            headers = {"Cookie": f"session={secret}"}
        case "x-matrix":
            headers = {"Authorization": f'X-Matrix origin="a",sig="{secret}"'}
        case "path":
            target = f"/_matrix/client/v3/sync/{token}"
        case _:
            target = f"http://sync:{secret}@host/?access_token={secret}"
    process = Process()
    if place != "userinfo":
        fields = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        process.serve(target.encode(), *fields)
        process.serve(target.encode(), *fields, status=502, reason="aborted")
    question = [("method", "GET"), ("target", target), *(("header", f"{n}: {v}") for n, v in headers.items())]
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in question)
    shown = await everything(process, query)
    assert secret not in shown
    assert "sync" in shown


async def everything(process: Process, query: str) -> str:
    """All that the application ever says, with that question to /explain."""
    async with TestClient(TestServer(admin_application(process.state))) as client:
        answers = [await (await client.get(path)).text() for path in PATHS]
        answers.append(await (await client.get("/", headers={"Accept": "text/html"})).text())
        explained = await client.get(f"/explain?{query}")
        answers.append(json.dumps(await explained.json()))
        answers.append(await (await client.get(f"/explain?{query}&oops")).text())
        return "\n".join(answers)
