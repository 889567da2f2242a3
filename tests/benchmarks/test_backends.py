from __future__ import annotations

import pytest

from benchmarks.backends import BODY, answers_at, whole_request
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
        (HEAD + b"Content-Length: 3\r\n\r\nab", 0),
        (HEAD + b"\r\nContent-Length: 3\r\n\r\n", len(HEAD) + 2),
    ],
)
def test_where_a_request_ends(buffer: bytes, end: int) -> None:
    assert whole_request(buffer) == end


def test_the_answer_is_a_whole_one_in_chunks() -> None:
    answer = answers_at(1763974800).chunked
    end = end_of_response_head(answer, 0)
    message = parse_response(answer[:end], "GET")
    assert message.chunked
    assert (b"date", b"Mon, 24 Nov 2025 09:00:00 GMT") in message.headers
    scanner = ChunkScanner(BadResponse, decode=True)
    assert scanner.feed(answer[end:]) == (BODY, len(answer) - end)
    assert scanner.done


def test_the_old_answer_ends_with_its_connection() -> None:
    answer = answers_at(0).old
    end = end_of_response_head(answer, 0)
    assert parse_response(answer[:end], "GET").until_close
    assert answer[end:] == BODY
