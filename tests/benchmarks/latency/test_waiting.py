from __future__ import annotations

import os
import subprocess
import sys

import pytest

from benchmarks.latency.waiting import waited

SPIN = "import time\nend = time.monotonic() + 0.4\nwhile time.monotonic() < end: pass"


def test_who_shares_a_core_waits_for_it() -> None:
    both = f"import os, subprocess, sys\nos.sched_setaffinity(0, {{{min(os.sched_getaffinity(0))}}})\n"
    both += f"for each in [subprocess.Popen([sys.executable, '-c', {SPIN!r}]) for _ in 'ab']: each.wait()\n"
    both += "print(flush=True)\ninput()"
    # the spinners have ended, and what they waited has gone with them: it is asked for while they run
    with subprocess.Popen(
        [sys.executable, "-c", both], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as shared:
        assert shared.stdout is not None
        most = 0.0
        while (found := waited(shared.pid)) >= most and shared.poll() is None:
            most = found
        shared.communicate(b"\n")
    assert most > 100_000


def test_ones_own_waits_never_shrink() -> None:
    before = waited()
    assert waited() >= before >= 0


def test_nobody_is_said() -> None:
    with pytest.raises(ProcessLookupError, match="no process 4194305"):
        waited(2**22 + 1)
