"""What `make run` says once Matrix is up: where to point a client, who may log in, what to try next."""

from __future__ import annotations

import os
from pathlib import Path

from router.local.layout import Layout

USERS = ("alice", "bob")
PASSWORD = "demo-pass"
WIDTH = 92


def welcome(layout: Layout, *, python: str) -> str:
    """The box and the lines to copy; `python` is the interpreter to write into them."""
    base, admin = f"http://localhost:{layout.router_port}", f"http://localhost:{layout.admin_port}"
    rows = [
        f"homeserver  {base:<28} status  {admin}",
        f"users       {' and '.join(USERS):<28} logs    {shown(layout.logs)}/",
        f"password    {PASSWORD:<28} data    {shown(layout.data)}/",
    ]
    title, end = " Matrix is up ", " Ctrl-C ends it all "
    return "\n".join(
        [
            f"+-{title}{'-' * (WIDTH - 4 - len(title) - len(end))}{end}-+",
            *(f"| {row:<{WIDTH - 4}} |" for row in rows),
            f"+{'-' * (WIDTH - 2)}+",
            f"curl     curl -s {base}/_matrix/client/versions",
            f"client   Element: Sign in > Edit homeserver > {base}",
            f"ask why  {python} -m router explain GET /_matrix/client/v3/sync",
            f"break    kill $(cat {shown(layout.pid_file('generic2'))})   then see {admin}",
        ]
    )


def shown(path: Path) -> str:
    """The path as one would type it here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
