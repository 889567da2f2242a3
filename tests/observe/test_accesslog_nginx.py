"""The same requests in our log and in a real nginx's."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.observe.accesslog import AccessLog
from router.request import RequestHead
from tests.observe.records import ended
from tests.real_nginx import STARTS_WITHIN, nginx

pytestmark = [pytest.mark.nginx, pytest.mark.xdist_group("nginx")]

EVERY_BYTE = bytes(byte for byte in range(1, 256) if byte not in b"\r\n")

REQUESTS: list[tuple[int, bytes, list[bytes]]] = [
    (200, b"GET /_matrix/client/v3/sync?since=s1&timeout=0 HTTP/1.1", []),
    (200, b"GET /plain HTTP/1.0", [b"User-Agent: curl/8.0", b"Referer: https://app.example/#/room"]),
    (200, b"GET / HTTP/1.1", [b"User-Agent: " + EVERY_BYTE]),
    (200, b"GET / HTTP/1.1", [b"Referer: " + EVERY_BYTE]),
    (200, b"GET /a\"b\\c?x='<>%22%5C%00 HTTP/1.1", []),
    (200, b"GET http://matrix.example/absolute HTTP/1.1", []),
    (200, b"GET /empty HTTP/1.1", [b"User-Agent:", b"Referer:  "]),
    (
        200,
        b"GET /twice HTTP/1.1",
        [b"Referer: first", b"Referer: second", b"User-Agent: a", b"User-Agent: b"],
    ),
    (200, b"GET /blanks HTTP/1.1", [b"User-Agent:  two  \t words  "]),
    (400, b"GET /raw\xc3\xa9\x7f HTTP/1.0", []),
    (400, b"garbage", []),
    (400, b"\x16\x03\x01\x02", []),
    (505, b"GET / HTTP/3.0", []),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where nginx has its `socket` and its `log`."""
    folder = tmp_path_factory.mktemp("nginx")
    directives = (
        f'listen unix:{folder}/socket; access_log {folder}/log combined; location / {{ return 200 ""; }}'
    )
    with nginx(folder, f"server {{ {directives} }}"):
        yield folder


def of_nginx(folder: Path, line: bytes, headers: list[bytes]) -> bytes:
    """The line that nginx logs for that request."""
    log = folder / "log"
    before = len(log.read_bytes())
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(STARTS_WITHIN)
        client.connect(str(folder / "socket"))
        client.sendall(b"\r\n".join([line, b"Host: x", b"Connection: close", *headers, b"", b""]))
        while client.recv(65536):
            pass
    until = time.monotonic() + STARTS_WITHIN
    while not (logged := log.read_bytes()[before:]).endswith(b"\n"):
        assert time.monotonic() < until, "nginx logs nothing"
    return logged


def of_ours(path: Path, status: int, line: bytes, headers: list[bytes]) -> bytes:
    """The line that we log, with the fields as a parser leaves them."""
    fields = [field.partition(b":") for field in headers] if status == 200 else []
    head = RequestHead(
        method="GET",
        target=b"/",
        headers=[(name.lower(), value.strip(b" \t")) for name, _, value in fields],
    )
    log = AccessLog(str(path))
    log.record(ended(line=line, client="", head=head, status=status), 0.0)
    log.close()
    return path.read_bytes()


def without_time_and_size(line: bytes) -> bytes:
    """nginx adds pages of its own to errors, whose size is not ours to meet."""
    line = re.sub(rb" \[[^]]*\] ", b" [] ", line, count=1)
    return re.sub(rb'(" \d{3}) \d+ (?=")', rb"\1 0 ", line, count=1)


@pytest.mark.parametrize(("status", "line", "headers"), REQUESTS, ids=range(len(REQUESTS)))
def test_a_line_is_nginx_s_line(
    folder: Path, tmp_path: Path, status: int, line: bytes, headers: list[bytes]
) -> None:
    theirs, ours = of_nginx(folder, line, headers), of_ours(tmp_path / "log", status, line, headers)
    assert without_time_and_size(ours) == without_time_and_size(theirs)
