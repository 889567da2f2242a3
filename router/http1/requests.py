"""Request heads on the wire: where one ends, and what it says.

The rules, in the order in which they are asked:

* A head begins with a method, at once: blank lines before it are not skipped (RFC 9112 section 2.2
  allows a server to skip one; nginx and HAProxy do, and nothing that is alive needs it).
* Lines end in CRLF. nginx and HAProxy take a bare LF, llhttp and RFC 9112's strict readers do not.
* The request line is `METHOD SP target SP HTTP/1.x`, with single blanks (nginx and HAProxy take more).
* Whatever llhttp refuses is refused. It is fed exactly one head, so that what is pipelined behind it
  is nobody's business here, and it never sees a body.
* What llhttp lets through and two servers could read in two ways is refused: see `_framing` and `_HOST`.

Whether the target may be served is `router.request.RequestHead`'s question, not this one's.
"""

from __future__ import annotations

import re
from functools import lru_cache

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from router.errors import (
    BadRequest,
    DownstreamError,
    ExpectationFailed,
    HeadersTooLarge,
    MethodNotImplemented,
    UriTooLong,
    VersionNotSupported,
)
from router.http1.fields import (
    MAX_LENGTH_DIGITS,
    MAX_SIZE,
    SILENT,
    fault_in,
    is_token,
    join_repeated,
    persists,
    quote,
    split_fields,
)
from router.request import METHODS, NEVER_PROXIED
from router.settings import Limits

_METHODS = {name.encode(): name for name in METHODS | NEVER_PROXIED}

# RFC 3986 section 3.2.2 without user information, IPvFuture and zones. nginx refuses `a..b`, an empty
# host and `/` too; it passes userinfo, `\`, quotes and bytes from 0x80 up, which are refused here.
_HOST = re.compile(
    rb"(?:(?!.*\.\.)(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?"
)

_FRAMING = frozenset({b"content-length", b"transfer-encoding"})

MAX_HOST = 260
"""Bytes: a name has 253 (RFC 1035 section 2.3.4), a port 5. Workers get it twice, as X-Forwarded-Host too."""

MAX_NAME = 255
"""Bytes of a field's name, as in HAProxy, whose messages keep a name's length in one byte.

What the router passes is then passed by HAProxy too. nginx sets no such limit, but refuses the second field
of some names, of Authorization among them: Matrix servers send one for each of their keys.
"""

_VISIBLE = bytes(range(0x21, 0x7F))
_OTHER_VERSION = re.compile(rb"HTTP/[1-9]\.[0-9]")


class RequestMessage:
    """One request head.

    `target` as on the line; `minor` of HTTP/1.x; `headers` with names in lower case and values without
    blanks around them, `fields` the first value of each name; `lines` the same fields as they came,
    without CRLF, in the same order.
    `line` is the request line without CRLF, `is_plain` whether it was found to be one that `RequestHead`
    takes; `forwarded` what of the fields goes to the worker, once that was worked out.
    `content_length` is -1 where there is none, `host` empty where an HTTP/1.0 client sent none.
    `expect_continue`: the client holds its body back for a 100. `upgrade`: another protocol was asked
    for, which HTTP/1.0 cannot (RFC 9110 section 7.8).
    """

    __slots__ = (
        "chunked",
        "content_length",
        "expect_continue",
        "fields",
        "forwarded",
        "headers",
        "host",
        "is_plain",
        "keep_alive",
        "line",
        "lines",
        "method",
        "minor",
        "target",
        "upgrade",
    )

    def __init__(
        self,
        *,
        line: bytes,
        method: str,
        target: bytes,
        minor: int,
        headers: list[tuple[bytes, bytes]],
        fields: dict[bytes, bytes],
        lines: list[bytes],
        host: bytes,
    ) -> None:
        self.line = line
        self.method = method
        self.target = target
        self.minor = minor
        self.is_plain = False
        self.forwarded = b""
        self.headers = headers
        self.fields = fields
        self.lines = lines
        self.host = host
        self.content_length = -1
        self.chunked = False
        self.keep_alive = minor == 1
        self.expect_continue = False
        self.upgrade = False

    def behind(self, line: bytes, method: str, target: bytes) -> RequestMessage:
        """The same fields behind another plain request line of the same version."""
        other = RequestMessage(
            line=line,
            method=method,
            target=target,
            minor=self.minor,
            headers=self.headers,
            fields=self.fields,
            lines=self.lines,
            host=self.host,
        )
        other.is_plain = True
        other.forwarded = self.forwarded
        other.content_length = self.content_length
        other.chunked = self.chunked
        other.keep_alive = self.keep_alive
        other.expect_continue = self.expect_continue
        other.upgrade = self.upgrade
        return other


