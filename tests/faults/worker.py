"""A worker of its own process, to be killed: `python -m tests.faults.worker PORT`.

/fast at once, /slow after 30 ms, /stream 300 KB in 100 ms, /poll?SECONDS after that time, /health always.
"""

from __future__ import annotations

import asyncio
import socket
import sys

import uvloop

PIECE = bytes(30_000)
PIECES = 10


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, until it ends."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            if length:
                await reader.readexactly(int(length))
            await _answer(head.split(b" ", 2)[1], writer)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _answer(target: bytes, writer: asyncio.StreamWriter) -> None:
    if target == b"/stream":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (PIECES * len(PIECE)))
        for _ in range(PIECES):
            writer.write(PIECE)
            await asyncio.sleep(0.01)
    else:
        path, _, seconds = target.partition(b"?")
        if path == b"/poll":
            await asyncio.sleep(float(seconds))
        elif path == b"/slow":
            await asyncio.sleep(0.03)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    await writer.drain()


async def main(port: int) -> None:
    """Listens for good."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    server = await asyncio.start_server(serve, sock=sock, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1])))
