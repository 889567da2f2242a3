"""What no worker may ever see, whatever a client has sent: read as strictly as RFC 9112 lets anybody read."""

from __future__ import annotations

import re

from tests.http.messages import Message

_LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [\x21-\x7e]+ HTTP/1\.1")
_FIELD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")
_LENGTH = re.compile(rb"[0-9]{1,19}")
_HOP_BY_HOP = ("keep-alive", "proxy-connection", "te", "trailer", "http2-settings")


def dirt(request: Message) -> list[str]:
    """What is wrong with one request; empty for a clean one."""
    if not request.has_head:
        return ["its head is not whole"]
    found = [] if _LINE.fullmatch(request.line) else [f"its line is {request.line!r}"]
    found += [f"it has the line {line!r}" for line in request.lines if not _FIELD.fullmatch(line)]
    found += [f"it has the field {name}" for name in _HOP_BY_HOP if request.values(name)]
    if len(request.values("host")) != 1:
        found.append(f"its hosts are {request.values('host')}")
    lengths, codings = request.values("content-length"), request.values("transfer-encoding")
    if len(lengths) + len(codings) > 1:
        found.append("two fields frame its body")
    if not all(_LENGTH.fullmatch(length) for length in lengths) or codings not in ([], [b"chunked"]):
        found.append(f"its body is framed by {lengths + codings}")
    connection = [option.lower() for option in request.values("connection")]
    if connection != ([b"upgrade"] if request.values("upgrade") else []):
        found.append(f"its connection options are {connection}")
    return found
