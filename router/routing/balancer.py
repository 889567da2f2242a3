"""One class for each policy: which endpoints of an upstream to try for a request, in which order.

The order is what open nginx would choose next if those before were down: a hash is carried on up to
twenty times, then round robin orders the rest. Endpoints that are not up are left out.
"""

from __future__ import annotations

import ipaddress
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Final

from router.memory import remember
from router.request import RequestHead
from router.routing import key as keys
from router.routing.ring import Ring
from router.routing.view import EndpointView
from router.table import Endpoint, PolicyKind, Upstream

Choice = tuple[tuple[Endpoint, ...], bytes, tuple[int, ...] | None]
"""The candidates, the key that was hashed, and round robin's next weights if it chose the first one."""

Turn = tuple[tuple[Endpoint, ...], tuple[int, ...] | None]
"""The candidates in round robin's order, and its weights after the first of them."""

MOST_TRIES: Final = 20
"""How often nginx rehashes before it falls back to round robin."""

MOST_REMEMBERED = 4096
"""Entries of one memory; a full one is emptied, since anything in it is quickly found again."""


class Balancer(ABC):
    """Orders the endpoints of one upstream."""

    __slots__ = ()

    @abstractmethod
    def choose(self, head: RequestHead, view: EndpointView) -> Choice:
        """Pure: the same head and view give the same choice."""


def balancer_for(upstream: Upstream) -> Balancer:
    """The balancer that the upstream's policy asks for."""
    if len(upstream.endpoints) == 1:
        return Single(upstream)
    if upstream.policy.kind is PolicyKind.IP_HASH:
        return IpHash(upstream)
    if upstream.policy.keys:
        return ConsistentHash(upstream, keys.reader(upstream.policy.keys[0]))
    return RoundRobin(upstream)


class Single(Balancer):
    """One endpoint: nothing to choose, and nginx neither hashes nor rotates, nor counts what fails."""

    __slots__ = ("_endpoint", "_up")

    def __init__(self, upstream: Upstream) -> None:
        self._endpoint = upstream.endpoints[0]
        self._up: Choice = (upstream.endpoints, b"", None)

    def choose(self, head: RequestHead, view: EndpointView) -> Choice:  # noqa: ARG002 -- the protocol's
        """The endpoint, unless its health checks say that it is down."""
        return self._up if view.passes_checks(self._endpoint) else ((), b"", None)


class RoundRobin(Balancer):
    """Smooth weighted round robin, its current weights read from the view."""

    __slots__ = ("_peers",)

    def __init__(self, upstream: Upstream) -> None:
        self._peers = _Peers(upstream)

    def choose(self, head: RequestHead, view: EndpointView) -> Choice:  # noqa: ARG002 -- the protocol's
        """Whose turn it is, then whose it would be without that one, and so on."""
        return self._peers.in_turn(view, self._peers.up(view), b"")


class IpHash(Balancer):
    """nginx `ip_hash`: the /24 of an IPv4 client, all of an IPv6 one, nothing of a unix socket's."""

    __slots__ = ("_keys", "_peers", "_remembered")

    def __init__(self, upstream: Upstream) -> None:
        self._peers = _Peers(upstream)
        self._keys: dict[str, bytes] = {}
        self._remembered: dict[tuple[bytes, int], tuple[Endpoint, ...]] = {}

    def choose(self, head: RequestHead, view: EndpointView) -> Choice:
        """Where the address leads, rehashed past what is down; raises ValueError for what is no address."""
        peers = self._peers
        up = peers.up(view)
        key = self._keys.get(head.client)
        if key is None:
            key = remember(self._keys, head.client, hashed_octets(head.client), MOST_REMEMBERED)
        candidates = self._remembered.get((key, up))
        if candidates is None:
            walked = peers.walk(up, self._path(key), stays=False)
            candidates = remember(self._remembered, (key, up), walked, MOST_REMEMBERED)
        return peers.complete(view, up, candidates, key)

    def _path(self, key: bytes) -> Iterator[tuple[int, ...]]:
        """The endpoint at each rehash, for ever."""
        weights = self._peers.weights
        total = sum(weights)
        value = 89
        while True:
            for octet in key:
                value = (value * 113 + octet) % 6271
            left = value % total
            index = 0
            while left >= weights[index]:
                left -= weights[index]
                index += 1
            yield (index,)


