"""Facts of a request as nginx's variables have them: what keys hash, and what conditions ask for."""

from __future__ import annotations

import re
from collections.abc import Callable

from router.request import RequestHead

ReadFact = Callable[[RequestHead], bytes]
"""The fact's bytes; empty where the request has none."""


def fact_reader(kind: str, name: str = "") -> ReadFact:
    """How to read one of `NAMED_FACTS`, but for `capture`, or of `REQUEST_FACTS` off a head.

    Raises KeyError for any other kind.
    """
    if kind == "header":
        return _header_reader(name)
    if kind == "cookie":
        return _cookie_reader(name)
    if kind == "argument":
        return _argument_reader(name)
    return _READERS[kind]


def _header_reader(name: str) -> ReadFact:
    field = name.encode("latin-1")
    return lambda head: head.header(field).strip(b" \t")


def _cookie_reader(name: str) -> ReadFact:
    """ngx_http_parse_multi_header_lines: names in any case, blanks around `=` skipped, cut at `;`."""
    found = re.compile(
        rb"(?:\A|;[; \t]*)%b[ \t]*=[ \t]*([^;]*)" % re.escape(name.encode("latin-1")), re.IGNORECASE
    )

    def read(head: RequestHead) -> bytes:
        for field, value in head.headers:
            if field == b"cookie":
                match = found.search(value)
                if match:
                    return match[1]
        return b""

    return read


def _argument_reader(name: str) -> ReadFact:
    """ngx_http_arg: the first parameter of that name in any case, undecoded; only `&` parts them."""
    found = re.compile(rb"(?:\A|&)%b=([^&]*)" % re.escape(name.encode("latin-1")), re.IGNORECASE)

    def read(head: RequestHead) -> bytes:
        match = found.search(head.query)
        return match[1] if match else b""

    return read


def host(head: RequestHead) -> bytes:
    """nginx's `$host`: the target's host, or else the Host field's, in lower case and without the port."""
    named = (head.authority or head.header(b"host")).lower()
    end = named.find(b"]") + 1 if named.startswith(b"[") else named.find(b":")
    return named[:end] if end > 0 else named


_READERS: dict[str, ReadFact] = {
    "method": lambda head: head.method.encode("ascii"),
    "target": lambda head: head.target,
    "path": lambda head: head.path,
    "normalised": lambda head: head.normalised,
    "query": lambda head: head.query,
    "host": host,
    "port": lambda head: b"%d" % head.port if head.port else b"",
    "client": lambda head: head.client.encode("ascii"),
}
