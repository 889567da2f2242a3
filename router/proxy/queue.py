"""Requests that wait for an endpoint: because all are full (`max_requests`), or because none is up.

Each upstream has a queue of its own, in order of arrival. When a request ends, when an endpoint comes up,
and once a second, those who wait are given a turn, the longest-waiting of all queues first. Where a hash
decides, the endpoint that has room goes to the first of the next `LOOK_AHEAD` that it was meant for, so that
a user's requests stay together under load too; but nobody is passed over once it has waited for `PATIENCE`.
Waiting costs no task and no timer: the deadline is the one that the client's connection has anyway.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from typing import Protocol

LOOK_AHEAD = 16
"""How many of a queue are asked whether the endpoint that has room is the one they are meant for."""

PATIENCE = 1.0
"""Seconds that one may be passed over by others for whom the endpoint is the right one."""


class Waiter(Protocol):
    """A request that waits."""

    def prefers(self, endpoint: str) -> bool:
        """Whether that endpoint is the one that a hash chose for it."""

    def on_turn(self, freed: str) -> bool:
        """Leaves the queue and goes on, where an endpoint has room for it; else says that there is none.

        `freed` is the one endpoint of which something has changed; empty for any of them.
        """


class Queues:
    """All who wait in one process; `waiting` has each upstream's, by its name, with the time since when."""

    __slots__ = ("_again", "_clock", "_serving", "waiting")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._serving = False
        self._again = False
        self.waiting: dict[str, OrderedDict[Waiter, float]] = {}

    def length(self, upstream: str) -> int:
        """How many wait for the upstream."""
        return len(self.waiting.get(upstream, ()))

    def enter(self, upstream: str, waiter: Waiter) -> None:
        """The last in that queue."""
        self.waiting.setdefault(upstream, OrderedDict())[waiter] = self._clock()

    def leave(self, upstream: str, waiter: Waiter) -> None:
        """Waits no more, for whichever reason."""
        queue = self.waiting[upstream]
        del queue[waiter]
        if not queue:
            del self.waiting[upstream]

    def serve(self, freed: str = "") -> None:
        """Gives turns as long as somebody can go on; `freed` is the endpoint that has just become free."""
        if self._serving:
            self._again = True
            return
        self._serving = True
        try:
            self._serve(freed)
        finally:
            self._serving = False

    def _serve(self, freed: str) -> None:
        stuck: set[str] = set()
        while True:
            if self._again:
                self._again = False
                stuck.clear()
            first = min(
                (
                    (next(iter(queue.values())), name)
                    for name, queue in self.waiting.items()
                    if name not in stuck
                ),
                default=None,
            )
            if first is None:
                return
            since, name = first
            if not self._choose(self.waiting[name], since, freed).on_turn(freed):
                stuck.add(name)

    def _choose(self, queue: OrderedDict[Waiter, float], since: float, freed: str) -> Waiter:
        if freed and self._clock() - since < PATIENCE:
            for waiter in islice(queue, LOOK_AHEAD):
                if waiter.prefers(freed):
                    return waiter
        return next(iter(queue))
