"""Clients that leave while they are not read: uvloop tells of a FIN only to who reads."""

from __future__ import annotations

import select
from typing import Protocol

LEFT = getattr(select, "POLLRDHUP", 0)
"""The peer has sent its FIN, whatever is unread before it; without such a flag only a reset shows."""


class Paused(Protocol):
    """A connection whose reading is paused."""

    def fileno(self) -> int:
        """The descriptor of its socket, -1 where it is closed."""

    def on_departure(self) -> None:
        """The peer has closed or reset the connection, or sends nothing more."""


class Departures:
    """All connections of a process that are paused now, looked at together in one system call."""

    __slots__ = ("_paused",)

    def __init__(self) -> None:
        self._paused: set[Paused] = set()

    def watch(self, connection: Paused) -> None:
        """Its reading is paused."""
        self._paused.add(connection)

    def forget(self, connection: Paused) -> None:
        """It is read again, or gone."""
        self._paused.discard(connection)

    def tick(self) -> None:
        """Tells those whose peer has left; called several times a second."""
        if not self._paused:
            return
        poll = select.poll()
        by_descriptor = {connection.fileno(): connection for connection in self._paused}
        by_descriptor.pop(-1, None)
        for descriptor in by_descriptor:
            poll.register(descriptor, LEFT)
        for descriptor, _ in poll.poll(0):
            self._paused.discard(by_descriptor[descriptor])
            by_descriptor[descriptor].on_departure()
