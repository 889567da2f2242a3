"""The chunked coding (RFC 9112 section 7.1), walked and not decoded: offsets, limits, and the end.

The rules, each the stricter of what nginx 1.22, HAProxy 2.6 and llhttp do:

* Lines end in CRLF (nginx and HAProxy take a bare LF), and a size has nothing but hex digits before it
  (nginx and HAProxy take blanks behind it).
* A size has 16 digits at most and fits 63 bits, as nginx counts it.
* Extensions are read as the grammar has them and never passed on, as nginx and HAProxy do.
* Trailers are fields, and never passed on, as nginx does. Those that would frame a body are refused, as
  llhttp does, which reads them as if they stood in the head (RFC 9110 section 6.5.1 forbids them).
* Extensions and trailers of one body share 16 KiB: Node's limit for the former since CVE-2024-22019.
"""

from __future__ import annotations

import re
from typing import Final

from router.errors import ProxyError
from router.http1.fields import MAX_SIZE, fault_in, quote

MAX_EXTRAS = 16_384
"""Bytes of extensions and trailers in one body."""

_MAX_DIGITS: Final = 16
_SHOWN = 18
_SIZE: Final = 0
_END: Final = 1
_TRAILER: Final = 2

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
_EXTENSIONS = re.compile(rb"(?:;%b(?:=(?:%b|%b))?)*" % (_TOKEN, _TOKEN, _QUOTED))
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})\r\n")
_SIZE_START = re.compile(rb"[0-9A-Fa-f]{1,16}(?:;|\r?\Z)")
_VALUES: Final = bytes(
    int(chr(byte), 16) if chr(byte) in "0123456789abcdefABCDEF" else 16 for byte in range(256)
)
"""What each byte is worth as a hex digit, 16 where it is none."""

_LAST: Final = b"\r\n0\r\n\r\n"
"""The end of a chunk, and of the body behind it."""

_SIZE_RULE = f"1 to {_MAX_DIGITS} hex digits and CRLF"


def is_one_chunk(data: bytes, start: int) -> bool:
    """Whether all from `start` on is one chunk and the end of the body, with nothing that is not passed on.

    So short answers come; for them a `ChunkScanner` would find nothing else.
    """
    end = len(data) - len(_LAST)
    if start >= end or not data.endswith(_LAST):
        return False
    size, at = 0, start
    value = _VALUES[data[at]]
    while value < 16 and at - start < _MAX_DIGITS:
        size = size << 4 | value
        at += 1
        value = _VALUES[data[at]]
    return 0 < size == end - at - 2 and data[at] == 0x0D and data[at + 1] == 0x0A


