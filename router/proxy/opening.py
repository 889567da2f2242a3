"""The beginning of an answer that may tell of a misroute: kept as it passes, read once it has ended.

What Synapse 1.163 says of a request that is not for it, asked process by process: 404 or 405 with the
errcode M_UNRECOGNIZED where it does not know path or method; 500 with M_UNKNOWN where only the writer of a
stream can do it; and Twisted's HTML page for a 404 where the listener has no such resource at all. All
are below 300 bytes. An answer to HEAD has no body, and tells nothing.
"""

from __future__ import annotations

import json
import re
import zlib

from router.errors import BadResponse
from router.http1.chunks import ChunkScanner
from router.http1.responses import ResponseMessage

SUSPECT = frozenset({404, 405, 500})
"""The statuses of such answers; no other answer is looked at."""

KEPT = 1024
"""Bytes of an answer that are kept, framing included."""

MAX_INFLATED = 4096
"""Bytes that the beginning of a compressed answer may become."""

_JSON = b"application/json"
_HTML = b"text/html"
_NO_RESOURCE = b"<h1>No Such Resource</h1>"

_FIRST_ERRCODE = re.compile(rb'\s*\{\s*"errcode"\s*:\s*"([A-Z0-9_.]{1,64})"')
"""Synapse writes `errcode` first, so that it can be read where the end of the object is not at hand."""


class Opening:
    """Up to `KEPT` bytes of one answer's body, framed and compressed as they came."""

    __slots__ = ("_chunked", "_gzip", "_kept", "_media_type", "_size")

    def __init__(self, media_type: bytes, *, chunked: bool, gzip: bool) -> None:
        self._media_type = media_type
        self._chunked = chunked
        self._gzip = gzip
        self._kept: list[bytes] = []
        self._size = 0

    def add(self, data: bytes) -> None:
        """The next piece of the body; what is beyond `KEPT` bytes is let go."""
        room = KEPT - self._size
        if room > 0:
            self._kept.append(data[:room])
            self._size += len(data)

    @property
    def errcode(self) -> str:
        """The Matrix error code; empty where the answer is none, or is too long to tell."""
        if self._media_type != _JSON:
            return ""
        text = self._text()
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            first = _FIRST_ERRCODE.match(text)
            return first[1].decode() if first else ""
        errcode = answer.get("errcode") if isinstance(answer, dict) else None
        return errcode if isinstance(errcode, str) else ""

    @property
    def no_resource(self) -> bool:
        """Whether it is Twisted's own page for a path below which a listener has nothing."""
        return self._media_type == _HTML and _NO_RESOURCE in self._text()

    def _text(self) -> bytes:
        """The payload, as far as it was kept."""
        body = b"".join(self._kept)
        if self._chunked:
            body, _ = ChunkScanner(BadResponse, decode=True).feed(body)
        if self._gzip:
            try:
                body = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS).decompress(body, MAX_INFLATED)
            except zlib.error:
                return b""
        return body


def opening_of(message: ResponseMessage, body: bytes, *, unchunked: bool) -> Opening | None:
    """What to keep of a suspect answer that begins with `body`; None where its head says enough.

    `unchunked` tells that the pieces come without chunks, whatever the head announces.
    """
    media_type = message.fields.get(b"content-type", b"").partition(b";")[0].strip().lower()
    coding = message.fields.get(b"content-encoding", b"").lower()
    if message.no_body or media_type not in (_JSON, _HTML) or coding not in (b"", b"gzip"):
        return None
    chunked = (message.chunked or message.until_close) and not unchunked
    opening = Opening(media_type, chunked=chunked, gzip=coding == b"gzip")
    opening.add(body)
    return opening
