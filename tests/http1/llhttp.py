"""What llhttp itself says to the same bytes: the oracle of the tests and fuzz targets here."""

from __future__ import annotations

from dataclasses import dataclass

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, HttpResponseParser

CHUNKED_HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


class _Recorder:
    def __init__(self) -> None:
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.payload = bytearray()
        self.head_read = False
        self.complete = False

    def on_url(self, target: bytes) -> None:
        self.target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.head_read:
            self.headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.head_read = True

    def on_body(self, piece: bytes) -> None:
        self.payload += piece

    def on_message_complete(self) -> None:
        self.complete = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A head that llhttp takes."""

    target: bytes
    headers: list[tuple[bytes, bytes]]


def read_request(head: bytes) -> Head | None:
    """The request that llhttp reads there, or None where it refuses or waits for more."""
    return _read_head(_Recorder(), head, HttpRequestParser)


def read_response(head: bytes) -> Head | None:
    """The answer that llhttp reads there, or None where it refuses or waits for more."""
    return _read_head(_Recorder(), head, HttpResponseParser)


def _read_head(
    recorder: _Recorder, head: bytes, parser: type[HttpRequestParser | HttpResponseParser]
) -> Head | None:
    try:
        parser(recorder).feed_data(head)
    except HttpParserUpgrade:
        pass
    except HttpParserError:
        return None
    return Head(target=recorder.target, headers=recorder.headers) if recorder.head_read else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What was read of a chunked body: `used` bytes of it to its end, or None where it has not ended."""

    payload: bytes
    used: int | None


def read_chunks(body: bytes) -> Body | None:
    """What llhttp reads of a chunked body, or None where it refuses."""
    recorder = _Recorder()
    parser = HttpRequestParser(recorder)
    parser.feed_data(CHUNKED_HEAD)
    try:
        for index in range(len(body)):
            parser.feed_data(body[index : index + 1])
            if recorder.complete:
                return Body(payload=bytes(recorder.payload), used=index + 1)
    except HttpParserError:
        return None
    return Body(payload=bytes(recorder.payload), used=None)


class _Counter:
    def __init__(self) -> None:
        self.whole = 0

    def on_message_complete(self) -> None:
        self.whole += 1


def count(stream: bytes) -> int:
    """How many whole requests llhttp reads there; raises HttpParserError where it reads something else."""
    counter = _Counter()
    HttpRequestParser(counter).feed_data(stream)
    return counter.whole