def end_of_request_head(buffer: bytes | bytearray, searched: int, limits: Limits) -> int:
    """The index just after the head that `buffer` starts with, or -1 where more bytes are needed.

    `searched` is how many of the bytes an earlier call has seen. `limits.request_line` counts the
    line's CRLF, `limits.headers` everything after the line, the last CRLF included.
    Raises UriTooLong, HeadersTooLarge, and BadRequest for what can never become a head.
    """
    end = buffer.find(b"\r\n\r\n", searched - 3 if searched > 3 else 0) + 4
    if end > 3:
        if end <= limits.request_line and end <= limits.headers:
            return end
        _check_sizes(buffer, end, searched, limits)
        return end
    if buffer:
        _check_start(buffer, searched)
        _check_sizes(buffer, len(buffer), searched, limits)
    return -1


def _check_sizes(buffer: bytes | bytearray, end: int, searched: int, limits: Limits) -> None:
    # The line is looked for once, when it must have ended, and again only near the limit of the whole.
    if searched <= limits.request_line < end and buffer.find(b"\r\n", 0, limits.request_line) < 0:
        raise UriTooLong(f"the request line has more than {limits.request_line} bytes")
    if end > limits.headers and end - buffer.find(b"\r\n") - 2 > limits.headers:
        raise HeadersTooLarge(f"the headers have more than {limits.headers} bytes")


def _check_start(buffer: bytes | bytearray, searched: int) -> None:
    if searched == 0 and not is_token(bytes(buffer[:1])):
        if buffer[0] == 0x16:
            raise BadRequest("this is a TLS handshake, and this listener speaks plain HTTP")
        raise BadRequest(f"a request starts with a method, not with {quote(bytes(buffer[:1]))}")
    at = buffer.find(b"\n", searched)
    while at >= 0:
        if at == 0 or buffer[at - 1] != 0x0D:
            raise BadRequest(f"byte {at + 1} of the head is a LF without a CR before it")
        at = buffer.find(b"\n", at + 1)


def parse_request(head: bytes, limits: Limits) -> RequestMessage:
    """Reads one head, from its method to its empty line, as `end_of_request_head` found it.

    Raises BadRequest, MethodNotImplemented, VersionNotSupported, HeadersTooLarge for more than
    `limits.header_count` fields or a name of more than MAX_NAME bytes, and ExpectationFailed.
    """
    lines = head[:-4].split(b"\r\n")
    line = lines.pop(0)
    if len(lines) > limits.header_count:
        raise HeadersTooLarge(f"{len(lines)} header fields are more than {limits.header_count}")
    try:
        raw_method, target, version = line.split(b" ")
        method = _METHODS[raw_method]
    except (ValueError, KeyError):
        raise _refused_line(line) from None
    if version == b"HTTP/1.1":
        minor = 1
    elif version == b"HTTP/1.0":
        minor = 0
    else:
        raise _refused_version(version)
    # llhttp ends a target at a bare LF, as HTTP/0.9 did, and skips blanks before the one of a CONNECT.
    if target.translate(None, _VISIBLE) or not target:
        raise _refused_target(target)
    try:
        HttpRequestParser(SILENT).feed_data(head)
    except HttpParserUpgrade:
        pass  # CONNECT, or an Upgrade field with its Connection option, which is read below
    except HttpParserError as error:
        raise _refused_by_llhttp(error, lines) from None

    headers = split_fields(lines)
    first = fields = dict(headers)
    if len(fields) != len(headers):
        first, fields = dict(reversed(headers)), join_repeated(headers)
        _check_one_host(headers)
    if len(head) > MAX_NAME and max(map(len, first), default=0) > MAX_NAME:
        raise HeadersTooLarge(f"the name of a header field has more than {MAX_NAME} bytes")
    message = RequestMessage(
        line=line,
        method=method,
        target=target,
        minor=minor,
        headers=headers,
        fields=first,
        lines=lines,
        host=fields.get(b"host", b""),
    )
    if not is_host(message.host) and (minor == 1 or b"host" in fields):
        raise _refused_host(fields)
    if b"content-length" in fields or b"transfer-encoding" in fields:
        if b"\t" in head:
            _check_blanks(message)
        _framing(message, fields)
    if b"connection" in fields:
        message.keep_alive = persists(fields[b"connection"], minor)
    if b"expect" in fields:
        message.expect_continue = _expects(fields[b"expect"]) and _has_body(message) and minor == 1
    if b"upgrade" in fields:
        # llhttp and others then skip the body and read it as the next request.
        if _has_body(message):
            raise BadRequest("a request that asks for an Upgrade cannot have a body here")
        message.upgrade = minor == 1
    return message


