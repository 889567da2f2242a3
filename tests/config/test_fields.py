from __future__ import annotations

import pytest

from tests.config.files import CLEAN, UPSTREAMS, fix, marked, places


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (CLEAN + "gaurd: {}\n", "`guard`"),
        (CLEAN + "Listen: 127.0.0.1:80\n", "`listen`"),
        (UPSTREAMS + "routes: [{regex: '^/', to: main}]\n", "`path`"),
        ("upstreams: {m: {servers: [127.0.0.1:8008]}}\nroutes: [{path: '^/', upstream: m}]\n", "`endpoints`"),
        (CLEAN + "qqqq: 1\n", "known keys: listen, admin"),
    ],
)
def test_an_unknown_key_says_what_was_meant(text: str, meant: str) -> None:
    assert meant in fix(text, "S008")


def test_a_misspelt_key_is_not_missing_too() -> None:
    assert places(UPSTREAMS + "routes: [{pth: '^/', upstrem: main}, {path: '^/', upstream: w}]\n") == [
        "S008 2:11",
        "S008 2:22",
    ]


def test_a_key_without_a_value_is_not_taken_for_its_default() -> None:
    assert places(CLEAN + "listen:\n") == ["S010 3:1"]
    assert places(CLEAN + "limits: {body: }\n") == ["S010 3:10"]


def test_what_is_missing_is_named() -> None:
    assert "S010 1:1" in places(UPSTREAMS)
    assert "upstreams" in fix("listen: 127.0.0.1:80\n", "S010")


@pytest.mark.parametrize("text", ["- a\n", "word\n", "limits: 5\nupstreams: {}\n"])
def test_what_is_no_mapping_is_said(text: str) -> None:
    assert any(place.startswith("S009") for place in places(text))


def test_the_caret_stands_under_the_key() -> None:
    assert marked(CLEAN + "gaurd: {open: []}\n", "S008") == "gaurd"
