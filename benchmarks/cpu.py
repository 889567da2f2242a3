"""CPU time of a process and of everything it started, read from /proc."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
_TICK = 1 / os.sysconf("SC_CLK_TCK")


class CpuTime(NamedTuple):
    """Seconds that the kernel has counted, in steps of a hundredth."""

    user: float
    system: float

    @property
    def total(self) -> float:
        """Both."""
        return self.user + self.system

    def since(self, earlier: CpuTime) -> CpuTime:
        """What has been used since then."""
        return CpuTime(self.user - earlier.user, self.system - earlier.system)


class _Stat(NamedTuple):
    """Of proc_pid_stat(5): the parent, and the times, those of children that have ended included."""

    parent: int
    user: float
    system: float


def cpu_time(pid: int) -> CpuTime:
    """Of the process, of its descendants, and of those of them that have ended and been waited for.

    Raises ProcessLookupError where there is no such process.
    """
    members = family(pid).values()
    return CpuTime(sum(each.user for each in members), sum(each.system for each in members))


def family(pid: int) -> dict[int, _Stat]:
    """The process and all that it started, directly or not; raises ProcessLookupError where there is none."""
    processes = _all_processes()
    if pid not in processes:
        raise ProcessLookupError(f"there is no process {pid}")
    members = descendants(pid, {each: stat.parent for each, stat in processes.items()})
    return {each: processes[each] for each in members}


def descendants(pid: int, parents: dict[int, int]) -> set[int]:
    """The process and all that it started, directly or not, by the parents of all processes."""
    found = {pid}
    grown = True
    while grown:
        new = {child for child, parent in parents.items() if parent in found} - found
        grown = bool(new)
        found |= new
    return found


def _all_processes() -> dict[int, _Stat]:
    found: dict[int, _Stat] = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            try:
                text = (folder / "stat").read_text(encoding="latin-1")
            except (FileNotFoundError, ProcessLookupError):  # ended in the meantime
                continue
            found[int(folder.name)] = parse_stat(text)
    return found


def parse_stat(text: str) -> _Stat:
    """One line of /proc/PID/stat; the command in it may hold blanks and parentheses."""
    fields = text.rpartition(")")[2].split()
    user, system, children_user, children_system = (int(field) * _TICK for field in fields[11:15])
    return _Stat(parent=int(fields[1]), user=user + children_user, system=system + children_system)
