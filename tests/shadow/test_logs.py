from __future__ import annotations

import json
from pathlib import Path

import pytest

from router.shadow.logs import COMBINED, JSON, PLAIN, Logged, combined, detect, json_line, plain
from tests.real_nginx import Client, free_ports, nginx

NASTY = [
    b"/_matrix/client/v3/sync?since=s1&timeout=0",
    b"/a%2Fb%zz",
    b"/a\\b",
    b'/a"b',
    b"/a\xc3\xa9\xff",
    b"/a;b'c~{}|^",
    b"//a/../b?x=\\x41",
]


@pytest.mark.parametrize(
    ("line", "logged"),
    [
        (
            b'192.0.2.7 - - [24/Nov/2026:10:00:00 +0000] "GET /a?b=c HTTP/1.1" 200 1 "-" "E/1"',
            Logged("GET", b"/a?b=c", "192.0.2.7"),
        ),
        (
            b'2001:db8::1 - alice b [x] "PUT /a HTTP/2.0" 200 1 "-" "-" "10.0.0.1"',
            Logged("PUT", b"/a", "2001:db8::1"),
        ),
        (rb'unix: - - [x] "GET /a\x22\xC3\xA9\x5C HTTP/1.1" 400 0', Logged("GET", b'/a"\xc3\xa9\\', "")),
        (b'1.2.3.4 - - [x] "-" 400 0 "-" "-"', None),
        (b'1.2.3.4 - - [x] "GET /a" 400 0', None),
        (rb'1.2.3.4 - - [x] "\x16\x03\x01" 400 157', None),
        (b"GET /a", None),
        (b"", None),
    ],
)
def test_the_combined_format(line: bytes, logged: Logged | None) -> None:
    assert combined(line) == logged


@pytest.mark.parametrize(
    ("told", "logged"),
    [
        ({"request": "GET /a HTTP/1.1", "remote_addr": "1.2.3.4"}, Logged("GET", b"/a", "1.2.3.4")),
        ({"request_method": "PUT", "request_uri": "/a?b=1"}, Logged("PUT", b"/a?b=1", "")),
        ({"method": "GET", "path": "/a", "args": "b=1", "client": "::1"}, Logged("GET", b"/a?b=1", "::1")),
        (
            {"method": "GET", "uri": "/a", "host": "h", "http_user_agent": "E", "status": 200},
            Logged("GET", b"/a", "", ((b"host", b"h"), (b"user-agent", b"E"))),
        ),
        ({"method": "GET"}, None),
        ({"status": 400}, None),
    ],
)
def test_json_lines(told: dict[str, object], logged: Logged | None) -> None:
    assert json_line(json.dumps(told).encode()) == logged


def test_what_is_no_json() -> None:
    assert json_line(b'{"method": "GET"') is None
    assert json_line(b"GET /a") is None


@pytest.mark.parametrize(
    ("line", "logged"),
    [
        (b"GET /a", Logged("GET", b"/a", "")),
        (b"PUT /a generic-worker\n", Logged("PUT", b"/a", "")),
        (b"# a comment", None),
        (b"GET", None),
    ],
)
def test_plain_lines(line: bytes, logged: Logged | None) -> None:
    assert plain(line) == logged


@pytest.mark.parametrize(
    ("first", "form"),
    [
        (b'- no\n1.2.3.4 - - [x] "GET /a HTTP/1.1" 200 1\n', COMBINED),
        (b'{"method": "GET", "path": "/a"}\n', JSON),
        (b"# cases\nGET /a\n", PLAIN),
        (b"", PLAIN),
    ],
)
def test_the_format_is_told_from_the_first_lines(first: bytes, form: str) -> None:
    lines = first.splitlines(keepends=True)
    found, again = detect(lines)
    assert (found, list(again)) == (form, lines)


@pytest.mark.nginx
@pytest.mark.xdist_group("nginx")
def test_what_a_real_nginx_writes_is_read_byte_for_byte(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    fields = '"request_method":"$request_method","request_uri":"$request_uri","remote_addr":"$remote_addr"'
    text = (
        f"log_format lines escape=json '{{{fields}}}';\n"
        f"server {{ listen 127.0.0.1:{port}; access_log {tmp_path}/combined.log combined;\n"
        f"access_log {tmp_path}/json.log lines; return 200 x; }}\n"
    )
    with nginx(tmp_path, text), Client(port) as client:
        for target in NASTY:
            assert client.ask(target)[0] == 200 or target == b"/a%2Fb%zz"
    expected = [target for target in NASTY if target != b"/a%2Fb%zz"]
    for name, read in (("combined", combined), ("json", json_line)):
        logged = [read(line) for line in (tmp_path / f"{name}.log").read_bytes().splitlines()]
        targets = [each.target for each in logged if each is not None]
        assert [target for target in targets if target != b"/a%2Fb%zz"] == expected
        assert {each.client for each in logged if each} == {"127.0.0.1"}
