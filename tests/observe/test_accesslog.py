from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.observe.accesslog import (
    BUFFER,
    FLUSH_AFTER,
    LONGEST_REMEMBERED,
    MOST_REMEMBERED,
    PIECE,
    WAITING,
    AccessLog,
    time_local,
)
from router.proxy.record import ExchangeRecord
from tests.observe.records import ended, request

NOON = 1_719_057_600.0
"""2024-06-22T12:00:00Z"""

SECRET = b"syt_YWxpY2U_QwErTyUiOp_0a1B2c"


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with zone(monkeypatch, "UTC"):
        yield


class zone:  # noqa: N801 - reads as a context
    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self.monkeypatch, self.name = monkeypatch, name

    def __enter__(self) -> None:
        self.monkeypatch.setenv("TZ", self.name)
        time.tzset()

    def __exit__(self, *_: object) -> None:
        self.monkeypatch.undo()
        time.tzset()


def written(path: Path, *exchanges: ExchangeRecord) -> bytes:
    path.unlink(missing_ok=True)
    log = AccessLog(str(path))
    for exchange in exchanges:
        log.record(exchange, NOON)
    log.close()
    assert log.dropped == 0
    return path.read_bytes()


@pytest.mark.usefixtures("utc")
def test_a_line_is_in_the_combined_format(tmp_path: Path) -> None:
    exchange = request(
        b"/_matrix/client/versions", (b"user-agent", b"curl/8.0 (x)"), (b"referer", b"https://app.example/")
    )
    exchange.bytes_out = 1234
    assert written(tmp_path / "log", exchange) == (
        b'127.0.0.1 - - [22/Jun/2024:12:00:00 +0000] "GET /_matrix/client/versions HTTP/1.1" '
        b'200 1234 "https://app.example/" "curl/8.0 (x)"\n'
    )


@pytest.mark.usefixtures("utc")
def test_what_is_not_there_is_written_as_nginx_does(tmp_path: Path) -> None:
    lines = written(
        tmp_path / "log",
        ended(line=b"", status=400, client=""),
        ended(line=b"garbage", status=0),
        request(b"/", (b"user-agent", b""), (b"referer", b"a"), (b"referer", b"b")),
    )
    assert lines.splitlines() == [
        b'unix: - - [22/Jun/2024:12:00:00 +0000] "" 400 0 "-" "-"',
        b'127.0.0.1 - - [22/Jun/2024:12:00:00 +0000] "garbage" 000 0 "-" "-"',
        b'127.0.0.1 - - [22/Jun/2024:12:00:00 +0000] "GET / HTTP/1.1" 200 0 "a" ""',
    ]


@pytest.mark.parametrize(
    ("tz", "expected"),
    [
        ("UTC", b"22/Jun/2024:12:00:00 +0000"),
        ("Asia/Kolkata", b"22/Jun/2024:17:30:00 +0530"),
        ("America/St_Johns", b"22/Jun/2024:09:30:00 -0230"),
    ],
)
def test_time_is_local_with_its_offset(monkeypatch: pytest.MonkeyPatch, tz: str, expected: bytes) -> None:
    with zone(monkeypatch, tz):
        assert time_local(int(NOON)) == expected


@pytest.mark.usefixtures("utc")
def test_the_time_follows_the_second(tmp_path: Path) -> None:
    log = AccessLog(str(tmp_path / "log"))
    for now in (NOON, NOON + 0.999, NOON + 1, NOON + 60):
        log.record(ended(), now)
    log.close()
    times = [
        line.split(b"[")[1].split(b"]")[0][12:20] for line in (tmp_path / "log").read_bytes().splitlines()
    ]
    assert times == [b"12:00:00", b"12:00:00", b"12:00:01", b"12:01:00"]