class ChunkScanner:
    """Walks one chunked body, in whatever pieces it comes.

    Raises `error` (a BadRequest or a BadResponse) for a body that two readers could read in two ways;
    a scanner that has raised is of no more use. What goes out has passed: half a size line waits for
    its other half.
    """

    __slots__ = (
        "_decode",
        "_error",
        "_expect",
        "_extras",
        "_held",
        "_left",
        "_next",
        "_size",
        "done",
        "size",
    )

    def __init__(self, error: type[ProxyError], decode: bool = False) -> None:
        """With `decode` only the payload goes out: for HTTP/1.0, which has no chunks."""
        self.done = False
        """Whether the last byte of the body has been seen."""
        self.size = 0
        """Bytes of payload so far."""
        self._error = error
        self._decode = decode
        self._expect = _SIZE
        self._left = 0
        self._held = b""
        self._extras = 0
        self._next = b""  # what stands between two chunks of `_size` bytes: most bodies are cut evenly
        self._size = 0

    def feed(self, data: bytes, start: int = 0) -> tuple[bytes, int]:
        """What to pass on, and where in `data` the body ended (behind all of it unless `done`).

        The body begins at `start`; what stands before it is passed on as it is.
        """
        length = len(data)
        if length - start <= self._left:
            self._left -= length - start
            self.size += length - start
            return data, length
        return self._walk(data, start, length)

    def _walk(self, data: bytes, position: int, length: int) -> tuple[bytes, int]:
        out: list[bytes] = []
        run = 0  # data[run:position] goes out as it came
        if self._decode and position:
            out.append(data[:position])
            run = position
        while position < length and not self.done:
            start = position
            if self._left:
                position = min(start + self._left, length)
                self._left -= position - start
                self.size += position - start
                if self._decode:
                    out.append(data[start:position])
                    run = position
                continue
            position = 0 if self._held else self._ordinary(data, start)
            if position and not self._decode:
                continue
            line = b""
            if not position:
                position = data.find(b"\n", start) + 1 or length
                line = self._line(data[start:position])
            if not self._decode:
                out += data[run:start], line
            run = position
        if not out and not run:
            return (data if position == length else data[:position]), position
        out.append(data[run:position])
        return b"".join(out), position

    def _ordinary(self, data: bytes, start: int) -> int:
        """Where the framing at `start` ends, if it is whole and plain; 0 for what `_line` has to read."""
        if self._expect == _SIZE:
            shape = _SIZE_LINE.match(data, start)
            if shape is None:
                return 0
            self._begin(int(shape[1], 16))
            self._size, self._next = self._left, b"\r\n" + shape[0]
            return shape.end()
        if self._expect == _END and self._size and data.startswith(self._next, start):
            self._left = self._size
            return start + len(self._next)
        if not data.startswith(b"\r\n", start):
            return 0
        self._end_line()
        return start + 2

    def _begin(self, size: int) -> None:
        if size > MAX_SIZE:
            raise self._error(f"a chunk of 0x{size:x} bytes is more than a body can have (2^63-1)")
        self._left = size
        self._expect = _END if size else _TRAILER

    def _end_line(self) -> None:
        if self._expect == _TRAILER:
            self.done = True
        else:
            self._expect = _SIZE

    def _line(self, piece: bytes) -> bytes:
        """Takes a line, or a piece of one that is kept, and gives back what of it goes out."""
        line = self._held + piece
        if not piece.endswith(b"\n"):
            self._hold(line)
            return b""
        self._held = b""
        if self._expect == _SIZE:
            return self._size_line(line)
        if line == b"\r\n":
            self._end_line()
            return line
        if self._expect == _END:
            raise self._error(f"{quote(line[:2])} stands where CRLF ends a chunk")
        self._trailer(line)
        return b""

    def _hold(self, line: bytes) -> None:
        """Keeps the start of a line, if it may become one."""
        self._held = line
        if self._expect == _END:
            if line != b"\r":
                raise self._error(f"{quote(line[:2])} stands where CRLF ends a chunk")
        elif self._extras + len(line) > MAX_EXTRAS + _MAX_DIGITS:
            raise self._error(f"the chunk extensions and trailers have more than {MAX_EXTRAS} bytes")
        elif self._expect == _SIZE and not _SIZE_START.match(line):
            raise self._error(f"{quote(line[:_SHOWN])} is not the size of a chunk: {_SIZE_RULE}")

    def _size_line(self, line: bytes) -> bytes:
        digits, semicolon, extensions = line.partition(b";")
        if semicolon:
            self._extension(line, semicolon + extensions)
            line = digits + b"\r\n"
        shape = _SIZE_LINE.fullmatch(line)
        if shape is None:
            raise self._error(f"{quote(line[:_SHOWN])} is not the size of a chunk: {_SIZE_RULE}")
        self._begin(int(shape[1], 16))
        return line

    def _extension(self, line: bytes, extensions: bytes) -> None:
        self._count(len(extensions))
        if not extensions.endswith(b"\r\n") or not _EXTENSIONS.fullmatch(extensions[:-2]):
            raise self._error(f"{quote(line[:_SHOWN])} has a malformed chunk extension")

    def _trailer(self, line: bytes) -> None:
        self._count(len(line))
        fault = fault_in([line[:-2]]) if line.endswith(b"\r\n") else "ends in a LF without a CR before it"
        name = line.partition(b":")[0].lower()
        if not fault and name in (b"content-length", b"transfer-encoding"):
            fault = f"{quote(name)} frames a body and cannot stand behind it"
        if fault:
            raise self._error(f"a trailer is malformed: {fault}")

    def _count(self, extras: int) -> None:
        self._extras += extras
        if self._extras > MAX_EXTRAS:
            raise self._error(f"the chunk extensions and trailers have more than {MAX_EXTRAS} bytes")
