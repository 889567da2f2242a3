"""Who may connect to unix sockets: what a file may say, and what is found wrong with it."""

from __future__ import annotations

import grp
import os
import pwd

import pytest

from router.config.loader import load_bytes
from router.settings import SocketAccess
from tests.config.files import CLEAN, fix, marked, places

USER, GROUP = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name

ACCESS = [
    ("mode: '0660'", SocketAccess()),
    ("mode: 0600", SocketAccess(mode=0o600)),
    ("mode: 0o666", SocketAccess(mode=0o666)),
    ("mode: 660", SocketAccess(mode=0o660)),
    ("mode: 0606", SocketAccess(mode=0o606)),
    (f"owner: {USER}", SocketAccess(owner=os.getuid())),
    (f"group: {GROUP}", SocketAccess(group=os.getgid())),
    ("owner: 65534, group: '65533'", SocketAccess(owner=65534, group=65533)),
]


@pytest.mark.parametrize(("written", "access"), ACCESS)
def test_what_may_be_said(written: str, access: SocketAccess) -> None:
    text = f"listen: {{address: 'unix:/run/a', {written}}}\nadmin: {{listen: 'unix:/run/b', {written}}}\n"
    config = load_bytes((text + CLEAN).encode()).config
    assert config is not None
    assert config.settings.listen[0].access == access
    assert config.settings.admin_access == access


@pytest.mark.parametrize("key", ["listen: {address", "admin: {listen"])
@pytest.mark.parametrize(
    ("where", "written", "caret"),
    [
        ("unix:/run/a", "mode: '0888'", "'0888'"),
        ("unix:/run/a", "mode: rw-rw----", "rw-rw----"),
        ("unix:/run/a", "mode: '1660'", "'1660'"),
        ("unix:/run/a", "mode: 66", "66"),
        ("unix:/run/a", "mode: '0440'", "'0440'"),
        ("unix:/run/a", "owner: no-such-user", "no-such-user"),
        ("unix:/run/a", "group: no-such-group", "no-such-group"),
        ("127.0.0.1:8082", "mode: '0660'", "'0660'"),
        ("127.0.0.1:8082", "group: '0'", "'0'"),
    ],
)
def test_what_may_not(key: str, where: str, written: str, caret: str) -> None:
    text = f"{key}: '{where}', {written}}}\n{CLEAN}"
    (place,) = places(text)
    assert place.startswith("S021 1:")
    assert marked(text, "S021").startswith(caret.strip("'")) or marked(text, "S021").startswith(caret)
    assert fix(text, "S021")
