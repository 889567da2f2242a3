"""Where a process's CPU goes, by shared object and function: what Linux `perf` samples of it."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from router.local.processes import tethered

FREQUENCY = 1999
"""Samples a second: a prime, so that no timer keeps step with it."""

TOP = 20
"""How many single functions are shown."""

PATIENCE = 15
"""Seconds that it may take to begin, and to write what it has sampled."""

_PARTS = (
    ("kernel", re.compile(r"\[(?!vdso)")),
    ("interpreter", re.compile(r"(lib)?python3")),
    ("llhttp (httptools)", re.compile(r"parser\.")),
    ("uvloop", re.compile(r"loop\.|libuv")),
    ("RE2", re.compile(r"_re2\.|libre2")),
    ("compiled modules", re.compile(r".*__mypyc\.")),
    ("C library", re.compile(r"libc\.|libc-|ld-linux|libm\.|\[vdso\]|libpthread")),
)
OTHER = "other"


class Sampled(NamedTuple):
    """Shares in percent, largest first; both are empty where perf gave nothing, and `note` says why."""

    parts: dict[str, float]
    functions: dict[str, float]
    note: str


class Recorder:
    """`perf record` on one process, from `start` to `stop`; ends with this program."""

    def __init__(self, pid: int, file: Path) -> None:
        self._pid = pid
        self._file = file
        self._child: subprocess.Popen[bytes] | None = None
        self._perf = shutil.which("perf")

    def start(self) -> None:
        """Begins to sample, and waits until it does."""
        if self._perf is None:
            return
        command = [
            *(self._perf, "record", "-q", "-e", "cpu-clock", "-F", str(FREQUENCY)),
            *("-p", str(self._pid), "-o", str(self._file)),
        ]
        self._child = child = subprocess.Popen(
            tethered(command, death_signal=signal.SIGINT),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            process_group=0,
        )
        until = time.monotonic() + PATIENCE
        while child.poll() is None and not self._file.exists() and time.monotonic() < until:
            time.sleep(0.02)

    def stop(self) -> str:
        """Ends it; returns why there is nothing to see, or an empty text."""
        child = self._child
        if child is None:
            return "perf is not installed"
        child.send_signal(signal.SIGINT)
        try:
            _, complaint = child.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            _, complaint = child.communicate()
        if child.returncode not in {0, -signal.SIGINT}:
            return f"perf failed: {complaint.decode('utf-8', 'replace').strip()[:200]}"
        return ""

    def sampled(self) -> Sampled:
        """What there is to see, once it has stopped."""
        note = self.stop()
        sampled = summarise([] if note else self._report(), note)
        return sampled if note or sampled.parts else sampled._replace(note="perf took no sample")

    def _report(self) -> list[str]:
        """Lines of `share%|shared object|symbol`."""
        assert self._perf is not None
        command = [
            *(self._perf, "report", "-i", str(self._file), "--stdio", "--no-children", "-g", "none"),
            *("--sort", "dso,sym", "-t", "|", "--percent-limit", "0"),
        ]
        ended = subprocess.run(command, capture_output=True, timeout=30, check=False)
        return ended.stdout.decode("utf-8", "replace").splitlines()


def summarise(lines: list[str], note: str = "") -> Sampled:
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
    return Sampled(parts=largest(parts, len(parts)), functions=largest(functions, TOP), note=note)


def part_of(shared_object: str) -> str:
    """Which part of the process a shared object is."""
    return next((part for part, name in _PARTS if name.match(shared_object)), OTHER)


def largest(shares: dict[str, float], count: int) -> dict[str, float]:
    """The largest shares, in their order."""
    return dict(sorted(shares.items(), key=lambda item: -item[1])[:count])
