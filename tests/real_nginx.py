"""A real nginx as a child of the test, on ports the system gives, all its files in one folder."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Self

from router.local import layout
from tests.absence import server_program

STARTS_WITHIN = 10.0


def program() -> str:
    """Where nginx is."""
    return server_program("nginx", "nginx-light")


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that were free a moment ago, and that no client is given meanwhile."""
    with closing(layout.free_ports()) as ports:
        return list(islice(ports, count))


@contextmanager
def nginx(folder: Path, http: str) -> Iterator[None]:
    """Runs nginx with these directives in its `http` block; ends it and all its workers."""
    scratch = "\n".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log crit; worker_processes 1;\n"
        f"events {{ worker_connections 4096; }}\n"
        f"http {{\naccess_log off; default_type text/plain; keepalive_requests 1000000;\n{scratch}\n"
        f"{http}\n}}\n"
    )
    command = [program(), "-p", str(folder), "-c", str(file), "-e", str(folder / "error.log")]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_pid(child, folder)
        yield
    finally:
        child.terminate()
        child.wait(timeout=STARTS_WITHIN)


def wait_for_pid(child: subprocess.Popen[bytes], folder: Path) -> None:
    """nginx writes its pid once it listens."""
    until = time.monotonic() + STARTS_WITHIN
    while not (folder / "nginx.pid").exists():
        assert child.poll() is None, (folder / "error.log").read_text()
        assert time.monotonic() < until, "nginx did not start"
        time.sleep(0.01)


class Client:
    """One kept-alive connection, to a port or a unix socket, that sends targets as they are given."""

    def __init__(self, listener: int | Path) -> None:
        self._listener = listener
        self._socket: socket.socket | None = None
        self._read = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forgets the connection; the next question opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._read = b""

    def ask(
        self,
        target: bytes,
        method: bytes = b"GET",
        headers: Iterable[tuple[bytes, bytes]] = (),
        body: bytes = b"",
    ) -> tuple[int, bytes]:
        """Status and body of one answer that has a Content-Length; `body` goes with a field that says so."""
        if self._socket is None:
            self._socket = self._connect()
        named = [*headers]
        if all(name.lower() != b"host" for name, _ in named):
            named.insert(0, (b"Host", b"h"))
        fields = b"".join(b"%b: %b\r\n" % field for field in named)
        sent = body if any(name.lower() == b"content-length" for name, _ in named) else b""
        self._socket.sendall(b"%b %b HTTP/1.1\r\n%b\r\n%b" % (method, target, fields, sent))
        while b"\r\n\r\n" not in self._read:
            self._more()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
        while len(self._read) < length:
            self._more()
        received, self._read = self._read[:length], self._read[length:]
        if b"connection: close" in lines:
            self.close()
        return int(head.split(b" ", 2)[1]), received

    def _connect(self) -> socket.socket:
        if isinstance(self._listener, int):
            connected = socket.create_connection(("127.0.0.1", self._listener), timeout=10)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connected
        connected = socket.socket(socket.AF_UNIX)
        connected.connect(str(self._listener))
        return connected

    def _more(self) -> None:
        assert self._socket is not None
        received = self._socket.recv(65536)
        assert received, "nginx closed the connection in the middle of an answer"
        self._read += received
