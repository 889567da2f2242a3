"""What the single calls work on: the shipped and the reference table, the mix, a lane. Each is made once."""

from __future__ import annotations

import atexit
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from benchmarks.inmemory import Lane, lane
from benchmarks.mix import MIX, Request
from benchmarks.proxies import routes_yaml
from benchmarks.reference import Ports
from router.config.loader import load_or_raise
from router.http1.requests import RequestMessage, parse_request
from router.proxy.admission import read_head
from router.request import RequestHead
from router.settings import Config, Limits

CLIENT = "192.0.2.10"
USER = "ada"
LIMITS = Limits()

PORTS = Ports(synapse=8008, generic=(8101, 8102, 8103), receipts=8112)
"""The reference's own; nothing connects to them."""

SHIPPED_TABLE = Path(__file__).parents[2] / "routes.yaml"

_ended = ExitStack()
atexit.register(_ended.close)


@cache
def shipped() -> Config:
    """The table of this repository."""
    return load_or_raise(SHIPPED_TABLE)


@cache
def reference() -> Config:
    """The reference's rules, with everything on; the access log is a file that is gone at the end."""
    folder = Path(_ended.enter_context(tempfile.TemporaryDirectory(prefix="router-micro-")))
    file = folder / "routes.yaml"
    file.write_text(routes_yaml(folder, PORTS, port=8080), encoding="utf-8")
    return load_or_raise(file)


@cache
def opened() -> Lane:
    """A lane with the reference's rules."""
    return _ended.enter_context(lane(reference()))


def raw_mix() -> list[bytes]:
    """The mix as one user sends it."""
    return [request.raw(USER) for request in MIX]


def head_bytes(raw: bytes) -> bytes:
    """The head, up to and with its empty line."""
    return raw[: raw.index(b"\r\n\r\n") + 4]


def message_of(raw: bytes) -> RequestMessage:
    """What the wire says of it."""
    return parse_request(head_bytes(raw), LIMITS)


def head_of(request: Request, **replaced: str) -> RequestHead:
    """What `decide` is given for it; `replaced` are fields whose value is another one."""
    raw = head_bytes(request.raw(USER)).decode("latin-1")
    for name, value in replaced.items():
        before = raw[raw.index(f"{name}: ") :].partition("\r\n")[0]
        raw = raw.replace(before, f"{name}: {value}")
    return read_head(raw.encode("latin-1"), client=CLIENT, limits=LIMITS, trust=None)[1]
