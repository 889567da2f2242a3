"""Response heads on the wire: where one ends, and how the body behind it is framed.

An endpoint is trusted more than a client, and its head is read as strictly: two readers of one answer
must agree on where it ends. Whatever llhttp refuses is refused; beyond it, what `parse_response`
names. Each head is read alone, 1xx answers too, by a fresh parser that sees no body: llhttp cannot
know that a request was HEAD, and does not say where a body that ends with the connection ends.
"""

from __future__ import annotations

import re
from functools import lru_cache

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from router.errors import BadResponse
from router.http1.fields import (
    FRAMING,
    HOP_BY_HOP,
    MAX_LENGTH_DIGITS,
    SILENT,
    fault_in,
    join_repeated,
    persists,
    quote,
    split_fields,
)

MAX_RESPONSE_HEAD = 65_536
"""Bytes: four times HAProxy's `tune.bufsize`, sixteen times nginx's `proxy_buffer_size` of one page."""

UNASKED = "the answer switches protocols (101), which nobody asked for"

UNFOUNDED = "the answer switches protocols (101), but lacks Upgrade, or Connection that names it"

_NOT_WITHOUT_A_BODY = HOP_BY_HOP | FRAMING

_START = b"HTTP/1."
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?")


class ResponseMessage:
    """One response head, of a final answer or of a 1xx one.

    `head` is all of it as it came, `line` the status line and `lines` the fields, without CRLF; `headers` the
    same fields with names in lower case and values without blanks around them, `fields` those of one name
    joined. `passes` tells that nothing of it is for the worker's connection alone, so that a client may have
    it as it is.
    `content_length` (-1 for none) and `chunked` are what the fields say; `no_body` (HEAD, 1xx, 204, 304)
    says that nothing follows all the same, `until_close` that the end of the connection is the end of
    the body.
    """

    __slots__ = (
        "chunked",
        "content_length",
        "fields",
        "head",
        "headers",
        "keep_alive",
        "line",
        "lines",
        "minor",
        "no_body",
        "passes",
        "status",
        "until_close",
    )

    def __init__(
        self,
        *,
        head: bytes,
        line: bytes,
        status: int,
        minor: int,
        headers: list[tuple[bytes, bytes]],
        fields: dict[bytes, bytes],
        lines: list[bytes],
        no_body: bool,
    ) -> None:
        self.head = head
        self.line = line
        self.status = status
        self.minor = minor
        self.headers = headers
        self.fields = fields
        self.lines = lines
        self.no_body = no_body
        self.content_length = -1
        self.chunked = False
        self.until_close = False
        self.keep_alive = minor == 1
        self.passes = False


def end_of_response_head(buffer: bytes | bytearray, searched: int) -> int:
    """The index just after the head that `buffer` starts with, or -1 where more bytes are needed.

    `searched` is how many of the bytes an earlier call has seen. Raises BadResponse for a head of more
    than MAX_RESPONSE_HEAD bytes, and at once for what can never become one.
    """
    end = buffer.find(b"\r\n\r\n", searched - 3 if searched > 3 else 0) + 4
    if 3 < end <= MAX_RESPONSE_HEAD:
        return end
    if end > 3 or len(buffer) > MAX_RESPONSE_HEAD:
        raise BadResponse(f"the head of the answer has more than {MAX_RESPONSE_HEAD} bytes")
    start = bytes(buffer[: len(_START)])
    if not _START.startswith(start):
        raise BadResponse(f"an answer starts with HTTP/1.1, not with {quote(start)}")
    at = buffer.find(b"\n", searched)
    while at >= 0:
        if buffer[at - 1] != 0x0D:
            raise BadResponse(f"byte {at + 1} of the head of the answer is a LF without a CR before it")
        at = buffer.find(b"\n", at + 1)
    return -1


@lru_cache(maxsize=64)
def parse_response(head: bytes, request_method: str) -> ResponseMessage:
    """Reads one head, from its version to its empty line, as `end_of_response_head` found it.

    The message is shared by answers whose heads are equal, as most of a worker's within one second are:
    it is not to be changed.

    Raises BadResponse for whatever llhttp refuses, for a version other than 1.0 and 1.1, a status
    outside 100-599, a control in the reason, and a Transfer-Encoding other than `chunked` or in HTTP/1.0.
    """
    lines = head[:-4].split(b"\r\n")
    line = lines.pop(0)
    minor, status = _status_line(line)
    try:
        HttpResponseParser(SILENT).feed_data(head)
    except HttpParserUpgrade:
        pass  # a 101 with its fields: whether it was asked for, who asked knows
    except HttpParserError as error:
        what = UNFOUNDED if status == 101 else f"the head of the answer is malformed: {error}"
        raise BadResponse(fault_in(lines) or what) from None

    headers = split_fields(lines)
    fields = dict(headers)
    if len(fields) != len(headers):
        fields = join_repeated(headers)
    message = ResponseMessage(
        head=head,
        line=line,
        status=status,
        minor=minor,
        headers=headers,
        fields=fields,
        lines=lines,
        no_body=request_method == "HEAD" or status < 200 or status in (204, 304),
    )
    if b"connection" in fields:
        message.keep_alive = persists(fields[b"connection"], minor)
    _framing(message, fields)
    forbidden = _NOT_WITHOUT_A_BODY if status == 204 or status < 200 else HOP_BY_HOP
    message.passes = minor == 1 and not message.until_close and forbidden.isdisjoint(fields)
    return message


@lru_cache(maxsize=64)
def _status_line(line: bytes) -> tuple[int, int]:
    # Workers write few of them: one dictionary look-up instead of a regular expression.
    shape = _STATUS_LINE.fullmatch(line)
    if shape is None:
        raise BadResponse(f"the answer's first line {quote(line)} is not `HTTP/1.x STATUS reason`, 100-599")
    return int(shape[1]), int(shape[2])


def _framing(message: ResponseMessage, fields: dict[bytes, bytes]) -> None:
    """RFC 9112 section 6.3; llhttp has refused both fields together, and repeated lengths."""
    coding = fields.get(b"transfer-encoding")
    length = fields.get(b"content-length")
    if coding is not None:
        if coding.lower() != b"chunked":
            raise BadResponse(f"the answer's Transfer-Encoding {quote(coding)} is not `chunked` alone")
        if message.minor == 0:
            raise BadResponse("an HTTP/1.0 answer cannot have a Transfer-Encoding (RFC 9112 section 6.1)")
        message.chunked = True
    elif length is not None:
        if len(length) > MAX_LENGTH_DIGITS:
            raise BadResponse(
                f"the answer's Content-Length {quote(length)} has over {MAX_LENGTH_DIGITS} digits"
            )
        message.content_length = int(length)
    elif not message.no_body:
        message.until_close = True
        message.keep_alive = False
