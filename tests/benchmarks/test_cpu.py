from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from benchmarks.cpu import CpuTime, cpu_time, descendants, parse_stat

BURN = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass\n"

STAY = f"import sys\n{BURN}print('burnt', flush=True)\nsys.stdin.read()"
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {BURN!r}])
subprocess.run([sys.executable, "-c", {STAY!r}])
"""


@pytest.fixture
def family() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has burnt nothing itself: one child has ended, another one is alive, 0.2 s each."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdin is not None
    assert parent.stdout.readline() == b"burnt\n"
    yield parent
    parent.stdin.close()
    parent.stdout.close()
    parent.wait()


def test_a_tree_is_charged_for_living_and_for_ended_children(family: subprocess.Popen[bytes]) -> None:
    assert cpu_time(family.pid).total > 0.38


def test_ones_own_time_grows_with_what_one_does() -> None:
    before = cpu_time(os.getpid())
    exec(BURN)
    used = cpu_time(os.getpid()).since(before)
    assert 0.15 < used.total < 5


def test_nobody_has_no_time() -> None:
    with pytest.raises(ProcessLookupError, match="no process 0"):
        cpu_time(0)


def test_a_command_may_hold_anything() -> None:
    stat = parse_stat("12 (a) b (c) S 7 12 12 0 -1 4194560 1 2 3 4 100 200 30 40 20 0 1 0 99 0 0")
    tick = 1 / os.sysconf("SC_CLK_TCK")
    assert stat.parent == 7
    assert (stat.user, stat.system) == pytest.approx((130 * tick, 240 * tick))


@pytest.mark.parametrize(
    ("parents", "family"),
    [
        ({1: 0, 2: 1}, {1, 2}),
        ({1: 0, 5: 4, 4: 3, 3: 1}, {1, 3, 4, 5}),
        ({1: 0, 2: 0, 3: 2}, {1}),
    ],
)
def test_descendants(parents: dict[int, int], family: set[int]) -> None:
    assert descendants(1, parents) == family


def test_since_takes_each_part_by_itself() -> None:
    used = CpuTime(3.0, 2.0).since(CpuTime(1.0, 0.5))
    assert used == (2.0, 1.5)
    assert used.total == 3.5
