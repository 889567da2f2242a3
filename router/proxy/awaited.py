"""A request's body that is still to come: the 100 that it may be held back for, and how fast it must be."""

from __future__ import annotations

from enum import Enum

CONTINUE_AFTER = 1.0
"""Seconds that a worker has to ask for a body that is held back, before it is asked for here: curl's own."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Continue(Enum):
    """The 100 of a request with `Expect: 100-continue`: waited for, sent by this program, or neither."""

    OFF = "off"
    AWAITED = "awaited"
    SENT = "sent"


class AwaitedBody:
    """The rest of one request's body; made once it is waited for, or known to be held back for a 100."""

    __slots__ = ("_due", "_hundred")

    def __init__(self, *, held_back: bool) -> None:
        self._hundred = Continue.AWAITED if held_back else Continue.OFF
        self._due = 0.0

    @property
    def is_held_back(self) -> bool:
        """Whether the client sends nothing yet, for want of a 100."""
        return self._hundred is Continue.AWAITED

    def begin(self, now: float, pause: float) -> float:
        """From now on the client is waited for; tells for how many seconds, of `pause` at most.

        It has the time of one pause to go on, and to be fast enough; a worker that is to say whether it
        wants the body has `CONTINUE_AFTER`.
        """
        self._due = now + pause
        return min(CONTINUE_AFTER, pause) if self.is_held_back else pause

    def lags(self, size: int, now: float, *, rate: int, pause: float) -> bool:
        """Whether the body comes too slowly, that many bytes of it having come now.

        Each byte moves the time that is left, `pause` seconds at most, by what it takes at `rate` bytes a
        second: a trickle that never pauses for long enough cannot hold a worker. Who was not read from
        begins anew.
        """
        due = self._due + size / rate
        self._due = min(due, now + pause)
        return now > due

    def flows(self) -> None:
        """The body is sent, or asked for by the worker: no 100 is waited for."""
        if self.is_held_back:
            self._hundred = Continue.OFF

    def ask(self) -> None:
        """The client is sent a 100 from here."""
        self._hundred = Continue.SENT

    @property
    def is_asked_for(self) -> bool:
        """Whether the client has had a 100 from here, so that the worker's own is too much."""
        return self._hundred is Continue.SENT
