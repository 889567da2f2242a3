from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.load import Load, LoadFailed, parse, write_requests
from benchmarks.mix import MIX, USERS

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