def _has_body(message: RequestMessage) -> bool:
    return message.chunked or message.content_length > 0


def _check_one_host(headers: list[tuple[bytes, bytes]]) -> None:
    if sum(name == b"host" for name, _ in headers) > 1:
        raise BadRequest("there is more than one Host field (RFC 9112 section 3.2)")


@lru_cache(maxsize=64)
def is_host(host: bytes) -> bool:
    """Whether a Host field may say that: a host, and perhaps a port."""
    # A server has few names: one dictionary look-up instead of a regular expression.
    return len(host) <= MAX_HOST and _HOST.fullmatch(host) is not None


def _check_blanks(message: RequestMessage) -> None:
    """To nginx a tab is a part of the value, to others it is none (RFC 9110 section 5.6.3)."""
    for (name, _), line in zip(message.headers, message.lines, strict=True):
        if name in _FRAMING and b"\t" in line:
            raise BadRequest(f"there is a tab in the line of {quote(name)}")


def _framing(message: RequestMessage, fields: dict[bytes, bytes]) -> None:
    """RFC 9112 section 6; llhttp has refused both together, and lengths that are not one number."""
    coding = fields.get(b"transfer-encoding")
    if coding is not None:
        # In other case too it would be the chunked coding (section 7), but not to every worker.
        if coding != b"chunked":
            raise BadRequest(f"the Transfer-Encoding {quote(coding)} is not taken: only `chunked` alone is")
        if message.minor == 0:
            raise BadRequest("an HTTP/1.0 request cannot have a Transfer-Encoding (RFC 9112 section 6.1)")
        message.chunked = True
        return
    length = fields[b"content-length"]
    if len(length) > MAX_LENGTH_DIGITS:
        raise BadRequest(f"the Content-Length {quote(length)} has more than {MAX_LENGTH_DIGITS} digits")
    message.content_length = int(length)
    if message.content_length > MAX_SIZE:
        raise BadRequest(f"the Content-Length {quote(length)} is more than a body can have (2^63-1)")


def _expects(value: bytes) -> bool:
    """RFC 9110 section 10.1.1; nginx and HAProxy pass unknown expectations on, which nobody then meets."""
    if value.lower() != b"100-continue":
        raise ExpectationFailed(f"the expectation {quote(value)} is unknown: only `100-continue` is met")
    return True


def _refused_host(fields: dict[bytes, bytes]) -> BadRequest:
    host = fields.get(b"host")
    if host is None:
        return BadRequest("an HTTP/1.1 request needs a Host field (RFC 9112 section 3.2)")
    hint = ": user information does not belong there" if b"@" in host else ""
    return BadRequest(f"the Host field {quote(host)} is not a host with an optional port{hint}")


def _refused_line(line: bytes) -> DownstreamError:
    method, _, rest = line.partition(b" ")
    if not is_token(method):
        return BadRequest(f"a request line starts with a method, not with {quote(method)}")
    if line.count(b" ") != 2 or b"  " in line:
        return BadRequest("a request line is METHOD, target and HTTP/1.1 with single blanks between them")
    version = rest.rpartition(b" ")[2]
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        return _refused_version(version)
    return MethodNotImplemented(f"the method {quote(method)} is not one of HTTP's")


def _refused_version(version: bytes) -> DownstreamError:
    """505 for another HTTP, as nginx says to HTTP/2.0; 400 for HTTP/0.9 and other protocols, as nginx too."""
    if _OTHER_VERSION.fullmatch(version):
        return VersionNotSupported(f"{quote(version)} is not spoken here: HTTP/1.1 and HTTP/1.0 are")
    return BadRequest(f"{quote(version)} is not a version of HTTP")


def _refused_target(target: bytes) -> BadRequest:
    if not target:
        return BadRequest("the request line has no target: two blanks follow the method")
    bad = target.translate(None, _VISIBLE)[0]
    return BadRequest(f"byte 0x{bad:02x} at byte {target.index(bad)} of the target: write it as %{bad:02X}")


def _refused_by_llhttp(error: HttpParserError, lines: list[bytes]) -> BadRequest:
    # llhttp gives a reason and no place: find the place.
    return BadRequest(fault_in(lines) or f"the request head is malformed: {error}")
