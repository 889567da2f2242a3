"""A real HAProxy as a child of the test, on ports the system gives, its file in one folder."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.absence import server_program

STARTS_WITHIN = 10.0


def program() -> str:
    """Where HAProxy is."""
    return server_program("haproxy", "haproxy")


@contextmanager
def haproxy(folder: Path, proxies: str, *, listens_on: int) -> Iterator[None]:
    """Runs HAProxy with these `listen`, `frontend` and `backend` sections until it listens; ends it."""
    file = folder / "haproxy.cfg"
    file.write_text(
        "global\n  maxconn 2000\n  nbthread 1\n"
        "defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 600s\n"
        "  timeout http-request 60s\n  timeout http-keep-alive 65s\n  option forwardfor\n"
        f"{proxies}\n"
    )
    with (folder / "haproxy.log").open("wb") as log:
        child = subprocess.Popen([program(), "-db", "-f", str(file)], stdout=log, stderr=log)
    try:
        _wait_until_it_listens(child, folder, listens_on)
        yield
    finally:
        child.terminate()
        child.wait(timeout=STARTS_WITHIN)


def _wait_until_it_listens(child: subprocess.Popen[bytes], folder: Path, port: int) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while True:
        assert child.poll() is None, (folder / "haproxy.log").read_text()
        assert time.monotonic() < until, "HAProxy did not start"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
