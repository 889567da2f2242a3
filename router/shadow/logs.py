"""Requests out of a log: nginx's combined format and what begins like it, JSON lines, and plain lines."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

COMBINED, JSON, PLAIN = "combined", "json", "plain"

_COMBINED = re.compile(rb'(\S+) \S+ .*?\[[^\]]*\] "((?:[^"\\]|\\.)*)"').match
_HEX = re.compile(rb"\\x([0-9A-Fa-f]{2})")
_PLAIN = re.compile(rb"([A-Za-z_-]+) (\S+)").match
_METHOD = ("request_method", "method")
_TARGET = ("request_uri", "target", "uri", "path")
_QUERY = ("args", "query_string", "query")
_CLIENT = ("remote_addr", "client", "remote_ip", "client_ip")
_LOOKED_AT = 100


@dataclass(frozen=True, slots=True)
class Logged:
    """One request; `fields` are those headers that the log has, Host among them."""

    method: str
    target: bytes
    client: str
    fields: tuple[tuple[bytes, bytes], ...] = ()


Read = Callable[[bytes], Logged | None]
"""What a line tells; None for one that is no request, as of a client that sent nothing."""


def detect(lines: Iterable[bytes]) -> tuple[str, Iterator[bytes]]:
    """The format of a log, told from its first lines, and all its lines; plain where nothing fits better."""
    remaining = iter(lines)
    first = list(islice(remaining, _LOOKED_AT))
    for name, read in READERS.items():
        if any(read(line) is not None for line in first):
            return name, chain(first, remaining)
    return PLAIN, chain(first, remaining)


def combined(line: bytes) -> Logged | None:
    """`ADDRESS - USER [TIME] "METHOD TARGET HTTP/…" …`, with bytes escaped as nginx does."""
    found = _COMBINED(line)
    return _request(found[2], _address(found[1].decode("latin-1"))) if found else None


def json_line(line: bytes) -> Logged | None:
    """One object a line (nginx `escape=json`), its fields by nginx's names or the usual ones."""
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        told = json.loads(line.decode("latin-1"))
    except ValueError:
        return None
    client = _address(_first(told, _CLIENT))
    fields = tuple(
        (name.removeprefix("http_").replace("_", "-").encode("latin-1", "replace"), _bytes(value))
        for name, value in told.items()
        if (name.startswith("http_") or name == "host") and isinstance(value, str) and value
    )
    method, target = _first(told, _METHOD), _first(told, _TARGET)
    if not method:
        request = _request(_bytes(told.get("request", "")), client)
        return None if request is None else Logged(request.method, request.target, client, fields)
    query = _first(told, _QUERY)
    if query and "?" not in target:
        target = f"{target}?{query}"
    return Logged(method, _bytes(target), client, fields) if target else None


def plain(line: bytes) -> Logged | None:
    """`METHOD TARGET`, and whatever comes behind a blank: what `explain --batch` takes."""
    found = _PLAIN(line)
    return Logged(found[1].decode("ascii"), found[2], "") if found else None


READERS: dict[str, Read] = {JSON: json_line, COMBINED: combined, PLAIN: plain}


def _request(text: bytes, client: str) -> Logged | None:
    """A request line; nginx writes what is no printable ASCII, `"` and a backslash as `\\xHH`."""
    method, _, rest = text.partition(b" ")
    target, blank, version = rest.rpartition(b" ")
    if not blank or not version.startswith(b"HTTP/"):
        return None
    if b"\\" in target:
        target = _HEX.sub(lambda found: bytes([int(found[1], 16)]), target)
    return Logged(method.decode("latin-1"), target, client)


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def _first(told: dict[str, object], names: Iterable[str]) -> str:
    return next((value for name in names if isinstance(value := told.get(name), str) and value), "")


def _bytes(text: object) -> bytes:
    return text.encode("latin-1", "replace") if isinstance(text, str) else b""