@given(
    line=st.binary(max_size=60),
    agent=st.binary(max_size=60),
    referer=st.binary(max_size=60),
    others=st.integers(min_value=0, max_value=3),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_exchange_is_one_line_of_plain_ascii(
    tmp_path: Path, line: bytes, agent: bytes, referer: bytes, others: int
) -> None:
    exchange = request(b"/", (b"user-agent", agent), (b"referer", referer))
    exchange.line = line
    (first, *rest) = written(tmp_path / "log", exchange, *[ended()] * others).decode("ascii").split("\n")[:-1]
    assert len(rest) == others
    assert first.isprintable()
    assert first.count('"') == 6


@given(
    secret=st.from_regex(rb"[A-Za-z0-9]{16,32}", fullmatch=True),
    owner=st.from_regex(rb"[A-Za-z0-9]{4,12}", fullmatch=True),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_token_is_never_written(tmp_path: Path, secret: bytes, owner: bytes) -> None:
    token = b"syt_%b_%b_abc123" % (owner, secret)
    exchanges = [
        request(b"/sync?access_token=" + token),
        request(b"/sync?%61ccess_t%6fken=" + secret),
        request(b"/sync?x=1&ACCESS_TOKEN=" + secret),
        request(b"/login?loginToken=" + secret),
        request(b"/sync/" + token),
        request(b"/sync", (b"authorization", b"Bearer " + token), (b"cookie", b"session=" + secret)),
        request(b"/sync", (b"authorization", b'X-Matrix origin="a",key="k",sig="%b"' % secret)),
        request(b"/sync", (b"referer", b"https://app/?loginToken=" + secret)),
        request(b"/sync", (b"referer", b"https://app/?next=%3Faccess_token%3D" + secret)),
        request(b"/sync", (b"user-agent", b"bot/1 Bearer " + secret)),
        request(b"/sync", (b"user-agent", b'"\xff access_token=' + secret)),
        request(b"/sync", (b"user-agent", b'"' + token)),
        request(b"/sync", (b"referer", b"a\xff" + token)),
        ended(line=b"\x00GET /sync?access_token=" + secret, status=400),
    ]
    lines = written(tmp_path / "log", *exchanges)
    assert secret not in lines
    assert lines.count(b"\n") == len(exchanges)


def test_what_is_remembered_is_bounded_and_changes_nothing(tmp_path: Path) -> None:
    log = AccessLog(str(tmp_path / "log"))
    asked = [(f"192.0.2.{n % 256}.{n}", b"agent %d" % n) for n in range(MOST_REMEMBERED + 3)] * 2
    asked += [("192.0.2.1", b"x" * LONGEST_REMEMBERED), ("192.0.2.1", b'"' * 300 + SECRET + b"." * 800)] * 2
    for client, agent in asked:
        exchange = request(b"/", (b"user-agent", agent))
        exchange.client = client
        log.record(exchange, NOON)
    assert len(log._addresses) <= MOST_REMEMBERED
    assert len(log._tails) <= MOST_REMEMBERED
    assert all(len(agent) < LONGEST_REMEMBERED for _, agent in log._tails)
    log.close()
    lines = (tmp_path / "log").read_bytes().splitlines()
    assert len(lines) == len(asked)
    for line, (client, agent) in zip(lines, asked, strict=True):
        assert line.startswith(client.encode() + b" - - [")
        assert line.endswith(b'"-" "%b"' % agent) or b'"' in agent
    assert SECRET not in b"".join(lines)


def test_a_secret_in_one_line_of_many_is_found(tmp_path: Path) -> None:
    exchanges = [request(b"/"), request(b"/?access_token=" + SECRET), request(b'/"'), ended(line=b"bearer")]
    first, second, third, fourth = written(tmp_path / "log", *exchanges, ended(line=b"a\nb")).splitlines()[:4]
    assert b'"GET / HTTP/1.1"' in first
    assert b'"GET /?access_token=<redacted> HTTP/1.1"' in second
    assert b'"GET /\\x22 HTTP/1.1"' in third
    assert b'"bearer"' in fourth


def test_lines_wait_until_there_are_enough(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = AccessLog(str(path))
    for _ in range(BUFFER - 1):
        log.record(ended(), NOON)
    assert path.read_bytes() == b""
    log.record(ended(), NOON)
    assert path.read_bytes().count(b"\n") == BUFFER
    log.close()


def test_a_tick_writes_what_has_waited_for_a_second(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = AccessLog(str(path))
    log.tick(50.0)
    log.record(ended(), NOON)
    log.tick(50.0 + FLUSH_AFTER / 2)
    assert path.read_bytes() == b""
    log.tick(50.0 + FLUSH_AFTER)
    assert path.read_bytes().count(b"\n") == 1
    log.close()


def test_closing_writes_the_rest_and_what_comes_later_is_nothing(tmp_path: Path) -> None:
    log = AccessLog(str(tmp_path / "log"))
    log.record(ended(), NOON)
    log.close()
    log.record(ended(), NOON)
    log.tick(1e9)
    log.reopen()
    log.close()
    assert (tmp_path / "log").read_bytes().count(b"\n") == 1


def test_without_a_path_there_is_no_log() -> None:
    log = AccessLog("")
    log.record(ended(), NOON)
    log.tick(1e9)
    log.reopen()
    log.close()
    assert log.dropped == 0


def test_reopening_goes_on_in_a_new_file(tmp_path: Path) -> None:
    path, rotated = tmp_path / "log", tmp_path / "log.1"
    log = AccessLog(str(path))
    log.record(ended(status=201), NOON)
    path.rename(rotated)
    log.record(ended(status=202), NOON)
    log.reopen()
    log.record(ended(status=203), NOON)
    log.close()
    assert [line.split()[8] for line in rotated.read_bytes().splitlines()] == [b"201", b"202"]
    assert [line.split()[8] for line in path.read_bytes().splitlines()] == [b"203"]


def test_reopening_that_fails_goes_on_in_the_old_file(tmp_path: Path) -> None:
    told: list[str] = []
    folder = tmp_path / "logs"
    folder.mkdir()
    log = AccessLog(str(folder / "log"), complain=told.append)
    folder.rename(tmp_path / "moved")
    log.reopen()
    log.record(ended(), NOON)
    log.close()
    assert (tmp_path / "moved" / "log").read_bytes().count(b"\n") == 1
    assert told == [
        f"access log: cannot reopen {folder / 'log'}: No such file or directory; going on in the old file"
    ]


def test_a_log_that_cannot_be_opened_is_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"cannot open the access log: No such file .*nowhere/log"):
        AccessLog(str(tmp_path / "nowhere" / "log"))


def test_a_log_is_not_for_everybody_to_read(tmp_path: Path) -> None:
    AccessLog(str(tmp_path / "log")).close()
    assert (tmp_path / "log").stat().st_mode & 0o007 == 0


def test_a_full_disk_drops_lines_counts_them_and_is_told_once() -> None:
    told: list[str] = []
    log = AccessLog("/dev/full", complain=told.append)
    for _ in range(BUFFER * 2 + 3):
        log.record(ended(), NOON)
    log.close()
    assert log.dropped == BUFFER * 2 + 3
    (sentence,) = told
    assert sentence == (
        "access log: cannot write to /dev/full: No space left on device; "
        "lines are dropped and counted in router_log_dropped_total"
    )


class Disk:
    """Takes `room` bytes, then is full."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.written = b""

    def write(self, _fd: int, data: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = bytes(data[: self.room])
        self.written += taken
        self.room -= len(taken)
        return len(taken)


@pytest.mark.parametrize("room", [0, 1, 66, 67, 68, 134])
def test_after_a_full_disk_lines_are_whole_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    told: list[str] = []
    log = AccessLog(str(tmp_path / "log"), complain=told.append)
    disk = Disk(room)
    monkeypatch.setattr(os, "write", disk.write)
    for status in (201, 202):
        log.record(ended(line=b"GET / HTTP/1.1", status=status), NOON)
    log.flush()
    log.record(ended(status=203), NOON)
    log.flush()
    disk.room = 1_000_000
    log.record(ended(line=b"GET / HTTP/1.1", status=204), NOON)
    log.flush()
    log.close()
    whole = [line for line in disk.written.split(b"\n") if line.endswith(b'"-" "-"')]
    assert whole[-1].split()[8] == b"204"
    assert len(whole) + log.dropped == 4
    assert len(told) == 1


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[tuple[str, int]]:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    yield str(path), reader
    os.close(reader)


def drain(reader: int) -> bytes:
    data = b""
    while True:
        try:
            piece = os.read(reader, 1_000_000)
        except BlockingIOError:
            return data
        if not piece:
            return data
        data += piece


def test_a_pipe_without_a_reader_is_an_error_at_the_start(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="No such device"):
        AccessLog(str(tmp_path / "pipe"))


def test_a_slow_pipe_loses_nothing_and_blocks_nobody(pipe: tuple[str, int]) -> None:
    path, reader = pipe
    log = AccessLog(path)
    long = ended(line=b"GET /" + b"a" * PIECE)
    for _ in range(100):
        log.record(long, NOON)
    log.flush()
    data = b""
    while piece := drain(reader):
        data += piece
        log.flush()
    assert log.dropped == 0
    assert data.count(b"\n") == 100
    log.close()


def test_a_pipe_nobody_reads_drops_lines_beyond_a_mebibyte(pipe: tuple[str, int]) -> None:
    path, reader = pipe
    told: list[str] = []
    log = AccessLog(path, complain=told.append)
    long = ended(line=b"GET /" + b"a" * 8000)
    many = 2 * WAITING // 8000
    for _ in range(many):
        log.record(long, NOON)
    assert 0 < log.dropped < many
    assert len(told) == 1
    data = b""
    while piece := drain(reader):
        data += piece
        log.flush()
    assert data.count(b"\n") + log.dropped == many
    log.close()


def test_a_reader_that_left_is_no_error(tmp_path: Path) -> None:
    told: list[str] = []
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    log = AccessLog(str(tmp_path / "pipe"), complain=told.append)
    os.close(reader)
    log.record(ended(), NOON)
    log.close()
    assert log.dropped == 1
    assert len(told) == 1


def test_a_dash_is_standard_output() -> None:
    script = (
        "from router.observe.accesslog import AccessLog\n"
        "from tests.observe.records import ended\n"
        "log = AccessLog('-')\n"
        "log.record(ended(), 0.0)\n"
        "log.reopen()\n"
        "log.close()\n"
        "print('still open')\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    line, rest = ended.stdout.splitlines()
    assert line.endswith(b'"GET /_matrix/client/v3/sync HTTP/1.1" 200 0 "-" "-"')
    assert rest == b"still open"
    assert ended.stderr == b""
