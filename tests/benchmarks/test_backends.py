from __future__ import annotations

import asyncio

import pytest

from benchmarks.backends import BODY, FILE, LARGE_BODY, POLLS, Worker, answers_at, end_of_request
from benchmarks.mix import DOWNLOADS, LARGE_ANSWERS, MIX, POLLING, UPLOADS
from router.errors import BadResponse
from router.http1.chunks import ChunkScanner
from router.http1.responses import end_of_response_head, parse_response

HEAD = b"PUT / HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("buffer", "end"),
    [
        (b"", 0),
        (HEAD, 0),
        (HEAD + b"\r\n", len(HEAD) + 2),
        (HEAD + b"Content-Type: a\r\nContent-Length: 3\r\n\r\nabc", len(HEAD) + 17 + 19 + 2 + 3),
        (HEAD + b"content-length: 3\r\n\r\nabcGET", len(HEAD) + 19 + 2 + 3),
        (HEAD + b"Content-Length: 3\r\n\r\nab", len(HEAD) + 19 + 2 + 3),
        (HEAD + b"\r\nContent-Length: 3\r\n\r\n", len(HEAD) + 2),
    ],
)
def test_where_a_request_ends(buffer: bytes, end: int) -> None:
    assert end_of_request(buffer) == end


@pytest.mark.parametrize(("kind", "body", "chunks"), [("small", BODY, 1), ("large", LARGE_BODY, 16)])
def test_json_is_a_whole_answer_in_chunks(kind: str, body: bytes, chunks: int) -> None:
    answer = getattr(answers_at(1763974800), kind).new
    end = end_of_response_head(answer, 0)
    message = parse_response(answer[:end], "GET")
    assert message.chunked
    assert (b"date", b"Mon, 24 Nov 2025 09:00:00 GMT") in message.headers
    scanner = ChunkScanner(BadResponse, decode=True)
    assert scanner.feed(answer[end:]) == (body, len(answer) - end)
    assert scanner.done
    assert len(answer) - end - len(body) >= 5 + chunks * 5


def test_large_means_64_kib_and_1_mib() -> None:
    assert (len(LARGE_BODY), len(FILE)) == (1 << 16, 1 << 20)
    media = answers_at(0).file.new
    end = end_of_response_head(media, 0)
    assert parse_response(media[:end], "GET").content_length == len(media) - end == len(FILE)


@pytest.mark.parametrize("kind", ["small", "large", "file"])
def test_an_old_answer_ends_with_its_connection(kind: str) -> None:
    answer = getattr(answers_at(0), kind).old
    assert answer.startswith(b"HTTP/1.0 200 OK\r\nConnection: close\r\n")
    assert (
        answer[end_of_response_head(answer, 0) :] == {"small": BODY, "large": LARGE_BODY, "file": FILE}[kind]
    )


class Written(asyncio.Transport):
    """What a worker has written."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))

    def close(self) -> None:
        self.closed = True


def received(worker: Worker, data: bytes, step: int = 1 << 16) -> None:
    """The bytes as the loop brings them, so many at a time."""
    for at in range(0, len(data), step):
        piece = data[at : at + step]
        worker.get_buffer(-1)[: len(piece)] = piece
        worker.buffer_updated(len(piece))


@pytest.fixture
def worker() -> Worker:
    worker = Worker()
    worker.connection_made(Written())
    return worker


def sent(worker: Worker) -> list[bytes]:
    transport = worker._transport
    assert isinstance(transport, Written)
    return transport.sent


@pytest.mark.parametrize("step", [7, 100, 65_536, 200_000])
def test_each_request_is_answered_once_it_is_whole(worker: Worker, step: int) -> None:
    small, large, file = Worker.answers.small.new, Worker.answers.large.new, Worker.answers.file.new
    asked = (MIX[1], UPLOADS[0], LARGE_ANSWERS[0], UPLOADS[0], DOWNLOADS[0], MIX[0])
    received(worker, b"".join(request.raw("ada") for request in asked), step)
    assert sent(worker) == [small, small, large, small, file, small]


def test_an_upload_is_not_answered_before_its_last_byte(worker: Worker) -> None:
    raw = UPLOADS[0].raw("ada")
    received(worker, raw[:-1])
    assert sent(worker) == []
    received(worker, raw[-1:])
    assert sent(worker) == [Worker.answers.small.new]


def test_a_long_poll_is_counted_and_not_answered(worker: Worker) -> None:
    before = Worker.polls
    received(worker, POLLING.raw("ada"))
    assert sent(worker) == []
    received(worker, b"GET %b HTTP/1.1\r\n\r\n" % POLLS)
    assert b'{"polls":%d}' % (before + 1) in sent(worker)[0]


def test_http_1_0_gets_the_old_answer_and_the_end(worker: Worker) -> None:
    received(worker, b"GET /x HTTP/1.0\r\n\r\n")
    transport = worker._transport
    assert isinstance(transport, Written)
    assert (transport.sent, transport.closed) == ([Worker.answers.small.old], True)
