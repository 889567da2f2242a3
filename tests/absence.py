"""What a test needs and a machine may lack: skipped with a word, and a failure where CI=true."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def absent(what: str) -> NoReturn:
    """Skips the test for that reason; fails it in CI, where nothing may be skipped for want of something."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}, and with CI=true what needs it must run")
    pytest.skip(what)


def need_root(reason: str) -> None:
    """Whatever CI is, it is root there: it installs packages."""
    if os.geteuid() != 0:
        absent(f"only root can {reason}")


def server_program(name: str, package: str) -> str:
    """Where a server's program is, which Debian's `package` brings."""
    found = shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin")
    return found or absent(f"{name} is not installed (apt-get install {package})")
