from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from router.local.asking.wire import Answer, Wire

UNRECOGNIZED = b'{"errcode":"M_UNRECOGNIZED","error":"Unrecognized request"}'
TWISTED = b"""
<html>
  <head><title>404 - No Such Resource</title></head>
  <body><h1>No Such Resource</h1></body>
</html>
"""
Serve = Callable[[web.Application], Awaitable[TestServer]]


@pytest.mark.parametrize(
    ("status", "body", "elsewhere"),
    [
        (404, UNRECOGNIZED, True),
        (405, UNRECOGNIZED, True),
        (404, TWISTED, True),
        (405, TWISTED.replace(b"404 - No Such Resource", b"405 - Method Not Allowed"), True),
        (400, UNRECOGNIZED, False),
        (404, b'{"errcode":"M_NOT_FOUND"}', False),
        (404, b"404. Is anything ever truly *well* known?\n", False),
        (404, b'["M_UNRECOGNIZED"]', False),
        (404, b"", False),
        (200, TWISTED, False),
    ],
)
def test_an_answer_tells_whether_there_is_something_at_the_path(
    status: int, body: bytes, *, elsewhere: bool
) -> None:
    answer = Answer(status=status, body=body)

    assert answer.elsewhere is elsewhere
    assert str(answer) == (f"{status}-" if elsewhere else f"{status}")


async def echo(request: web.Request) -> web.Response:
    seen = {
        "line": f"{request.method} {request.raw_path}",
        "token": request.headers.get("Authorization"),
        "type": request.headers.get("Content-Type"),
        "body": (await request.read()).decode("latin-1"),
    }
    return web.Response(status=302, headers={"Location": "/elsewhere"}, text=json.dumps(seen))


@pytest.fixture
async def port(aiohttp_server: Serve) -> int:
    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", echo)
    found = (await aiohttp_server(application)).port
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("line", "body", "token", "seen"),
    [
        ("GET /a/%2F/!r:h/$e//b/../c?x=%2B", None, "", (None, None, "")),
        ("PUT /x", {"a": 1}, "secret", ("Bearer secret", "application/json", '{"a": 1}')),
        ("POST /x", {}, "", (None, "application/json", "{}")),
        ("POST /x", b"\x89PNG", "", (None, "image/png", "\x89PNG")),
    ],
)
async def test_it_sends_what_it_is_given_and_follows_nobody(
    port: int, line: str, body: object, token: str, seen: tuple[str | None, str | None, str]
) -> None:
    method, target = line.split(" ")
    async with Wire() as wire:
        answer = await wire.ask(port, method, target, body=body, token=token)

    told = answer.json()
    assert answer.status == 302
    assert told["line"] == line
    assert (told["token"], told["body"]) == (seen[0], seen[2])
    if body is not None:
        assert told["type"] == seen[1]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"1"])
def test_a_body_that_is_no_object_is_none(body: bytes) -> None:
    assert Answer(status=200, body=body).json() == {}
