"""What a stream of requests, or an answer, says: readings written for the tests and shared with nobody.

`strict` is RFC 9112 to the letter. `lenient` takes what any server was ever found to take: a bare LF for the
end of a line, blanks around names, folded lines, `chunked` somewhere among the codings, signs and blanks in
lengths. Where both read the same requests out of the same bytes, no worker can read others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Field = tuple[bytes, bytes]

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
LINE = re.compile(rb"(%b) ([\x21-\x7e]+) (HTTP/1\.[01])" % TOKEN)
FIELD = re.compile(rb"(%b):[ \t]*([\t\x20-\x7e\x80-\xff]*)" % TOKEN)
CHUNK = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")
STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?")
LENIENT_LINE = re.compile(rb"[ \t]*(\S+)[ \t\v\f\r]+(\S.*?)(?:[ \t\v\f\r]+(HTTP/\S*))?[ \t\r]*", re.DOTALL)
LENIENT_SIZE = re.compile(rb"[ \t]*\+?(?:0[xX])?([0-9A-Fa-f]*)")
LENIENT_LENGTH = re.compile(rb"[ \t]*\+?([0-9]+)")

CUT = "the body is not whole"
"""The fault of a stream whose last request has a head and no end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request: its fields by name in lower case, in order, and its body without its framing.

    One that is not `whole` has a body that is cut or malformed, which is then left out.
    """

    method: bytes
    target: bytes
    fields: tuple[Field, ...]
    body: bytes = b""
    whole: bool = True


class _Malformed(Exception):
    """No request, in this reading."""


class _Unfinished(Exception):
    """The bytes end before the message does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The requests that a stream begins with, and why the reading ended before all its bytes did."""

    requests: tuple[Request, ...]
    fault: str = ""


def strict(data: bytes) -> Reading:
    """RFC 9112, with no licence taken."""
    return _Reader(data, lenient=False).read()


def lenient(data: bytes) -> Reading:
    """Whatever anybody takes."""
    return _Reader(data, lenient=True).read()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The final answer that a stream begins with: `before` counts 1xx ones, `used` its bytes."""

    before: int
    status: int
    fields: tuple[Field, ...]
    body: bytes
    whole: bool
    used: int


def answer(data: bytes, method: bytes, *, ended: bool) -> Answer | None:
    """What RFC 9112 says of an answer to that method; None where it has no whole head.

    `ended` tells that the connection ended, in order, with these bytes.
    """
    return _Reader(data, lenient=False).answer(method, ended=ended)


class _Reader:
    def __init__(self, data: bytes, *, lenient: bool) -> None:
        self._data = data
        self._at = 0
        self._lenient = lenient

    def read(self) -> Reading:
        requests: list[Request] = []
        while True:
            if self._lenient:
                self._skip_empty_lines()
            if self._at >= len(self._data):
                return Reading(requests=tuple(requests))
            try:
                request = self._request()
            except _Unfinished:
                return Reading(requests=tuple(requests), fault="the head is not whole")
            except _Malformed as error:
                return Reading(requests=tuple(requests), fault=str(error))
            requests.append(request)
            if not request.whole:
                return Reading(requests=tuple(requests), fault=CUT)

    def _skip_empty_lines(self) -> None:
        while self._data[self._at : self._at + 1] in (b"\r", b"\n"):
            self._at += 1

    def _line(self) -> bytes:
        end = self._data.find(b"\n", self._at)
        if end < 0:
            raise _Unfinished
        line = self._data[self._at : end]
        self._at = end + 1
        if line.endswith(b"\r"):
            return line[:-1]
        if self._lenient:
            return line
        raise _Malformed("a LF without a CR before it")

    def _request(self) -> Request:
        method, target = self._request_line()
        fields = self._fields()
        size = self._size(fields)
        try:
            body = self._chunks() if size is None else self._exactly(size)
        except (_Unfinished, _Malformed):
            return Request(method=method, target=target, fields=fields, whole=False)
        return Request(method=method, target=target, fields=fields, body=body)

    def answer(self, method: bytes, *, ended: bool) -> Answer | None:
        before = -1
        status, minor = 100, b""
        fields: tuple[Field, ...] = ()
        try:
            while status < 200:
                before += 1
                shape = STATUS_LINE.fullmatch(self._line())
                if shape is None or shape[2] == b"101":
                    return None
                minor, status = shape[1], int(shape[2])
                fields = self._fields()
            body, whole = self._answer_body(method, minor, status, fields, ended=ended)
        except (_Unfinished, _Malformed):
            return None
        return Answer(before=before, status=status, fields=fields, body=body, whole=whole, used=self._at)

    def _answer_body(
        self, method: bytes, minor: bytes, status: int, fields: tuple[Field, ...], *, ended: bool
    ) -> tuple[bytes, bool]:
        """RFC 9112 section 6.3."""
        if method == b"HEAD" or status in (204, 304):
            return b"", True
        size = self._size(fields)
        if size is None and minor == b"0":
            raise _Malformed("chunks in HTTP/1.0")
        if size == 0 and not any(name == b"content-length" for name, _ in fields):
            body, self._at = self._data[self._at :], len(self._data)
            return body, ended
        try:
            return (self._chunks() if size is None else self._exactly(size)), True
        except (_Unfinished, _Malformed):
            return b"", False

    def _request_line(self) -> tuple[bytes, bytes]:
        shape = (LENIENT_LINE if self._lenient else LINE).fullmatch(self._line())
        if shape is None:
            raise _Malformed("no request line")
        return shape[1], shape[2]

    def _fields(self) -> tuple[Field, ...]:
        fields: list[Field] = []
        while True:
            line = self._line()
            if not line:
                return tuple(fields)
            if self._lenient:
                self._lenient_field(line, fields)
                continue
            shape = FIELD.fullmatch(line)
            if shape is None:
                raise _Malformed("no header field")
            fields.append((shape[1].lower(), shape[2].strip(b" \t")))

    def _lenient_field(self, line: bytes, fields: list[Field]) -> None:
        name, colon, value = line.partition(b":")
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] = (fields[-1][0], fields[-1][1] + b" " + line.strip())
        elif colon:
            fields.append((name.strip().lower(), value.strip()))

    def _size(self, fields: tuple[Field, ...]) -> int | None:
        """Of the body; None where it is in chunks."""
        codings = b",".join(value for name, value in fields if name == b"transfer-encoding").lower()
        lengths = [value for name, value in fields if name == b"content-length"]
        if self._lenient:
            if b"chunked" in codings:
                return None
            shape = LENIENT_LENGTH.match(lengths[0]) if lengths else None
            return int(shape[1]) if shape else 0
        if codings:
            if codings.strip(b" \t") != b"chunked" or lengths:
                raise _Malformed("framed in a way that readers take differently")
            return None
        if not lengths:
            return 0
        if len(lengths) > 1 or not lengths[0].isdigit() or len(lengths[0]) > 4000:
            raise _Malformed("no length")
        return int(lengths[0])

    def _exactly(self, size: int) -> bytes:
        body = self._data[self._at : self._at + size]
        if len(body) < size:
            raise _Unfinished
        self._at += size
        return body

    def _chunks(self) -> bytes:
        body = bytearray()
        while True:
            line = self._line()
            shape = LENIENT_SIZE.match(line) if self._lenient else CHUNK.fullmatch(line)
            if shape is None:
                raise _Malformed("no size of a chunk")
            size = int(shape[1] or b"0", 16)
            if not size:
                self._fields()
                return bytes(body)
            body += self._exactly(size)
            if self._line():
                raise _Malformed("a chunk does not end where it should")
