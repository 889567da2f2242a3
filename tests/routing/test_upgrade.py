"""Which other protocol a request may go on in."""

from __future__ import annotations

import pytest

from router.request import RequestHead
from router.routing.upgrade import protocol_asked, tokens
from router.table import Pattern, Route

Headers = list[tuple[bytes, bytes]]

UPGRADE = (b"connection", b"upgrade")
WEBSOCKET = (b"upgrade", b"websocket")


@pytest.mark.parametrize(
    ("method", "headers", "asked"),
    [
        ("GET", [UPGRADE, WEBSOCKET], "websocket"),
        ("GET", [(b"connection", b" Keep-Alive ,\tUPGRADE"), (b"upgrade", b"WebSocket")], "websocket"),
        ("GET", [(b"connection", b"close"), UPGRADE, (b"upgrade", b"h2c"), WEBSOCKET], "websocket"),
        ("GET", [UPGRADE, (b"upgrade", b"x/1, tsp/2, websocket")], "TSP/2"),
        ("GET", [UPGRADE, (b"upgrade", b",, websocket,")], "websocket"),
        ("GET", [UPGRADE, (b"upgrade", b"h2c")], ""),
        ("GET", [UPGRADE, (b"upgrade", b"websocket/13")], ""),
        ("GET", [UPGRADE, (b"upgrade", b"web socket")], ""),
        ("GET", [UPGRADE, (b"upgrade", b"")], ""),
        ("GET", [UPGRADE], ""),
        ("GET", [WEBSOCKET], ""),
        ("GET", [(b"connection", b"upgrades"), WEBSOCKET], ""),
        ("GET", [], ""),
        ("HEAD", [UPGRADE, WEBSOCKET], ""),
        ("POST", [UPGRADE, WEBSOCKET], ""),
    ],
)
def test_the_first_offer_that_the_route_allows(method: str, headers: Headers, asked: str) -> None:
    route = Route(name="a", pattern=Pattern(text="^/"), upstream="w", upgrade=("websocket", "TSP/2"))
    head = RequestHead(method=method, target=b"/", headers=headers)
    assert protocol_asked(route, head) == asked


def test_a_route_allows_none_by_itself() -> None:
    route = Route(name="a", pattern=Pattern(text="^/"), upstream="w")
    assert protocol_asked(route, RequestHead(method="GET", target=b"/", headers=[UPGRADE, WEBSOCKET])) == ""


def test_items_of_a_list_in_their_order() -> None:
    headers = [(b"a", b"X , y"), (b"b", b"z"), (b"a", b"x")]
    assert list(tokens(headers, b"a")) == [b"x", b"y", b"x"]
    assert list(tokens(headers, b"c")) == []
