"""How long processes stood ready while no processor core was free for them: the scheduler's share of latency.

Linux counts it for each thread: the second number of /proc/PID/task/TID/schedstat, in nanoseconds
(Documentation/scheduler/sched-stats.rst). A kernel without these counts has no such file.
"""

from __future__ import annotations

import os

from benchmarks.cpu import PROC, family


def waited(pid: int | None = None) -> float:
    """Microseconds since its start, of the process and all that it started; of this one alone without a pid.

    0 where the kernel does not count; raises ProcessLookupError where there is no such process.
    """
    members = [os.getpid()] if pid is None else list(family(pid))
    return sum(_of_threads(each) for each in members) / 1000


def _of_threads(pid: int) -> int:
    found = 0
    for file in (PROC / str(pid) / "task").glob("*/schedstat"):
        try:
            text = file.read_text(encoding="ascii")
        except (FileNotFoundError, ProcessLookupError):  # ended in the meantime
            continue
        found += int(text.split()[1])
    return found
