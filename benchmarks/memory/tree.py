"""How much memory a process and everything it started has held at most, from a moment on."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from benchmarks.cpu import PROC, family

_FORGET_PEAK = "5"
"""What proc_pid_clear_refs(5) takes to set the peak back to what is held now."""


class Held(NamedTuple):
    """Resident bytes of one process: now, and at most since its peak was forgotten."""

    now: int
    peak: int


class Growth:
    """Resident memory of a process tree, against the moment at which this was made.

    Each process's own peak counts, so that the sum may be above what all of them ever held at one time.
    Raises ProcessLookupError where there is no such process.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        forget_peaks(pid)
        self._before = {each: held(each).now for each in family(pid)}

    def peak(self) -> int:
        """Bytes; what a process has that was not there before counts whole."""
        return sum(held(each).peak - self._before.get(each, 0) for each in family(self._pid))


def forget_peaks(pid: int) -> None:
    """Sets the peaks of a process tree back to what is held now; raises ProcessLookupError."""
    for each in family(pid):
        (PROC / str(each) / "clear_refs").write_text(_FORGET_PEAK, encoding="ascii")


def peak(pid: int) -> int:
    """Resident bytes of a process tree at most, since its peaks were forgotten; raises ProcessLookupError."""
    return sum(held(each).peak for each in family(pid))


def held(pid: int, *, proc: Path = PROC) -> Held:
    """Of one process alone."""
    values = parse_status((proc / str(pid) / "status").read_text(encoding="utf-8", errors="replace"))
    return Held(now=values["VmRSS"], peak=values["VmHWM"])


def parse_status(text: str) -> dict[str, int]:
    """The sizes in proc_pid_status(5), in bytes."""
    lines = (line.partition(":") for line in text.splitlines())
    return {name: int(value.split()[0]) * 1024 for name, _, value in lines if value.rstrip().endswith(" kB")}
