from __future__ import annotations

import pytest

from router.config.loader import load_bytes
from tests.config.files import UPSTREAMS, marked


def file(upgrade: str, more: str = "upstream: main") -> str:
    return UPSTREAMS + (
        "routes:\n  - {path: '^/_', upstream: w}\n"
        f"  - {{path: '^/ws', {more}, upgrade: {upgrade}}}\n  - {{path: '^/', upstream: main}}\n"
    )


@pytest.mark.parametrize(
    ("upgrade", "allowed"),
    [
        ("websocket", ("websocket",)),
        ("'websocket'", ("websocket",)),
        ("[websocket, TSP/2]", ("websocket", "TSP/2")),
        ("[websocket, WebSocket]", ("websocket",)),
        ("h2o", ("h2o",)),
    ],
)
def test_protocols_that_a_route_allows(upgrade: str, allowed: tuple[str, ...]) -> None:
    loaded = load_bytes(file(upgrade).encode())
    assert loaded.config is not None, loaded.findings
    assert [route.upgrade for route in loaded.config.table.routes] == [(), allowed, (), ()]


@pytest.mark.parametrize(
    ("upgrade", "more", "code", "caret"),
    [
        ("h2c", "upstream: w", "R118", "h2c"),
        ("H2", "upstream: w", "R118", "H2"),
        ("[websocket, HTTP/2.0]", "upstream: w", "R118", "HTTP/2.0"),
        ("TLS/1.0", "upstream: w", "R118", "TLS/1.0"),
        ("web socket", "upstream: w", "R118", "web socket"),
        ("a/b/c", "upstream: w", "R118", "a/b/c"),
        ("true", "upstream: w", "R118", "true"),
        ("Off", "upstream: w", "R118", "Off"),
        ("'websocket, x'", "upstream: w", "R118", "'websocket, x'"),
        ("[]", "upstream: w", "S010", "[]"),
        ("''", "upstream: w", "S010", "''"),
        ("{websocket: true}", "upstream: w", "S009", "{websocket: true}"),
        ("websocket", "refuse: {}", "R118", "websocket"),
        ("websocket", "upstream: w, methods: [POST]", "R118", "websocket"),
    ],
)
def test_what_cannot_be_allowed(upgrade: str, more: str, code: str, caret: str) -> None:
    assert marked(file(upgrade, more), code) == caret


def test_a_route_for_get_may_say_so() -> None:
    assert load_bytes(file("websocket", "upstream: main, methods: [GET, POST]").encode()).config is not None
