"""Which system calls a process makes, counted by strace."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from router.local.processes import tethered

PATIENCE = 10
"""Seconds that strace may take to attach itself, and to write its table at the end."""

_LINE = re.compile(r"^ *[\d.]+ +[\d.]+ +\d+ +(?P<calls>\d+) +(?:\d+ +)?(?P<name>\w+)$", re.MULTILINE)


class Traced(NamedTuple):
    """Calls by name, most first; empty where strace gave nothing, and `note` says why."""

    calls: dict[str, int]
    note: str


class Tracer:
    """`strace -c` on one process and all its threads; ends with this program."""

    def __init__(self, pid: int, file: Path) -> None:
        self._pid = pid
        self._file = file
        self._child: subprocess.Popen[bytes] | None = None
        self._strace = shutil.which("strace")

    def start(self) -> None:
        """Attaches itself, and waits until it has."""
        if self._strace is None:
            return
        command = [self._strace, "-c", "-f", "-p", str(self._pid), "-o", str(self._file)]
        self._child = child = subprocess.Popen(
            tethered(command, death_signal=signal.SIGINT),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        until = time.monotonic() + PATIENCE
        while child.poll() is None and not is_traced(self._pid) and time.monotonic() < until:
            time.sleep(0.02)

    def stop(self) -> Traced:
        """Lets the process go, and tells what it has called since."""
        child = self._child
        if child is None:
            return Traced({}, "strace is not installed")
        child.send_signal(signal.SIGINT)
        try:
            child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        calls = parse(self._file.read_text(encoding="utf-8")) if self._file.exists() else {}
        return Traced(calls, "" if calls else "strace may not look at processes here")


def is_traced(pid: int) -> bool:
    """Whether somebody traces the process; proc_pid_status(5)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return re.search(r"^TracerPid:\s*[1-9]", status, re.MULTILINE) is not None


def parse(table: str) -> dict[str, int]:
    """Calls by name of what `strace -c` prints."""
    calls = {
        found["name"]: int(found["calls"]) for found in _LINE.finditer(table) if found["name"] != "total"
    }
    return dict(sorted(calls.items(), key=lambda item: -item[1]))
