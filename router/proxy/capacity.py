"""How many connections clients may hold, in all and of one address; and who makes room when there is none.

In all: where the limit is reached, the idle connection that has waited longest is closed, as nginx does
when its connections run short; where none is idle, the new one is turned away with 503. Of one address
(of IPv6 a /64, since a host has as many as it likes): the new one is turned away with 429. Who is turned
away gets an answer once it has sent something, as long as few are; the others are reset.
"""

from __future__ import annotations

import heapq
import socket
from collections.abc import Callable, Collection
from typing import Protocol

from router.errors import DownstreamError, TooManyConnections, TooManyFromClient
from router.settings import Limits

RESERVE = 256
"""Descriptors for what is no client's: listeners, admin, log, DNS, health checks, who is turned away."""

MOST_TURNED_AWAY = 64
"""Connections that are held at once only to tell their clients that there are too many."""

AT_ONCE = 64
"""Idle connections that one search finds, so that not every new connection searches through all."""

SEARCH_AGAIN = 1.0
"""Seconds before another search, where the last one found nobody idle."""

IDLE = "idle"
"""The word for a connection that was closed to make room."""


class Connection(Protocol):
    """A client's connection; `due` is the tick of its deadline, 0 where it has none."""

    due: int

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way or begun."""

    def make_room(self) -> None:
        """Ends the connection now if it is idle."""


def most_connections(descriptors: int) -> int:
    """How many clients that many descriptors are enough for: one each, and one to a worker."""
    return max(1, (descriptors - min(RESERVE, descriptors // 4)) // 2)


class Capacity:
    """The connections of a process's clients.

    `connections` and `per_client` are the limits; `closed` counts those that were closed or turned away,
    by reason. `turned_away` has who is about to be told, and why; None for those that were.
    """

    __slots__ = (
        "_by_client",
        "_clock",
        "_idle",
        "_open",
        "_search_at",
        "closed",
        "connections",
        "per_client",
        "turned_away",
    )

    def __init__(self, limits: Limits, *, descriptors: int, clock: Callable[[], float]) -> None:
        self.connections = limits.connections or most_connections(descriptors)
        self.per_client = limits.connections_per_client or max(1, self.connections * 3 // 4)
        self.closed = dict.fromkeys((IDLE, TooManyConnections.reason, TooManyFromClient.reason), 0)
        self.turned_away: dict[Connection, type[DownstreamError] | None] = {}
        self._clock = clock
        self._open: list[Collection[Connection]] = []
        self._by_client: dict[str | bytes, int] = {}
        self._idle: list[tuple[int, Connection]] = []
        self._search_at = 0.0

    def count(self, connections: Collection[Connection]) -> None:
        """From now on, these are counted: each listener has its own."""
        self._open.append(connections)

    @property
    def used(self) -> int:
        """Connections that are served, and not only told that there are too many."""
        return sum(map(len, self._open)) - len(self.turned_away)

    def admit(self, connection: Connection, client: str) -> type[DownstreamError] | None:
        """Takes a new connection in, or says why not.

        `client` is the peer's address; empty for who may hold any number, as a trusted proxy.
        """
        refused: type[DownstreamError] | None = None
        key = group_of(client) if client else ""
        if client and self._by_client.get(key, 0) >= self.per_client:
            refused = TooManyFromClient
        elif self.used > self.connections and not self._make_room():
            refused = TooManyConnections
        if refused is not None:
            self.closed[refused.reason] += 1
            self.turned_away[connection] = refused
        elif client:
            self._by_client[key] = self._by_client.get(key, 0) + 1
        return refused

    @property
    def is_crowded(self) -> bool:
        """Whether no more of those that are turned away can be told."""
        return len(self.turned_away) > MOST_TURNED_AWAY

    def leave(self, connection: Connection, client: str) -> None:
        """The connection is gone; `client` is what `admit` was told."""
        if connection in self.turned_away:
            del self.turned_away[connection]
            return
        if client:
            key = group_of(client)
            left = self._by_client.pop(key, 1) - 1
            if left:
                self._by_client[key] = left

    def has_room(self) -> bool:
        """Whether one more may begin its handshake; makes room where there is none."""
        return self.used < self.connections or self._make_room()

    def has_room_to_ask(self) -> bool:
        """Whether one more may say who it is, if only to be told that there are too many."""
        return self.used < self.connections + MOST_TURNED_AWAY or self._make_room()

    def _make_room(self) -> bool:
        if self._close_idle():
            return True
        now = self._clock()
        if now < self._search_at:
            return False
        self._idle = self._longest_idle()
        if self._close_idle():
            return True
        self._search_at = now + SEARCH_AGAIN
        return False

    def _close_idle(self) -> bool:
        while self._idle:
            due, connection = self._idle.pop()
            if connection.is_idle and connection.due == due:
                self.closed[IDLE] += 1
                connection.make_room()
                return True
        return False

    def _longest_idle(self) -> list[tuple[int, Connection]]:
        """Those whose time is up first; the very first last."""
        idle = ((each.due, each) for opened in self._open for each in opened if each.due and each.is_idle)
        return heapq.nsmallest(AT_ONCE, idle, key=lambda found: found[0])[::-1]


def group_of(client: str) -> str | bytes:
    """Who counts as one: an IPv4 address, the first 64 bits of an IPv6 one."""
    if ":" not in client:
        return client
    packed = socket.inet_pton(socket.AF_INET6, client.partition("%")[0])
    if packed.startswith(b"\0" * 10 + b"\xff\xff"):
        return socket.inet_ntop(socket.AF_INET, packed[12:])
    return packed[:8]
