"""The open loop measures what it says, against workers whose delay is known."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from benchmarks.latency.openloop import drive, is_whole, read_plan, shares, write_plan

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
CLOSE = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
BAD = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"

Answering = Callable[[int], Awaitable[bytes]]
"""What is answered to the so-manieth request of all, the first being 0; nothing hangs up."""

Listen = Callable[[Answering], Awaitable[int]]


@pytest.fixture
async def listen() -> AsyncIterator[Listen]:
    """Starts a worker that answers so; gives its port."""
    servers: list[asyncio.Server] = []

    async def start(answering: Answering) -> int:
        come = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal come
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while await reader.readuntil(b"\r\n\r\n"):
                    number, come = come, come + 1
                    answer = await answering(number)
                    if not answer:
                        break
                    writer.write(answer)
                    if b"close" in answer:
                        break
            writer.close()

        servers.append(await asyncio.start_server(serve, "127.0.0.1", 0))
        port: int = servers[-1].sockets[0].getsockname()[1]
        return port

    yield start
    for server in servers:
        server.close()


@pytest.mark.parametrize("answer", [OK, CHUNKED])
async def test_a_known_delay_is_what_is_measured(listen: Listen, answer: bytes) -> None:
    async def slowly(_: int) -> bytes:
        await asyncio.sleep(0.05)
        return answer

    outcome = await drive([(await listen(slowly), GET)], rate=100, seconds=0.5, connections=20)
    assert (outcome.asked, outcome.answered, outcome.errors) == (50, 50, 0)
    assert 50_000 <= outcome.times["p50"] < 150_000


async def test_time_counts_from_when_a_request_was_meant_to_be_sent(listen: Listen) -> None:
    """One connection, 20 ms an answer, a request each 10 ms: the last of 20 waits for ten answers.

    A closed loop would have said 20 ms of each of them.
    """

    async def slowly(_: int) -> bytes:
        await asyncio.sleep(0.02)
        return OK

    outcome = await drive([(await listen(slowly), GET)], rate=100, seconds=0.2, connections=1)
    assert (outcome.answered, outcome.errors) == (20, 0)
    assert outcome.times["p50"] >= 20_000 + 9 * 10_000
    assert outcome.times["p99.9"] >= 20_000 + 19 * 10_000


async def test_a_stall_is_felt_by_every_request_that_was_due(listen: Listen) -> None:
    """The whole loop, generator included, stands still for 100 ms of 500: a fifth of the requests is late."""

    async def stalling(number: int) -> bytes:
        if number == 20:
            time.sleep(0.1)  # noqa: ASYNC251 - a worker that does not answer anybody
        return OK

    outcome = await drive([(await listen(stalling), GET)], rate=200, seconds=0.5, connections=8)
    assert (outcome.answered, outcome.errors) == (100, 0)
    assert outcome.times["p90"] >= 40_000
    assert outcome.times["p99"] >= 80_000
    assert outcome.late >= 80_000


async def test_the_rate_is_kept(listen: Listen) -> None:
    async def at_once(_: int) -> bytes:
        return OK

    port = await listen(at_once)
    began = time.monotonic()
    outcome = await drive([(port, GET)], rate=300, seconds=0.3, connections=4)
    assert outcome.answered == 90
    assert time.monotonic() - began >= 0.29


async def test_a_connection_that_ends_is_replaced(listen: Listen) -> None:
    async def once(number: int) -> bytes:
        return CLOSE if number % 3 == 2 else OK

    outcome = await drive([(await listen(once), GET)], rate=200, seconds=0.3, connections=4)
    assert (outcome.asked, outcome.answered, outcome.errors) == (60, 60, 0)


async def test_what_is_refused_or_not_answered_is_an_error(listen: Listen) -> None:
    async def badly(number: int) -> bytes:
        return {10: BAD, 12: b""}.get(number, OK)

    outcome = await drive([(await listen(badly), GET)], rate=200, seconds=0.2, connections=4)
    assert (outcome.asked, outcome.answered, outcome.errors) == (40, 39, 2)


async def test_each_request_goes_to_its_own_port(listen: Listen) -> None:
    counts = [0, 0]

    def counting(which: int) -> Answering:
        async def count(_: int) -> bytes:
            counts[which] += 1
            return OK

        return count

    ports = [await listen(counting(each)) for each in range(2)]
    plan = [(ports[0], GET), (ports[1], GET), (ports[0], GET)]
    await drive(plan, rate=300, seconds=0.1, connections=6)
    assert counts == [20 + 4, 10 + 2], "with one on each connection before the clock starts"


async def test_nobody_there_is_an_error() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    with pytest.raises(OSError, match=str(port)):
        await drive([(port, GET)], rate=10, seconds=0.1, connections=1)


def test_as_a_program_it_prints_one_line(tmp_path: Path) -> None:
    file = tmp_path / "plan"
    write_plan([(1, b"\xff\r\n")], file)
    assert read_plan(file) == [(1, b"\xff\r\n")]
    command = [sys.executable, "-m", "benchmarks.latency.openloop", "10", "0.1", "1", str(file)]
    ended = subprocess.run(command, capture_output=True, check=False)
    assert ended.returncode
    assert not ended.stdout
    assert b"ConnectionRefusedError" in ended.stderr


@pytest.mark.parametrize("answer", [OK, CHUNKED, BAD])
def test_an_answer_is_whole_with_its_last_byte(answer: bytes) -> None:
    assert is_whole(answer)
    assert not any(is_whole(answer[:end]) for end in range(len(answer)))


def test_connections_are_spread_as_requests_are() -> None:
    plan = [(1, b""), (1, b""), (1, b""), (2, b"")]
    assert shares(plan, 64) == {1: 48, 2: 16}
    assert shares(plan, 1) == {1: 1, 2: 1}
    assert json.dumps(shares(plan, 3)) == '{"1": 3, "2": 1}'
