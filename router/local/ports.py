"""Who listens on a port: the process that stands in the way, by its id and command, from /proc."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from router.errors import PortsInUse
from router.local.layout import HOST

PROC = Path("/proc")
LISTEN = "0A"
"""The state TCP_LISTEN in the `st` column of /proc/net/tcp (proc_pid_net(5))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process that listens on a port."""

    pid: int
    command: str


def taken(ports: Iterable[int]) -> list[int]:
    """Those of the ports that nobody can listen on at 127.0.0.1 now."""
    return [port for port in ports if not _bindable(port)]


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections that have just been closed do not stand in the way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def holders(ports: Iterable[int]) -> dict[int, Holder]:
    """Who listens on each of the ports, at any address; processes of other users show to root alone."""
    wanted = set(ports)
    inodes = {inode: port for port, inode in _listeners() if port in wanted}
    found: dict[int, Holder] = {}
    for pid, inode in _sockets():
        if inode in inodes:
            found.setdefault(inodes[inode], Holder(pid=pid, command=_command(pid)))
    return found


def _listeners() -> Iterator[tuple[int, str]]:
    """Port and socket inode of everything that listens on TCP."""
    for table in ("net/tcp", "net/tcp6"):
        try:
            lines = (PROC / table).read_text(encoding="ascii").splitlines()[1:]
        except FileNotFoundError:  # a kernel without IPv6
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == LISTEN:
                yield int(fields[1].rpartition(":")[2], 16), fields[9]


def _sockets() -> Iterator[tuple[int, str]]:
    """Process id and socket inode of every socket that we may see the holder of."""
    for process in PROC.iterdir():
        if process.name.isdigit():
            for link in _descriptors(process):
                if link.startswith("socket:["):
                    yield int(process.name), link[len("socket:[") : -1]


def _descriptors(process: Path) -> Iterator[str]:
    """What each file descriptor of the process points at."""
    try:
        descriptors = list((process / "fd").iterdir())
    except OSError:  # gone in the meantime, or somebody else's
        return
    for descriptor in descriptors:
        # A single one may be closed by now: in our own process, the one that has listed the folder.
        with suppress(OSError):
            yield descriptor.readlink().name


def _command(pid: int) -> str:
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return "ended in the meantime"
    return os.fsdecode(b" ".join(words)).strip()


def require_free(ports: Mapping[str, int]) -> None:
    """Raises PortsInUse, which names each taken port, what wants it and who holds it.

    `ports` gives the port that each of ours wants, by its name.
    """
    busy = taken(ports.values())
    if not busy:
        return
    known = holders(busy)
    lines = [
        f"  {HOST}:{port}, for {name}: {_who(known.get(port))}"
        for name, port in ports.items()
        if port in busy
    ]
    raise PortsInUse("\n".join(["Ports in use. Stop these, then try again:", *lines]))


def _who(holder: Holder | None) -> str:
    if holder is None:
        return "held by a process of another user; as root, `ss -ltnp` names it"
    return f"held by pid {holder.pid}: {holder.command[:160]}"
