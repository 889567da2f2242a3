"""Where the router's CPU goes while wrk drives it, by part of the process: what Linux `perf` samples."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import threading
from pathlib import Path
from typing import NamedTuple

from benchmarks import load
from benchmarks.cpu import CpuTime, cpu_time
from benchmarks.rounds import Running
from router.local.processes import tethered

FREQUENCY = 1999
"""Samples a second: a prime, so that no timer keeps step with it."""

TOP = 12
"""How many single functions are shown."""

_PARTS = (
    ("kernel", re.compile(r"\[(?!vdso)")),
    ("interpreter", re.compile(r"(lib)?python3")),
    ("llhttp (httptools)", re.compile(r"parser\.")),
    ("uvloop", re.compile(r"loop\.|libuv")),
    ("RE2", re.compile(r"_re2\.|libre2")),
    ("C library", re.compile(r"libc\.|libc-|ld-linux|libm\.|\[vdso\]|libpthread")),
)
OTHER = "other"


class Profile(NamedTuple):
    """Shares in percent, largest first; `parts` and `top` are empty where perf gave nothing.

    `note` says what is missing, and why.
    """

    user_share: float
    system_share: float
    parts: dict[str, float]
    top: dict[str, float]
    note: str


def take(running: Running, *, seconds: float, sent: Path, folder: Path) -> Profile:
    """Drives the process once more, with perf at its side where it is installed and may look."""
    recorder = Recorder(running.pid, folder / "perf.data", seconds)
    before = cpu_time(running.pid)
    recorder.start()
    try:
        load.drive(running.port, seconds=seconds, sent=sent)
    finally:
        note = recorder.stop()
    used = cpu_time(running.pid).since(before)
    lines = [] if note else recorder.report()
    if not lines and not note:
        note = "perf took no sample"
    return summarise(lines, used, note)


class Recorder:
    """`perf record` on one process, for so many seconds; ends with this program."""

    def __init__(self, pid: int, file: Path, seconds: float) -> None:
        self._pid = pid
        self._file = file
        self._seconds = seconds
        self._child: subprocess.Popen[bytes] | None = None
        self._perf = shutil.which("perf")

    def start(self) -> None:
        """Begins to sample."""
        if self._perf is None:
            return
        command = [
            *(self._perf, "record", "-q", "-e", "cpu-clock", "-F", str(FREQUENCY)),
            *("-p", str(self._pid), "-o", str(self._file), "--", "sleep", f"{self._seconds:g}"),
        ]
        self._child = subprocess.Popen(
            tethered(command, death_signal=signal.SIGTERM),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            process_group=0,
        )

    def stop(self) -> str:
        """Waits for its end; returns why there is nothing to see, or an empty text."""
        child = self._child
        if child is None:
            return "perf is not installed"
        patience = threading.Timer(5, child.terminate)
        patience.start()
        try:
            _, complaint = child.communicate()
        finally:
            patience.cancel()
        if child.returncode:
            return f"perf failed: {complaint.decode('utf-8', 'replace').strip()[:200]}"
        return ""

    def report(self) -> list[str]:
        """Lines of `share%|shared object|symbol`."""
        assert self._perf is not None
        command = [
            *(self._perf, "report", "-i", str(self._file), "--stdio", "--no-children", "-g", "none"),
            *("--sort", "dso,sym", "-t", "|", "--percent-limit", "0"),
        ]
        ended = subprocess.run(command, capture_output=True, timeout=30, check=False)
        return ended.stdout.decode("utf-8", "replace").splitlines()


def summarise(lines: list[str], used: CpuTime, note: str = "") -> Profile:
    """Adds up the report's lines by part."""
    parts: dict[str, float] = {}
    functions: dict[str, float] = {}
    for line in lines:
        fields = [field.strip() for field in line.split("|")]
        if line.startswith("#") or len(fields) < 3 or not fields[0].endswith("%"):
            continue
        share = float(fields[0][:-1])
        part = part_of(fields[1])
        parts[part] = parts.get(part, 0.0) + share
        function = f"{part}: {fields[2].partition('] ')[2][:60]}"
        functions[function] = functions.get(function, 0.0) + share
    total = used.total or 1.0
    return Profile(
        user_share=100 * used.user / total,
        system_share=100 * used.system / total,
        parts=_descending(parts, len(parts)),
        top=_descending(functions, TOP),
        note=note,
    )


def part_of(shared_object: str) -> str:
    """Which part of the process a shared object is."""
    return next((part for part, name in _PARTS if name.match(shared_object)), OTHER)


def _descending(shares: dict[str, float], count: int) -> dict[str, float]:
    return dict(sorted(shares.items(), key=lambda item: -item[1])[:count])
