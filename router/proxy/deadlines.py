"""Deadlines in coarse buckets, ticked by one timer per process: arming one costs no timer."""

from __future__ import annotations

import logging
import math
from typing import Protocol

from router.settings import Timeouts

log = logging.getLogger(__name__)

TICK = 0.25
"""Seconds between two ticks: a deadline may come that much late, never early."""

HORIZON = 32
"""Ticks ahead at the most that anything is filed, so that what has ended is let go within 8 s."""


class Timed(Protocol):
    """Something with at most one deadline at a time; both fields belong to `Deadlines` and start at 0."""

    due: int
    filed: int

    def on_deadline(self) -> None:
        """The time is up."""


def ticks_of(seconds: float) -> int:
    """How many ticks ahead a deadline is due that must not come before so many seconds have passed."""
    return math.ceil(seconds / TICK) + 1


class Ticks:
    """The limits that each request sets, in ticks as `ticks_of` counts them."""

    __slots__ = ("body", "first_byte", "head", "idle", "read", "send")

    def __init__(self, timeouts: Timeouts) -> None:
        self.body = ticks_of(timeouts.body)
        self.first_byte = ticks_of(timeouts.first_byte)
        self.head = ticks_of(timeouts.head)
        self.idle = ticks_of(timeouts.idle)
        self.read = ticks_of(timeouts.read)
        self.send = ticks_of(timeouts.send)


class Deadlines:
    """All deadlines of a process; `now` counts the ticks.

    What is armed is filed under a tick not later than its due one, at most `HORIZON` ahead, and looked at
    again then: moving a deadline further away, as every piece of a body does, is one assignment.
    """

    __slots__ = ("_buckets", "now")

    def __init__(self) -> None:
        self.now = 0
        self._buckets: dict[int, list[Timed]] = {}

    def arm(self, timed: Timed, seconds: float) -> None:
        """Sets, or moves, the deadline to that many seconds from now."""
        due = self.now + ticks_of(seconds)
        timed.due = due
        if not timed.filed or due < timed.filed:
            self.file(timed)

    def disarm(self, timed: Timed) -> None:
        """Takes the deadline away."""
        timed.due = 0

    def tick(self) -> None:
        """Moves time on by one `TICK` and tells those whose time is up."""
        self.now += 1
        for timed in self._buckets.pop(self.now, ()):
            if timed.filed != self.now:
                continue
            timed.filed = 0
            if not timed.due:
                continue
            if timed.due > self.now:
                self.file(timed)
            else:
                timed.due = 0
                self._tell(timed)

    def _tell(self, timed: Timed) -> None:
        # Whoever fails must not take the rest of its bucket along: those would wait for ever.
        try:
            timed.on_deadline()
        except Exception:
            log.exception("a deadline could not be kept")

    def file(self, timed: Timed) -> None:
        """Files it anew, under a tick that is not later than its `due` one."""
        timed.filed = min(timed.due, self.now + HORIZON)
        self._buckets.setdefault(timed.filed, []).append(timed)
