from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from router.config.loader import load, load_bytes, load_or_raise
from router.errors import (
    ConfigError,
    ConfigSyntaxError,
    InvalidPattern,
    ReplicationExposed,
    UnknownKey,
    UnknownUpstream,
)
from router.settings import Listener, Settings
from router.table import UNMATCHED, Endpoint, TcpAddress
from tests.config.files import CLEAN, ROUTES, UPSTREAMS, places

SMALLEST = """\
listen: [127.0.0.1:8080]          # optional, like admin: --listen and --admin win over both
upstreams:
  main: {endpoints: [127.0.0.1:8008]}
routes:
  - {path: '^/', upstream: main}
"""


def test_the_smallest_file_loads(tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(SMALLEST, encoding="utf-8")
    config = load_or_raise(file)
    assert [route.pattern.text for route in config.table.routes] == ["^/", ""]
    assert config.table.routes[-1] is UNMATCHED
    endpoints = config.table.upstreams["main"].endpoints
    assert endpoints == (Endpoint(address=TcpAddress(host="127.0.0.1", port=8008)),)
    assert config.settings == Settings()
    assert len(config.digest) == 6
    assert load(file).findings == ()


@pytest.mark.parametrize(
    ("text", "error", "line"),
    [
        ("upstreams: [\n", ConfigSyntaxError, 2),
        (CLEAN + "gaurd: {}\n", UnknownKey, 3),
        (UPSTREAMS + "routes: [{path: '^/', upstream: q}]\n", UnknownUpstream, 2),
        (UPSTREAMS + "routes: [{path: '^/(', upstream: w}]\n", InvalidPattern, 2),
        ("upstreams: {main: {endpoints: [127.0.0.1:9093]}}\n" + ROUTES, ReplicationExposed, 1),
        (CLEAN + "admin: 0.0.0.0:1\n", ConfigError, 3),
    ],
)
def test_serve_is_given_the_first_error_with_its_place_and_a_hint(
    tmp_path: Path, text: str, error: type[ConfigError], line: int
) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(error) as raised:
        load_or_raise(file)
    assert raised.value.source is not None
    assert (raised.value.source.file, raised.value.source.line) == (str(file), line)
    assert raised.value.hint


def test_warnings_do_not_keep_a_table_from_being_served(tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(CLEAN + "limits: {headers: 17000}\n", encoding="utf-8")
    assert load_or_raise(file).settings.limits.headers == 17_000


def test_all_findings_come_in_one_run() -> None:
    text = (
        "gaurd: 1\n"
        "upstreams: {main: {endpoints: [h:9000, h]}, e: {}}\n"
        "routes:\n"
        "  - {path: '(', upstream: q}\n"
        "  - 5\n"
    )
    assert places(text) == [
        "S008 1:1",
        "H301 2:32",
        "S013 2:40",
        "W201 2:45",
        "R101 4:13",
        "R102 4:27",
        "S009 5:5",
    ]


def test_the_command_line_wins_over_listen_and_admin(tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(CLEAN + "listen: 127.0.0.1:8008\nadmin: 0.0.0.0:1\n", encoding="utf-8")
    assert [one.code for one in load(file).findings] == ["W205", "H303"]
    here, there = TcpAddress(host="127.0.0.1", port=0), TcpAddress(host="127.0.0.1", port=1)
    config = load_or_raise(file, listen=(here,), admin=(there,))
    assert (config.settings.listen, config.settings.admin) == ((Listener(address=here),), (there,))
    with pytest.raises(ConfigError):
        load_or_raise(file, listen=(TcpAddress(host="0.0.0.0", port=8101),), admin=(there,))


def test_patterns_that_do_not_fit_into_one_matcher_do_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.routing.matcher.LARGEST_BUDGET", 1)
    assert places(CLEAN) == ["R109 2:17"]
    assert load_bytes(CLEAN.encode()).config is None


def test_the_digest_is_that_of_the_bytes() -> None:
    one, other = load_bytes(CLEAN.encode()), load_bytes(CLEAN.encode() + b"\n")
    assert one.config is not None
    assert other.config is not None
    assert one.config.digest == hashlib.sha256(CLEAN.encode()).hexdigest()[:6]
    assert one.config.digest != other.config.digest
    assert one.config.table == other.config.table
