"""The endpoints of one upstream, and the steps that the policies share.

A set of endpoints is an integer with one bit for each, the first endpoint's the lowest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from router.memory import remember
from router.routing.balancer import Choice
from router.routing.rotation import Rotation, take_turn
from router.routing.view import EndpointView
from router.table import Endpoint, Upstream

Turn = tuple[tuple[Endpoint, ...], Rotation | None]
"""The candidates in round robin's order, and the rotation after the first of them."""

MOST_TRIES: Final = 20
"""How often nginx rehashes before it falls back to round robin."""

MOST_REMEMBERED = 4096
"""Entries of one memory; a full one is emptied, since anything in it is quickly found again."""


class Peers:
    """The endpoints of one upstream; one that the file says is `down` keeps its place and is never up."""

    __slots__ = ("_all", "_backups", "_bits", "_endpoints", "_turns", "_upstream", "weights")

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._endpoints = upstream.endpoints
        self._bits = tuple((each, 1 << at) for at, each in enumerate(upstream.endpoints) if not each.down)
        self._all = sum(bit for _, bit in self._bits)
        self._backups = sum(bit for endpoint, bit in self._bits if endpoint.backup)
        self.weights = tuple(endpoint.weight for endpoint in upstream.endpoints)
        self._turns: dict[tuple[Rotation, int], Turn] = {}

    def up(self, view: EndpointView) -> int:
        """The endpoints that are up."""
        if view.all_up():
            return self._all
        up = 0
        for endpoint, bit in self._bits:
            if view.is_up(endpoint):
                up |= bit
        return up

    def in_turn(self, view: EndpointView, among: int, key: bytes) -> Choice:
        """Round robin over some of the endpoints, backups behind all others."""
        rotation = view.rotation(self._upstream)
        turn = self._turns.get((rotation, among))
        if turn is None:
            turn = remember(self._turns, (rotation, among), self._order(rotation, among), MOST_REMEMBERED)
        return turn[0], key, turn[1]

    def by_load(self, view: EndpointView, among: int) -> Choice:
        """Fewest requests for their weight first, equal ones by round robin, backups behind all others."""
        weights = self.weights
        loads = [view.in_flight(endpoint) for endpoint in self._endpoints]
        rotation = before = view.rotation(self._upstream)
        first: Rotation | None = None
        candidates: list[Endpoint] = []
        for group in self._groups(among):
            left = group
            while left:
                best = left[0]
                for index in left:
                    if loads[index] * weights[best] < loads[best] * weights[index]:
                        best = index
                equal = [each for each in left if loads[each] * weights[best] == loads[best] * weights[each]]
                if len(equal) > 1:
                    best, rotation = take_turn(rotation, weights, equal)
                if not candidates and rotation != before:
                    first = rotation
                candidates.append(self._endpoints[best])
                left.remove(best)
        return tuple(candidates), b"", first

    def walk(self, up: int, path: Iterator[Sequence[int]], *, stays: bool) -> tuple[Endpoint, ...]:
        """The endpoints that a hash comes to, in that order, until nginx would stop rehashing.

        `stays`: whether nginx, asked for another one, first tries the place again where it found the last.
        """
        candidates: list[Endpoint] = []
        tries = 0
        for indexes in path:
            found = [index for index in indexes if up >> index & 1]
            for index in found:
                candidates.append(self._endpoints[index])
                up &= ~(1 << index)
            if stays or not found:
                tries += 1
            if not up or tries > MOST_TRIES:
                break
        return tuple(candidates)

    def complete(self, view: EndpointView, up: int, hashed: tuple[Endpoint, ...], key: bytes) -> Choice:
        """The hashed candidates, with round robin's order of those that the hash did not come to."""
        if len(hashed) == len(self._endpoints) or len(hashed) == up.bit_count():
            return hashed, key, None
        left = up
        for endpoint, bit in self._bits:
            if any(endpoint is each for each in hashed):
                left &= ~bit
        rest, _, rotation = self.in_turn(view, left, key)
        return hashed + rest, key, None if hashed else rotation

    def place(self, value: int) -> int:
        """The endpoint that a hash's value leads to, by its index: modulo the sum of all weights."""
        left = value % sum(self.weights)
        index = 0
        while left >= self.weights[index]:
            left -= self.weights[index]
            index += 1
        return index

    def _groups(self, among: int) -> tuple[list[int], list[int]]:
        """The indexes of some endpoints: of those that are no backups, and of the backups."""
        chosen = [index for index in range(len(self.weights)) if among >> index & 1]
        return (
            [index for index in chosen if not self._backups >> index & 1],
            [index for index in chosen if self._backups >> index & 1],
        )

    def _order(self, rotation: Rotation, among: int) -> Turn:
        candidates: list[Endpoint] = []
        first: Rotation | None = None
        for group in self._groups(among):
            left = group
            while left:
                best, rotation = take_turn(rotation, self.weights, left)
                candidates.append(self._endpoints[best])
                left.remove(best)
                first = rotation if first is None else first
        return tuple(candidates), first
