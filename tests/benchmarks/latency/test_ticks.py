from __future__ import annotations

import select
import time
from collections.abc import Iterator

import pytest

from benchmarks.latency.ticks import Ticks

MILLISECOND = 1_000_000


@pytest.fixture
def ticks() -> Iterator[Ticks]:
    """The first in 20 ms, then one each millisecond."""
    made = Ticks(first=time.monotonic_ns() + 20 * MILLISECOND, interval=MILLISECOND)
    yield made
    made.close()


def test_it_ticks_from_the_first_on_as_often_as_time_has_passed(ticks: Ticks) -> None:
    assert ticks.passed() == 0
    seen = 0
    while seen < 40:
        select.select([ticks], [], [], 5)
        before = (time.monotonic_ns() - ticks.first) // MILLISECOND + 1
        seen += ticks.passed()
        after = (time.monotonic_ns() - ticks.first) // MILLISECOND + 1
        assert before <= seen <= after


def test_what_nobody_saw_is_counted(ticks: Ticks) -> None:
    select.select([ticks], [], [], 5)
    time.sleep(0.02)
    assert ticks.passed() >= 20


def test_an_impossible_clock_is_an_error() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        Ticks(first=-1, interval=MILLISECOND)
