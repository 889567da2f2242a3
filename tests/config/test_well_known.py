from __future__ import annotations

import json

import pytest

from router.config.lint import lint
from router.config.loader import load_bytes
from router.request import RequestHead
from router.routing.decision import Respond, decide
from router.routing.snapshot import Snapshot
from router.routing.view import EveryEndpointUp
from router.table import Route
from tests.config.files import CLEAN, marked, places

CLIENT = {"m.homeserver": {"base_url": "https://matrix.example.org"}}
SERVER = {"m.server": "matrix.example.org:443"}


def routes(written: str) -> tuple[Route, ...]:
    loaded = load_bytes(f"{CLEAN}well_known: {written}\n".encode())
    assert loaded.config is not None, loaded.findings
    assert loaded.findings == ()
    return loaded.config.table.routes


@pytest.mark.parametrize(
    ("written", "documents"),
    [
        ("{client: 'https://matrix.example.org'}", {"client": CLIENT}),
        ("{server: 'matrix.example.org:443'}", {"server": SERVER}),
        ("{server: matrix.example.org}", {"server": {"m.server": "matrix.example.org"}}),
        ("{server: '[::1]:8448'}", {"server": {"m.server": "[::1]:8448"}}),
        (
            "{server: 'matrix.example.org:443', client: 'https://matrix.example.org'}",
            {"client": CLIENT, "server": SERVER},
        ),
        (
            "{client: {m.homeserver: {base_url: 'https://matrix.example.org'}, x: {n: 1, s: '1'}}}",
            {"client": {**CLIENT, "x": {"n": 1, "s": "1"}}},
        ),
        ("{server: {m.server: 'matrix.example.org:443'}}", {"server": SERVER}),
    ],
)
def test_what_the_documents_say(written: str, documents: dict[str, object]) -> None:
    found = {
        route.name.removeprefix("well_known_"): json.loads(route.response.body)
        for route in routes(written)
        if route.response is not None and route.response.status == 200
    }
    assert found == documents


@pytest.mark.parametrize(
    ("written", "code", "caret"),
    [
        ("https://x", "S009", "https"),
        ("{klient: x}", "S008", "klient"),
        ("{client: [a]}", "S009", "[a"),
        ("{client: matrix.example.org}", "S016", "matrix"),
        ("{client: 'ftp://x'}", "S016", "'ftp"),
        ("{client: 'https://x y'}", "S016", "'https"),
        ("{client: {}}", "S016", "{}"),
        ("{client: {m.homeserver: https}}", "S016", "{m."),
        ("{client: {m.homeserver: {base_url: x}}}", "S016", "x"),
        ("{client: {m.homeserver: {base_url: [x]}}}", "S016", "{m."),
        ("{server: 'https://matrix.example.org'}", "S016", "'https"),
        ("{server: 'matrix.example.org:https'}", "S016", "'matrix"),
        ("{server: {m.servers: 'a:1'}}", "S016", "{m."),
        ("{server: }", "S010", "server"),
    ],
)
def test_what_is_wrong_is_marked(written: str, code: str, caret: str) -> None:
    assert marked(f"{CLEAN}well_known: {written}\n", code).startswith(caret)


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", b"/.well-known/matrix/server", 200),
        ("HEAD", b"/.well-known/matrix/server?x", 200),
        ("OPTIONS", b"/.well-known/matrix/server", 204),
        ("POST", b"/.well-known/matrix/server", 405),
        ("PUT", b"/.well-known/matrix/server", 405),
        ("GET", b"/.well-known/matrix/client", None),
        ("GET", b"/.well-known/matrix/server/", None),
        ("GET", b"/.well-known/matrix/server2", None),
        ("GET", b"/awell-known/matrix/server", None),
        ("GET", b"/x/.well-known/matrix/server", None),
    ],
)
def test_who_is_answered(method: str, target: bytes, status: int | None) -> None:
    loaded = load_bytes(f"{CLEAN}well_known: {{server: 'm.example:443'}}\n".encode())
    assert loaded.config is not None
    decision = decide(
        Snapshot.build(loaded.config.table), RequestHead(method=method, target=target), EveryEndpointUp()
    )
    assert (decision.response.status if isinstance(decision, Respond) else None) == status
    if isinstance(decision, Respond):
        assert decision.route.name == "well_known_server"


def test_they_come_before_all_others_and_shadow_them() -> None:
    text = (
        "upstreams: {main: {endpoints: [h:1]}}\nwell_known: {client: 'https://m.example'}\nroutes:\n"
        r"  - {name: mine, path: '^/\.well-known/matrix/client$', upstream: main}"
        "\n  - {path: '^/', upstream: main}\n"
    )
    loaded = load_bytes(text.encode())
    assert [(one.code, one.source.line if one.source else 0) for one in lint(loaded)] == [("R110", 4)]
    (finding,) = lint(loaded)
    assert "answered by `well_known_client`" in finding.witness


def test_their_names_are_taken() -> None:
    routes = "routes: [{name: well_known_client, path: '^/', upstream: main}]\n"
    text = "upstreams: {main: {endpoints: [h:1]}}\n" + routes
    assert places(text) == []
    assert places(text + "well_known: {client: 'https://m.example'}\n") == ["R105 2:17"]
