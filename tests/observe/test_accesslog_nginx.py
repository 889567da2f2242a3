"""The same requests in our log and in a real nginx's."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.observe.accesslog import AccessLog
from router.request import RequestHead
from tests.observe.records import Ended

pytestmark = pytest.mark.nginx

CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error;
events {{}}
http {{
  access_log {folder}/log combined;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen unix:{folder}/socket; location / {{ return 200 ""; }} }}
}}
"""

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
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        message = "nginx is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    folder = tmp_path_factory.mktemp("nginx")
    (folder / "conf").write_text(CONFIGURATION.format(folder=folder))
    with subprocess.Popen(
        [program, "-p", str(folder), "-c", str(folder / "conf")], stderr=subprocess.PIPE, env={"TZ": "UTC"}
    ) as process:
        try:
            while not (folder / "socket").exists():
                assert process.poll() is None, process.stderr and process.stderr.read()
            yield folder
        finally:
            process.terminate()


def of_nginx(folder: Path, line: bytes, headers: list[bytes]) -> bytes:
    """The line that nginx logs for that request."""
    log = folder / "log"
    before = len(log.read_bytes())
    with socket.socket(socket.AF_UNIX) as client:
        while client.connect_ex(str(folder / "socket")):
            pass  # the file is there a moment before nginx listens on it
        client.sendall(b"\r\n".join([line, b"Host: x", b"Connection: close", *headers, b"", b""]))
        while client.recv(65536):
            pass
    while not (logged := log.read_bytes()[before:]).endswith(b"\n"):
        pass
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
    log.record(Ended(line=line, client="", head=head, status=status), 0.0)
    log.close()
    return path.read_bytes()


def without_time_and_size(line: bytes) -> bytes:
    """nginx adds pages of its own to errors, whose size is not ours to meet."""
    line = re.sub(rb" \[[^]]* \+0000\] ", b" [] ", line, count=1)
    return re.sub(rb'(" \d{3}) \d+ (?=")', rb"\1 0 ", line, count=1)


@pytest.mark.parametrize(("status", "line", "headers"), REQUESTS, ids=range(len(REQUESTS)))
def test_a_line_is_nginx_s_line(
    nginx: Path, tmp_path: Path, status: int, line: bytes, headers: list[bytes]
) -> None:
    theirs, ours = of_nginx(nginx, line, headers), of_ours(tmp_path / "log", status, line, headers)
    assert without_time_and_size(ours) == without_time_and_size(theirs)
