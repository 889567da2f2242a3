"""The chunked coding (RFC 9112 section 7.1), walked and not decoded: offsets, limits, and the end.

The rules, each the stricter of what nginx 1.22, HAProxy 2.6 and llhttp do:

* Lines end in CRLF (nginx and HAProxy take a bare LF), and a size has nothing but hex digits before it
  (nginx and HAProxy take blanks behind it).
* A size has 16 digits at most and fits 63 bits, as nginx counts it.
* Extensions are read as the grammar has them and never passed on, as nginx and HAProxy do.
* Trailers are fields, and never passed on, as nginx does.
* Extensions and trailers of one body share 16 KiB: Node's limit for the former since CVE-2024-22019.
"""

from __future__ import annotations

import re

from router.errors import ProxyError
from router.http1.fields import fault_in, quote

MAX_SIZE = 2**63 - 1
"""nginx's NGX_MAX_OFF_T_VALUE."""

MAX_EXTRAS = 16_384
"""Bytes of extensions and trailers in one body."""

_MAX_DIGITS = 16
_PAYLOAD, _SIZE, _END, _TRAILER = range(4)

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
_EXTENSIONS = re.compile(rb"(?:;%b(?:=(?:%b|%b))?)*" % (_TOKEN, _TOKEN, _QUOTED))
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})\r\n")
_DIGITS = re.compile(rb"[0-9A-Fa-f]*")


class ChunkScanner:
    """Walks one chunked body, in whatever pieces it comes.

    Raises `error` (a BadRequest or a BadResponse) for a body that two readers could read in two ways;
    a scanner that has raised is of no more use. What goes out has passed: half a size line waits for
    its other half.
    """

    __slots__ = ("_decode", "_error", "_expect", "_extras", "_held", "_left", "done", "size")

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

    def feed(self, data: bytes) -> tuple[bytes, int]:
        """What to pass on, and how many bytes of `data` were the body's (all of them unless `done`)."""
        length = len(data)
        if length < self._left:
            self._left -= length
            self.size += length
            return data, length
        return self._walk(data, length)

    def _walk(self, data: bytes, length: int) -> tuple[bytes, int]:
        out: list[bytes] = []
        run = position = 0  # data[run:position] goes out as it came
        while position < length and not self.done:
            if self._expect == _PAYLOAD:
                taken = min(self._left, length - position)
                self._left -= taken
                self.size += taken
                position += taken
                if not self._left:
                    self._expect = _END
                if not self._decode:
                    continue
                out.append(data[position - taken : position])
            else:
                feed = data.find(b"\n", position)
                if feed < 0:
                    self._hold(data[position:])
                    out.append(data[run:position])
                    run = position = length
                    break
                line = data[position : feed + 1]
                start, position = position, feed + 1
                kept = self._line(self._held + line)
                if kept == line and not self._decode:
                    self._held = b""
                    continue
                self._held = b""
                if not self._decode:
                    out.append(data[run:start])
                    out.append(kept)
            run = position
        if not out:
            return (data if position == length and not run else data[run:position]), position
        if run < position:
            out.append(data[run:position])
        return b"".join(out), position

    def _hold(self, piece: bytes) -> None:
        """Keeps the start of a line, if it may become one."""
        held = self._held = self._held + piece
        if self._expect == _END:
            if held != b"\r":
                raise self._error(f"{quote(held)} stands where CRLF ends a chunk")
        elif self._extras + len(held) > MAX_EXTRAS + _MAX_DIGITS:
            raise self._error(f"the chunk extensions and trailers have more than {MAX_EXTRAS} bytes")
        elif self._expect == _SIZE:
            digits = _DIGITS.match(held)
            end = digits.end() if digits else 0
            if end > _MAX_DIGITS or held[end : end + 1] not in (b"", b";", b"\r") or held[0] in b";\r":
                raise self._error(f"{quote(held)} is not the size of a chunk")

    def _line(self, line: bytes) -> bytes:
        """Reads a whole line, and gives back what of it goes out."""
        if self._expect == _SIZE:
            return self._size_line(line)
        if self._expect == _END:
            if line != b"\r\n":
                raise self._error(f"{quote(line)} stands where CRLF ends a chunk")
            self._expect = _SIZE
            return line
        if line == b"\r\n":
            self.done = True
            return line
        self._trailer(line)
        return b""

    def _size_line(self, line: bytes) -> bytes:
        digits, semicolon, extensions = line.partition(b";")
        if semicolon:
            self._extension(line, b";" + extensions)
            line = digits + b"\r\n"
        shape = _SIZE_LINE.fullmatch(line)
        if shape is None:
            raise self._error(
                f"{quote(line)} is not the size of a chunk: up to {_MAX_DIGITS} hex digits and CRLF"
            )
        size = int(shape[1], 16)
        if size > MAX_SIZE:
            raise self._error(f"{quote(line)} is more than a chunk can have (2^63-1 bytes)")
        self._left = size
        self._expect = _PAYLOAD if size else _TRAILER
        return line

    def _extension(self, line: bytes, extensions: bytes) -> None:
        self._count(len(extensions))
        if not extensions.endswith(b"\r\n") or not _EXTENSIONS.fullmatch(extensions[:-2]):
            raise self._error(f"{quote(line)} has a malformed chunk extension")

    def _trailer(self, line: bytes) -> None:
        self._count(len(line))
        fault = fault_in([line[:-2]]) if line.endswith(b"\r\n") else "ends in a LF without a CR before it"
        if fault:
            raise self._error(f"a trailer is malformed: {fault}")

    def _count(self, extras: int) -> None:
        self._extras += extras
        if self._extras > MAX_EXTRAS:
            raise self._error(f"the chunk extensions and trailers have more than {MAX_EXTRAS} bytes")
