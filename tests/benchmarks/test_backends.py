from __future__ import annotations

import pytest

from benchmarks.backends import ANSWER, BODY, whole_request
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
    end = end_of_response_head(ANSWER, 0)
    assert parse_response(ANSWER[:end], "GET").chunked
    scanner = ChunkScanner(BadResponse, decode=True)
    assert scanner.feed(ANSWER[end:]) == (BODY, len(ANSWER) - end)
    assert scanner.done
