"""Who may connect to a unix socket: the `mode`, `owner` and `group` of a listener or of `admin`."""

from __future__ import annotations

import grp
import pwd
import re
from collections.abc import Callable, Iterable

from router.config.fields import Fields
from router.config.findings import Findings
from router.config.values import short, word
from router.settings import UNIX_MODE, SocketAccess
from router.table import Address, UnixAddress

KEYS = ("mode", "owner", "group")

_MODE = re.compile(r"(?:0o?)?([0-7]{3})")
_ID = re.compile(r"[0-9]{1,9}")


def socket_access(fields: Fields, addresses: Iterable[Address], findings: Findings) -> SocketAccess:
    """What stands there, the defaults for what does not; `addresses` are those it is for."""
    written = [key for key in KEYS if fields.get(key) is not None]
    if written and not any(isinstance(each, UnixAddress) for each in addresses):
        findings.add(
            "S021",
            f"`{written[0]}` is for unix sockets, and none is listened on here",
            fields.place(written[0]),
            fix="remove it, or listen on `unix:/path`",
        )
        return SocketAccess()
    mode = _mode(fields, findings)
    return SocketAccess(
        mode=UNIX_MODE if mode is None else mode,
        owner=_id(fields, "owner", lambda name: pwd.getpwnam(name).pw_uid, findings),
        group=_id(fields, "group", lambda name: grp.getgrnam(name).gr_gid, findings),
    )


def _mode(fields: Fields, findings: Findings) -> int | None:
    """Octal, however it is written: `0660`, `'0660'`, `0o660` and `660` are one mode."""
    node = fields.get("mode")
    scalar = word(node, findings, "`mode`") if node is not None else None
    if scalar is None:
        return None
    match = _MODE.fullmatch(scalar.text)
    if match is None or not int(match[1], 8) & 0o222:
        findings.add(
            "S021",
            f"`{short(scalar.text)}` is not a mode in which anybody could connect",
            scalar.source,
            fix="write three octal digits, as `'0660'` for owner and group",
        )
        return None
    return int(match[1], 8)


def _id(fields: Fields, key: str, known: Callable[[str], int], findings: Findings) -> int | None:
    """The number of a user or a group, by name or as it is."""
    node = fields.get(key)
    scalar = word(node, findings, f"`{key}`") if node is not None else None
    if scalar is None:
        return None
    if _ID.fullmatch(scalar.text):
        return int(scalar.text)
    try:
        return known(scalar.text)
    except KeyError:
        what = "user" if key == "owner" else "group"
        findings.add(
            "S021",
            f"this machine knows no {what} `{short(scalar.text)}`",
            scalar.source,
            fix=f"write a {what} of this machine, or a number",
        )
    return None
