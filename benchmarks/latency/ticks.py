"""A clock of the kernel that ticks at a constant rate, to the microsecond, and counts what nobody saw.

Event loops have timers of whole milliseconds; a timerfd (timerfd_create(2)) is a descriptor like any other.
Python has it from 3.13 on, so libc is asked.
"""

from __future__ import annotations

import ctypes
import os
from typing import ClassVar

_MONOTONIC = 1
_ABSOLUTE = 1


class _Time(ctypes.Structure):
    """struct timespec."""

    _fields_: ClassVar = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


class _Setting(ctypes.Structure):
    """struct itimerspec."""

    _fields_: ClassVar = [("interval", _Time), ("first", _Time)]


class Ticks:
    """Becomes readable at each tick. `first` is a time of `time.monotonic_ns`; both are nanoseconds.

    Raises OSError where the kernel gives no timer.
    """

    __slots__ = ("first", "interval", "number")

    def __init__(self, *, first: int, interval: int) -> None:
        self.first = first
        self.interval = interval
        libc = ctypes.CDLL(None, use_errno=True)
        self.number: int = _checked(libc.timerfd_create(_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC))
        setting = _Setting(_Time(*divmod(interval, 10**9)), _Time(*divmod(first, 10**9)))
        _checked(libc.timerfd_settime(self.number, _ABSOLUTE, ctypes.byref(setting), None))

    def fileno(self) -> int:
        """For an event loop."""
        return self.number

    def passed(self) -> int:
        """Ticks since this was last asked."""
        try:
            return int.from_bytes(os.read(self.number, 8), "little")
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """No tick after this."""
        os.close(self.number)


def _checked(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
