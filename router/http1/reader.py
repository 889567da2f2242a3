"""Reads request heads as `requests` does, and reads the fields of a client that repeats itself once.

A client sends the same header fields with nearly every request: who it is, what it takes, its token. So a
*block*, which is everything behind the request line, is looked up before it is read, and only the line in
front of it is read anew. What was never read whole by `parse_request`, which is the specification, is
never remembered, and a line that is anything but plain is left to it too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from router.http1.requests import RequestMessage, end_of_request_head, parse_request
from router.memory import remember
from router.request import METHODS, is_plain
from router.settings import Limits

MOST_BLOCKS: Final = 2048
"""Blocks that are remembered: some 10 MB, since each is kept as bytes, as fields and as what is sent on.

A full memory is emptied, since whoever still sends is in it again with the next request.
"""

MOST_BYTES: Final = 2048
"""Of a block that is remembered: a browser's has 600, and what is longer rarely comes twice."""

_PLAIN: Final = {name.encode(): name for name in ("GET", "PUT", "POST", "OPTIONS", "DELETE", "HEAD", "PATCH")}
_VERSION: Final = b" HTTP/1.1"

Forwarded = Callable[[RequestMessage], bytes]
"""Works out what of a request's fields goes to the worker."""


class RequestReader:
    """Reads the heads of all connections of a process; `forwarded` fills the messages' field of that name."""

    __slots__ = ("_blocks", "_forwarded", "_limits", "_shortest")

    def __init__(self, limits: Limits, forwarded: Forwarded) -> None:
        self._limits = limits
        self._forwarded = forwarded
        self._shortest = min(limits.request_line, limits.headers)
        self._blocks: dict[bytes, RequestMessage] = {}

    def end(self, buffer: bytes, searched: int) -> int:
        """`end_of_request_head`, which raises what that raises."""
        if not searched:
            end = buffer.find(b"\r\n\r\n") + 4
            if 3 < end <= self._shortest:
                return end
        return end_of_request_head(buffer, searched, self._limits)

    def whole(self, buffer: bytes) -> RequestMessage | None:
        """The message of a buffer that is one head and nothing else, with a plain line and a known block.

        None where it is anything else: `end` and `read` tell what. Nobody may change what the message holds.
        """
        if len(buffer) > self._shortest or not buffer.endswith(b"\r\n\r\n"):
            return None
        line, _, block = buffer.partition(b"\r\n")
        # A block ends with the first empty line there is: nothing in a known one ends the head sooner.
        known = self._blocks.get(block)
        return None if known is None else self._behind(known, line)

    def read(self, head: bytes) -> RequestMessage:
        """`parse_request`, which raises what that raises. Nobody may change what the message holds."""
        line, _, block = head.partition(b"\r\n")
        known = self._blocks.get(block)
        if known is not None:
            message = self._behind(known, line)
            if message is not None:
                return message
        message = parse_request(head, self._limits)
        if known is None and message.minor == 1 and len(block) <= MOST_BYTES and message.method in METHODS:
            message.forwarded = self._forwarded(message)
            remember(self._blocks, block, message, MOST_BLOCKS)
        return message

    def _behind(self, known: RequestMessage, line: bytes) -> RequestMessage | None:
        """The known block's fields behind a line, None where the line is not plain."""
        method, _, rest = line.partition(b" ")
        name = _PLAIN.get(method)
        if name is not None and rest.endswith(_VERSION):
            target = rest[: -len(_VERSION)]
            if is_plain(target):
                return known.behind(line, name, target)
        return None
