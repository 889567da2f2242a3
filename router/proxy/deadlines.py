"""Deadlines in coarse buckets, ticked by one timer per process: arming one costs no timer."""

from __future__ import annotations

import logging
import math
from typing import Protocol

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


class Deadlines:
    """All deadlines of a process.

    What is armed is filed under a tick not later than its due one, at most `HORIZON` ahead, and looked at
    again then: moving a deadline further away, as every piece of a body does, is one assignment.
    """

    __slots__ = ("_buckets", "_now")

    def __init__(self) -> None:
        self._now = 0
        self._buckets: dict[int, list[Timed]] = {}

    def arm(self, timed: Timed, seconds: float) -> None:
        """Sets, or moves, the deadline to that many seconds from now."""
        due = self._now + math.ceil(seconds / TICK) + 1
        timed.due = due
        if not timed.filed or due < timed.filed:
            self._file(timed)

    def disarm(self, timed: Timed) -> None:
        """Takes the deadline away."""
        timed.due = 0

    def tick(self) -> None:
        """Moves time on by one `TICK` and tells those whose time is up."""
        self._now += 1
        for timed in self._buckets.pop(self._now, ()):
            if timed.filed != self._now:
                continue
            timed.filed = 0
            if not timed.due:
                continue
            if timed.due > self._now:
                self._file(timed)
            else:
                timed.due = 0
                self._tell(timed)

    def _tell(self, timed: Timed) -> None:
        # Whoever fails must not take the rest of its bucket along: those would wait for ever.
        try:
            timed.on_deadline()
        except Exception:
            log.exception("a deadline could not be kept")

    def _file(self, timed: Timed) -> None:
        timed.filed = min(timed.due, self._now + HORIZON)
        self._buckets.setdefault(timed.filed, []).append(timed)
