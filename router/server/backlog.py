"""The end of listening: the kernel takes nobody new, and whoever it has taken already is served.

Closing a listening socket resets what waits in its accept queue: clients who think that they are connected,
and may have sent a request.
"""

from __future__ import annotations

import asyncio
import ctypes
import select
import socket
import struct
from collections.abc import Sequence

SO_ATTACH_FILTER = getattr(socket, "SO_ATTACH_FILTER", 26)
"""Linux, include/uapi/asm-generic/socket.h; Python 3.11 has no name for it."""

NO_SYN = (
    (0x30, 0, 0, 13),  # A = the byte with TCP's flags
    (0x45, 0, 1, 0x02),  # if SYN is among them
    (0x06, 0, 0, 0),  # drop the packet
    (0x06, 0, 0, 0xFFFFFFFF),  # else keep it
)
"""A classic BPF program (linux/filter.h): a listening socket with it completes handshakes and begins none."""

HANDSHAKE = 0.2
"""Seconds for handshakes under way: the round trip to most clients, and nothing beside a restart."""

LONGEST = 2.0
"""Seconds after which listening ends all the same: without the filter, clients may go on coming."""


def take_nobody_new(sock: socket.socket) -> bool:
    """Lets a listening TCP socket ignore new clients, who ask again after a second; tells whether it could.

    Until then, the socket is closed and they are refused, or another process has the port and serves them.
    """
    program = b"".join(struct.pack("HBBI", *step) for step in NO_SYN)
    kept = ctypes.create_string_buffer(program)
    described = struct.pack("HP", len(NO_SYN), ctypes.addressof(kept))  # struct sock_fprog
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, described)
    except OSError:
        return False
    return True


async def empty(sockets: Sequence[socket.socket]) -> None:
    """Returns once the loop has accepted every client that these listening sockets had.

    uvloop accepts one client of each socket in each of its turns.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + LONGEST
    filtered = [take_nobody_new(sock) for sock in sockets if sock.family != socket.AF_UNIX]
    if any(filtered):
        await asyncio.sleep(HANDSHAKE)
    while loop.time() < end and _waiting(sockets):  # noqa: ASYNC110 - a turn of the loop accepts the next one
        await asyncio.sleep(0)


def _waiting(sockets: Sequence[socket.socket]) -> bool:
    poll = select.poll()
    for sock in sockets:
        if sock.fileno() >= 0:
            poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
