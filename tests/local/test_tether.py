from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from router.local import tether
from tests.absence import need_root
from tests.local.gone import Watch

TETHER = [sys.executable, "-I", "-S", tether.__file__]


def run(parent: int, user: str, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TETHER, str(int(signal.SIGKILL)), str(parent), user, *command],
        capture_output=True,
        check=False,
        text=True,
    )


def test_becomes_the_command() -> None:
    done = run(os.getpid(), "-", "/bin/echo", "here", "I am")

    assert (done.returncode, done.stdout) == (0, "here I am\n")


def test_runs_nothing_for_a_parent_that_is_gone() -> None:
    done = run(1, "-", "/bin/echo", "here I am")

    assert done.returncode == 1
    assert done.stdout == ""
    assert "parent is gone" in done.stderr


def test_the_command_dies_with_its_parent() -> None:
    program = (
        "import os, subprocess, sys\n"
        "tether = sys.argv[1:]\n"
        "command = [*tether, '9', str(os.getpid()), '-', '/bin/sh', '-c', 'echo $$; exec sleep 60']\n"
        "child = subprocess.Popen(command)\n"
        "child.wait()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, *TETHER], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = Watch(int(parent.stdout.readline()))
        assert not child.gone(within=0)

        parent.kill()

        assert child.gone(within=5)
        child.close()


def test_another_user_keeps_the_way_through_closed_folders(tmp_path: Path) -> None:
    need_root("become somebody else")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "file").write_text("read\n")
    (closed / "file").chmod(0o600)

    done = run(os.getpid(), "65534:65534", "/bin/sh", "-c", f"id -u; id -g; id -G; cat '{closed}/file'")

    assert done.stdout.split() == ["65534", "65534", "65534", "read"]
