"""The end of a connection that its peer must not take for a whole one."""

from __future__ import annotations

import asyncio
import socket
import struct

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: RST. uvloop's abort() alone sends FIN, and a cut answer would look whole."""


def reset(transport: asyncio.Transport) -> None:
    """Closes at once, with RST; a unix socket has none, and what waits to be sent is lost on it too.

    Not to be called once the protocol was told of the end: the descriptor may be another's by then.
    """
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    transport.abort()
