from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from router.config.loader import load, load_bytes
from router.settings import Guard, Health, Limits, Listener, Settings, Timeouts
from router.table import TcpAddress, UnixAddress
from tests.config.files import CLEAN, marked, places


def settings(text: str) -> Settings:
    loaded = load_bytes((CLEAN + text).encode())
    assert loaded.config is not None, loaded.findings
    assert loaded.findings == ()
    return loaded.config.settings


def tcp(port: int, host: str = "127.0.0.1") -> TcpAddress:
    return TcpAddress(host=host, port=port)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Settings()),
        ("listen: 127.0.0.1:0\n", Settings(listen=(Listener(address=tcp(0)),))),
        (
            "listen: ['[::]:80', 'unix:/run/x']\n",
            Settings(listen=(Listener(address=tcp(80, "::")), Listener(address=UnixAddress(path="/run/x")))),
        ),
        ("admin: 127.0.0.1:1\n", Settings(admin=(tcp(1),))),
        (
            "admin: ['[::1]:1', 'unix:/x', localhost:2]\n",
            Settings(admin=(tcp(1, "::1"), UnixAddress(path="/x"), tcp(2, "localhost"))),
        ),
        (
            "admin: {listen: 0.0.0.0:1, public: yes}\n",
            Settings(admin=(tcp(1, "0.0.0.0"),), admin_public=True),
        ),
        (
            "limits: {request_line: 8KiB, headers: 16000, header_count: 100}\n",
            Settings(),
        ),
        (
            "limits: {body: 13107200, media_body: 50MiB}\n",
            Settings(),
        ),
        (
            "limits: {body: 1MB, header_count: 010}\n",
            Settings(limits=Limits(body=1_000_000, header_count=10)),
        ),
        (
            "timeouts: {connect: 5s, first_byte: 10m, read: 60s, head: 60s}\n",
            Settings(),
        ),
        (
            "timeouts: {body: 60s, send: 60s, idle: 65s, upstream_idle: 45s}\n",
            Settings(),
        ),
        ("timeouts: {connect: 500ms}\n", Settings(timeouts=Timeouts(connect=0.5))),
        (
            "health: {path: /health, interval: 1s, timeout: 3s, rise: 1, fall: 5, jitter: 0s}\n",
            Settings(health=Health(path="/health", interval=1.0, timeout=3.0, rise=1, fall=5, jitter=0.0)),
        ),
        ("access_log: '-'\n", Settings()),
        ("access_log: off\n", Settings(access_log="")),
        ("access_log: 'off'\n", Settings(access_log="")),
        ("access_log: /var/log/x\n", Settings(access_log="/var/log/x")),
        ("drain_timeout: 0s\n", Settings(drain_timeout=0.0)),
        (
            "guard: {open: [/_synapse/admin, /_synapse/mas/]}\n",
            Settings(guard=Guard(open_prefixes=frozenset({"/_synapse/admin", "/_synapse/mas"}))),
        ),
        (
            "guard: {replication: ['unix:/run/x.sock']}\n",
            Settings(guard=Guard(replication_addresses=(UnixAddress(path="/run/x.sock"),))),
        ),
        ("guard: {replication: 9000-9999}\n", Settings()),
        (
            "guard: {replication: [7000, 9100-9199, 10.0.0.5:18200, 'unix:/run/x.sock']}\n",
            Settings(
                guard=Guard(
                    replication_ports=((7000, 7000), (9100, 9199)),
                    replication_addresses=(tcp(18200, "10.0.0.5"), UnixAddress(path="/run/x.sock")),
                )
            ),
        ),
    ],
)
def test_what_the_file_says_is_what_is_set(text: str, expected: Settings) -> None:
    assert settings(text) == expected