class ConsistentHash(Balancer):
    """nginx `hash KEY consistent`: around the ring from the key's point; without a key, round robin."""

    __slots__ = ("_key", "_owners", "_peers", "_remembered", "_ring")

    def __init__(self, upstream: Upstream, key: keys.ReadKey) -> None:
        self._peers = _Peers(upstream)
        self._key = key
        self._ring = Ring(upstream.endpoints)
        self._owners = {
            name: tuple(index for index, each in enumerate(upstream.endpoints) if each.name == name)
            for name in self._ring.names
        }
        self._remembered: dict[tuple[int, int], tuple[Endpoint, ...]] = {}

    def choose(self, head: RequestHead, view: EndpointView) -> Choice:
        """The owner of the key's point, then the owners of the points after it."""
        peers = self._peers
        up = peers.up(view)
        key = self._key(head)
        if not key:
            return peers.in_turn(view, up, b"")
        position = self._ring.position(key)
        candidates = self._remembered.get((position, up))
        if candidates is None:
            walked = peers.walk(up, self._path(position), stays=True)
            candidates = remember(self._remembered, (position, up), walked, MOST_REMEMBERED)
        return peers.complete(view, up, candidates, key)

    def _path(self, position: int) -> Iterator[tuple[int, ...]]:
        """Who owns each point from that one on, for ever; several where endpoints share a name."""
        names = self._ring.names
        while True:
            yield self._owners[names[position % len(names)]]
            position += 1


class _Peers:
    """The endpoints of one upstream, and the steps that the policies share.

    A set of endpoints is an integer with one bit for each, the first endpoint's the lowest.
    """

    __slots__ = ("_all", "_bits", "_endpoints", "_turns", "_upstream", "weights")

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._endpoints = upstream.endpoints
        self._bits = tuple((endpoint, 1 << index) for index, endpoint in enumerate(upstream.endpoints))
        self._all = (1 << len(self._bits)) - 1
        self.weights = tuple(endpoint.weight for endpoint in upstream.endpoints)
        self._turns: dict[tuple[tuple[int, ...], int], Turn] = {}

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
        """Round robin over some of the endpoints."""
        current = view.rotation(self._upstream)
        turn = self._turns.get((current, among))
        if turn is None:
            turn = remember(self._turns, (current, among), self._order(current, among), MOST_REMEMBERED)
        return turn[0], key, turn[1]

    def walk(self, up: int, path: Iterator[tuple[int, ...]], *, stays: bool) -> tuple[Endpoint, ...]:
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

    def _order(self, current: tuple[int, ...], among: int) -> Turn:
        candidates: list[Endpoint] = []
        rotation: tuple[int, ...] | None = None
        weights = list(current)
        left = [index for index in range(len(weights)) if among >> index & 1]
        while left:
            best = left[0]
            for index in left:
                weights[index] += self.weights[index]
                if weights[index] > weights[best]:
                    best = index
            weights[best] -= sum(self.weights[index] for index in left)
            candidates.append(self._endpoints[best])
            left.remove(best)
            rotation = tuple(weights) if rotation is None else rotation
        return tuple(candidates), rotation


def hashed_octets(client: str) -> bytes:
    """What `ip_hash` hashes of a client address; nginx takes three zeros for one on a unix socket."""
    if not client:
        return b"\0\0\0"
    address = ipaddress.ip_address(client)
    return address.packed[:3] if address.version == 4 else address.packed
