"""Tells when a process that is not our child is gone, without asking again and again."""

from __future__ import annotations

import os
import select


class Watch:
    """Watches one process from now on; pidfd_open(2) is readable when it has ended."""

    def __init__(self, pid: int) -> None:
        self._descriptor = os.pidfd_open(pid)

    def gone(self, within: float = 10.0) -> bool:
        readable, _, _ = select.select([self._descriptor], [], [], within)
        return bool(readable)

    def close(self) -> None:
        os.close(self._descriptor)
