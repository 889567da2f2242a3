"""HTTP to one listener of a local process: a port of 127.0.0.1, or a unix socket."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path

from router.local.layout import HOST


class _UnixConnection(http.client.HTTPConnection):
    """http.client over a unix socket."""

    def __init__(self, path: Path, *, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def connection(place: int | Path, *, timeout: float) -> http.client.HTTPConnection:
    """A connection that opens with its first request; `timeout` in seconds is for each step of it."""
    if isinstance(place, Path):
        return _UnixConnection(place, timeout=timeout)
    return http.client.HTTPConnection(HOST, place, timeout=timeout)


def answers(place: int | Path, path: str = "/health") -> bool:
    """Whether the path answers 200 there, within a second."""
    asking = connection(place, timeout=1)
    try:
        asking.request("GET", path)
        return asking.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asking.close()
