"""Workers that say which port they stand for, so that a test sees where a contender sends a request."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks.reference import HOST, Ports, socket_of


@contextmanager
def workers(ports: Ports, sockets: Path | None = None) -> Iterator[None]:
    """One for each port; on unix sockets in that folder, if there is one, and only there."""
    with ExitStack() as stack:
        for port in ports.all():
            handler = type("Handler", (_Handler,), {"port": port})
            server: socketserver.BaseServer = (
                ThreadingHTTPServer((HOST, port), handler)
                if sockets is None
                else socketserver.ThreadingUnixStreamServer(str(socket_of(sockets, port)), handler)
            )
            stack.callback(server.server_close)
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
        yield


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    port: int

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = str(self.port).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_POST = do_GET  # noqa: N815 - the names that http.server looks for

    def log_message(self, *_args: object) -> None:
        """Says nothing."""