@pytest.mark.parametrize(
    ("text", "code", "caret"),
    [
        ("listen: 8080\n", "S013", "8080"),
        ("listen: []\n", "S010", "[]"),
        ("listen: [127.0.0.1:80, 127.0.0.1:80]\n", "S013", "127.0.0.1:80"),
        ("admin: 127.0.0.1:8080\n", "S013", "127.0.0.1:8080"),
        ("admin: 0.0.0.0:8081\n", "H303", "0.0.0.0:8081"),
        ("admin: '[::]:8081'\n", "H303", "'[::]:8081'"),
        ("admin: [127.0.0.1:1, example.org:1]\n", "H303", "example.org:1"),
        ("admin: {listen: 10.0.0.1:1, public: false}\n", "H303", "10.0.0.1:1"),
        ("admin: {listen: 10.0.0.1:1, public: maybe}\n", "H303", "10.0.0.1:1"),
        ("admin: {listen: 127.0.0.1:1, publik: true}\n", "S008", "publik"),
        ("limits: {body: 50M}\n", "S011", "50M"),
        ("limits: {header_count: 8KiB}\n", "S011", "8KiB"),
        ("limits: {bdoy: 1}\n", "S008", "bdoy"),
        ("limits: []\n", "S009", "[]"),
        ("timeouts: {idle: 5}\n", "S011", "5"),
        ("health: {path: health}\n", "S015", "health"),
        ("health: {path: '/a b'}\n", "S015", "'/a b'"),
        ("health: {interval: 0s}\n", "S011", "0s"),
        ("health: {rise: 0}\n", "S011", "0"),
        ("health: {fall: 2.5}\n", "S011", "2.5"),
        ("health: {jitter: 1}\n", "S011", "1"),
        ("access_log: -\n", "S003", "-"),
        ("access_log: [-]\n", "S009", "[-]"),
        ("access_log: {}\n", "S009", "{}"),
        ("drain_timeout: 30\n", "S011", "30"),
        ("guard: {replication: []}\n", "H304", "[]"),
        ("guard: {replication: [9999-9000]}\n", "S011", "9999-9000"),
        ("guard: {replication: [0]}\n", "S011", "0"),
        ("guard: {replication: [70000]}\n", "S011", "70000"),
        ("guard: {replication: [9000-]}\n", "S013", "9000-"),
        ("guard: {open: [/_synapse/replication]}\n", "H302", "/_synapse/replication"),
        ("guard: {open: [/_synapse/Replication/x]}\n", "H302", "/_synapse/Replication/x"),
        ("guard: {open: /_synapse/admim}\n", "S012", "/_synapse/admim"),
        ("guard: {open: [/]}\n", "S012", "/"),
        ("match: decoded\n", "S012", "decoded"),
    ],
)
def test_what_is_wrong_is_marked_and_not_served(text: str, code: str, caret: str) -> None:
    assert marked(CLEAN + text, code) == caret
    assert load_bytes((CLEAN + text).encode()).config is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("limits: {headers: 16385}\n", "H305"),
        ("limits: {header_count: 501}\n", "H305"),
        ("timeouts: {upstream_idle: 60s}\n", "H306"),
    ],
)
def test_what_is_doubtful_is_a_warning_and_served(text: str, code: str) -> None:
    loaded = load_bytes((CLEAN + text).encode())
    assert [one.code for one in loaded.findings] == [code]
    assert loaded.config is not None


@pytest.mark.parametrize(
    "text",
    ["limits: {headers: 16384}\n", "limits: {header_count: 500}\n", "timeouts: {upstream_idle: 59s}\n"],
)
def test_what_is_just_within_bounds_is_clean(text: str) -> None:
    assert places(CLEAN + text) == []


@pytest.mark.parametrize(
    ("text", "options", "message", "line"),
    [
        ("", {"listen": 1, "admin": 1}, "--listen and --admin are both 127.0.0.1:1 on the command line", 0),
        ("admin: 127.0.0.1:1\n", {"listen": 1}, "--listen and `admin` are both 127.0.0.1:1", 3),
        ("listen: 127.0.0.1:1\n", {"admin": 1}, "`listen` and --admin are both 127.0.0.1:1", 3),
        ("", {"listen": 8081}, "--listen and `admin` are both 127.0.0.1:8081", 0),
        ("listen: 127.0.0.1:8081\n", {}, "`listen` and `admin` are both 127.0.0.1:8081", 3),
        ("listen: h:1\nadmin: {listen: h:1, public: true}\n", {}, "`listen` and `admin` are both h:1", 4),
    ],
)
def test_one_address_for_both_listeners_is_shown_where_it_was_written(
    text: str, options: dict[str, int], message: str, line: int, tmp_path: Path
) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(CLEAN + text, encoding="utf-8")
    loaded = load(file, **{name: (tcp(port),) for name, port in options.items()})
    (finding,) = loaded.findings
    assert (finding.code, finding.message) == ("S013", message)
    assert (finding.source.line if finding.source else 0) == line
    assert loaded.config is None


@pytest.mark.parametrize("text", ["limits: {header_count: 8KiB}\n", "guard: {replication: [70000]}\n"])
def test_what_is_no_size_is_not_explained_by_its_unit(text: str) -> None:
    assert "unit" not in next(one.why for one in load_bytes((CLEAN + text).encode()).findings)


@pytest.mark.parametrize("text", ["limits: {body: 50M}\n", "timeouts: {idle: 5}\n"])
def test_a_size_or_a_time_is_explained_by_its_unit(text: str) -> None:
    assert "unit" in next(one.why for one in load_bytes((CLEAN + text).encode()).findings)


WORKER = "upstreams: {main: {endpoints: [127.0.0.1:9093]}}\nroutes: [{path: '^/', upstream: main}]\n"


def test_a_bad_port_leaves_the_default_ones_guarded() -> None:
    assert places(WORKER + "guard: {replication: [x]}\n") == ["H301 1:32", "S013 3:23"]


def test_other_replication_ports_replace_the_default_ones() -> None:
    text = WORKER + "guard: {replication: [7000]}\n"
    assert places(text) == []
    assert places(text.replace("9093", "7000")) == ["H301 1:32"]


def test_every_key_of_limits_and_timeouts_is_one_of_the_file() -> None:
    for section, kind in (("limits", Limits), ("timeouts", Timeouts)):
        for field in dataclasses.fields(kind):
            unit = "s" if section == "timeouts" else ""
            assert settings(f"{section}: {{{field.name}: 7{unit}}}\n") != Settings()
