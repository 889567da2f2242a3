"""Requests that a worker saw and answers that a client got, cut strictly from a connection's bytes.

Written without the router's own reading of them, so that both cannot be wrong in the same way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

END = b"\r\n\r\n"

_LENGTH = re.compile(rb"0*[0-9]{1,19}")
_SIZE = re.compile(rb"[0-9A-Fa-f]+(?:;.*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message: its first line, its header lines, its payload, and how much of it is there."""

    line: bytes
    lines: tuple[bytes, ...]
    body: bytes = b""
    has_head: bool = True
    whole: bool = False

    @property
    def status(self) -> int:
        """The status of an answer, 0 where it has none."""
        words = self.line.split(b" ")
        return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0

    def values(self, name: str) -> list[bytes]:
        """The values of a field, in order."""
        return [
            line.partition(b":")[2].strip(b" \t")
            for line in self.lines
            if line.partition(b":")[0].lower() == name.lower().encode("latin-1")
        ]


def read_requests(data: bytes, *, switched: bool = False) -> list[Message]:
    """All requests of one connection, the last one perhaps in part.

    After `switched` (the worker has answered 101) what follows the first request's head is a tunnel's.
    """
    messages: list[Message] = []
    while data:
        message, rest = _head(data)
        if not message.has_head:
            return [*messages, message]
        if switched:
            return [*messages, replace(message, body=rest, whole=True)]
        body, whole, data = _body(message, rest, until_close=False, closed=False)
        messages.append(replace(message, body=body, whole=whole))
        if not whole:
            break
    return messages


def read_answers(data: bytes, methods: tuple[str, ...], *, closed: bool) -> list[Message]:
    """All answers of one connection; `methods` those of its requests, the last one standing for the rest."""
    messages: list[Message] = []
    finals = 0
    while data:
        message, rest = _head(data)
        if not message.has_head:
            return [*messages, message]
        if message.status == 101:
            return [*messages, replace(message, body=rest, whole=True)]
        method = methods[min(finals, len(methods) - 1)]
        if message.status < 200 or message.status in (204, 304) or method == "HEAD":
            messages.append(replace(message, whole=True))
            finals += message.status >= 200
            data = rest
            continue
        finals += 1
        body, whole, data = _body(message, rest, until_close=True, closed=closed)
        messages.append(replace(message, body=body, whole=whole))
        if not whole:
            break
    return messages


def _head(data: bytes) -> tuple[Message, bytes]:
    head, found, rest = data.partition(END)
    line, *lines = head.split(b"\r\n")
    return Message(line=line, lines=tuple(lines), has_head=bool(found)), rest


def _body(message: Message, rest: bytes, *, until_close: bool, closed: bool) -> tuple[bytes, bool, bytes]:
    """The payload, whether it is whole, and what follows it."""
    codings, lengths = message.values("transfer-encoding"), message.values("content-length")
    if [coding.lower() for coding in codings] == [b"chunked"] and not lengths:
        return _chunked(rest)
    if not codings and len(lengths) == 1 and _LENGTH.fullmatch(lengths[0]):
        length = int(lengths[0].lstrip(b"0") or b"0")
        return rest[:length], len(rest) >= length, rest[length:]
    if codings or lengths:
        return rest, False, b""  # nobody can tell where it ends
    if until_close:
        return rest, closed, b""
    return b"", True, rest


def _chunked(rest: bytes) -> tuple[bytes, bool, bytes]:
    payload = b""
    while True:
        line, _, after = rest.partition(b"\r\n")
        if not _SIZE.fullmatch(line):
            return payload, False, b""
        size = int(line.partition(b";")[0], 16)
        if not size:
            _, found, beyond = rest[len(line) :].partition(END)
            return payload, bool(found), beyond
        payload += after[:size]
        if after[size : size + 2] != b"\r\n":
            return payload, False, b""
        rest = after[size + 2 :]
