"""Deadlines: never early, at most a tick or two late, and nothing kept of what is gone."""

from __future__ import annotations

import gc
import logging
import math
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.proxy.deadlines import HORIZON, TICK, Deadlines


class Armed:
    """Notes at which tick its time was up."""

    def __init__(self) -> None:
        self.due = 0
        self.filed = 0
        self.told: list[int] = []
        self.now = 0

    def on_deadline(self) -> None:
        self.told.append(self.now)


class Faulty(Armed):
    def on_deadline(self) -> None:
        raise RuntimeError("a defect")


@given(st.lists(st.tuples(st.integers(0, 120), st.floats(0, 700)), min_size=1, max_size=6))
def test_only_the_last_word_counts(moves: list[tuple[int, float]]) -> None:
    """Waits some ticks, moves the deadline, and so on: told once, not early, and at most two ticks late."""
    deadlines, armed = Deadlines(), Armed()
    now = due = 0
    for wait, seconds in moves:
        for _ in range(wait):
            now += 1
            armed.now = now
            deadlines.tick()
        deadlines.arm(armed, seconds)
        due = now + math.ceil(seconds / TICK)
        armed.told.clear()
    while now <= due + 2:
        now += 1
        armed.now = now
        deadlines.tick()
    (told,) = armed.told
    assert due < told <= due + 2


def test_what_is_disarmed_is_never_told_and_soon_forgotten() -> None:
    deadlines, armed = Deadlines(), Armed()
    gone = weakref.ref(armed)
    deadlines.arm(armed, 600)
    deadlines.disarm(armed)
    del armed
    for _ in range(HORIZON + 1):
        deadlines.tick()
    gc.collect()
    assert gone() is None


def test_moving_a_deadline_files_it_once() -> None:
    deadlines, armed = Deadlines(), Armed()
    for _ in range(1000):
        deadlines.arm(armed, 60)
    assert sum(map(len, deadlines._buckets.values())) == 1


def test_one_that_fails_does_not_take_the_others_along(caplog: pytest.LogCaptureFixture) -> None:
    deadlines, armed = Deadlines(), Armed()
    deadlines.arm(Faulty(), 1)
    deadlines.arm(armed, 1)
    with caplog.at_level(logging.ERROR):
        for _ in range(6):
            deadlines.tick()
    assert len(armed.told) == 1
    assert "a defect" in caplog.text
