from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.load import Load, LoadFailed, drive, parse, write_requests
from benchmarks.mix import MIX, NUMBER, USERS
from tests.absence import server_program

OUTPUT = """\
Running 1s test @ http://127.0.0.1:1
  1 threads and 64 connections

{"requests": 1200, "seconds": 1, "bytes": 720, "p50": 500, "p90": 900, "p99": 1500, "p999": 1900, "errors": 2}
"""


def test_the_last_line_is_read() -> None:
    assert parse(OUTPUT) == Load(
        requests=1200, seconds=1, bytes=720, p50=500, p90=900, p99=1500, p999=1900, errors=2
    )


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("unable to connect to 127.0.0.1:1 Connection refused", "Connection refused"),
        (OUTPUT.replace("1200", "0"), "not one request"),
    ],
)
def test_no_result_is_an_error(output: str, message: str) -> None:
    with pytest.raises(LoadFailed, match=message):
        parse(output)


def test_requests_are_parted_by_nul(tmp_path: Path) -> None:
    sent = write_requests(tmp_path).read_bytes().split(b"\0")
    assert len(sent) == USERS * len(MIX)
    assert len(set(sent)) == len(sent)


class Noting(BaseHTTPRequestHandler):
    """Answers 204 to all, and notes what was asked for."""

    protocol_version = "HTTP/1.1"
    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.path)
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Nothing is logged."""


def test_wrk_gives_each_transaction_a_number_of_its_own(tmp_path: Path) -> None:
    server_program("wrk", "wrk")
    Noting.seen = []
    sent = write_requests(
        tmp_path,
        [b"GET /%b HTTP/1.1\r\nHost: h\r\n\r\n" % path for path in (b"a", b"t-%b-x" % NUMBER.encode())],
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), Noting) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            drive(server.server_port, seconds=1, sent=sent, connections=2)
        finally:
            server.shutdown()
            serving.join()
    numbers = [path for path in Noting.seen if path != "/a"]
    assert len(numbers) > 2
    assert len(set(numbers)) == len(numbers)
    assert all(path.startswith("/t-") and path.endswith("-x") and path[3:-2].isdigit() for path in numbers)
