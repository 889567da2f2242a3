"""What the wire of this project says to bytes in pieces: the other side of `llhttp`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from types import GetSetDescriptorType, MemberDescriptorType

from router.errors import BadRequest, BadResponse, DownstreamError
from router.http1.chunks import ChunkScanner
from router.http1.requests import RequestMessage, end_of_request_head, parse_request
from router.http1.responses import ResponseMessage, end_of_response_head, parse_response
from router.settings import Limits
from tests.http1 import llhttp

STRICTER = re.compile(r"`[0-9A-Fa-f]{17,}.*` is not the size|2\^63-1|chunk extension")
"""The refusals of chunks that llhttp does not share; each is a rule at the head of chunks.py."""


def cut_head(stream: Iterable[bytes], end_of: Callable[[bytearray, int], int]) -> bytes | None:
    """The head that a stream begins with, or None where it has not ended."""
    buffer = bytearray()
    for piece in stream:
        searched = len(buffer)
        buffer += piece
        end = end_of(buffer, searched)
        if end >= 0:
            return bytes(buffer[:end])
    return None


def find_request(stream: Iterable[bytes], limits: Limits) -> bytes | None:
    """The request head that a stream begins with; raises what `end_of_request_head` raises."""
    return cut_head(stream, lambda buffer, searched: end_of_request_head(buffer, searched, limits))


def read_request(stream: Iterable[bytes], limits: Limits) -> RequestMessage | None:
    """The request that a stream begins with, or None where it is refused or has not ended."""
    try:
        head = find_request(stream, limits)
        return None if head is None else parse_request(head, limits)
    except DownstreamError:
        return None


def read_response(stream: Iterable[bytes], request_method: str) -> ResponseMessage | None:
    """The answer that a stream begins with, or None where it is refused or has not ended."""
    try:
        head = cut_head(stream, end_of_response_head)
        return None if head is None else parse_response(head, request_method)
    except BadResponse:
        return None


def pass_chunks(stream: Iterable[bytes], decode: bool = False) -> tuple[bytes, int | None]:
    """What goes out of a body in pieces, and how many bytes it had, or None if it has not ended."""
    scanner = ChunkScanner(BadRequest, decode)
    out, used = b"", 0
    for piece in stream:
        passed, taken = scanner.feed(piece)
        assert taken == len(piece) or scanner.done
        out += passed
        used += taken
        if scanner.done:
            assert scanner.feed(b"next") == (b"", 0)
            assert not decode or scanner.size == len(out)
            return out, used
    return out, None


def read_chunks(stream: Iterable[bytes]) -> llhttp.Body | str:
    """The payload and the end of a body in pieces, or why it is refused."""
    try:
        payload, used = pass_chunks(stream, decode=True)
    except BadRequest as error:
        return error.message
    return llhttp.Body(payload=payload, used=used)


def fields_of(message: RequestMessage | ResponseMessage | None) -> dict[str, object] | None:
    """Everything a message says, to compare it with another."""
    return None if message is None else {name: getattr(message, name) for name in names_of(type(message))}


def names_of(kind: type) -> list[str]:
    """The fields of a class with slots; compiled, it has them without naming them there."""
    return [
        name for name, of in vars(kind).items() if isinstance(of, MemberDescriptorType | GetSetDescriptorType)
    ]
