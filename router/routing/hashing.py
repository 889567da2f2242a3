"""The policies that hash: which endpoint an address or a key leads to, and where it goes on from there.

The order is what open nginx would choose next if those before were down: a hash is carried on up to
twenty times, then round robin orders the rest. Endpoints that are not up are left out.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from zlib import crc32

from router.memory import remember
from router.request import RequestHead
from router.routing.balancer import Balancer, Choice
from router.routing.key import ReadKey
from router.routing.peers import MOST_REMEMBERED, Peers
from router.routing.ring import Ring
from router.routing.view import EndpointView
from router.table import Endpoint, Upstream


class IpHash(Balancer):
    """nginx `ip_hash`: the /24 of an IPv4 client, all of an IPv6 one, nothing of a unix socket's."""

    __slots__ = ("_keys", "_peers", "_remembered")

    def __init__(self, upstream: Upstream) -> None:
        self._peers = Peers(upstream)
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
        value = 89
        while True:
            for octet in key:
                value = (value * 113 + octet) % 6271
            yield (self._peers.place(value),)


class Hash(Balancer):
    """nginx `hash KEY`: by the key's crc32, modulo the weights; without a key, round robin.

    Source: ngx_http_upstream_hash_module.c, which follows Cache::Memcached.
    """

    __slots__ = ("_key", "_peers")

    def __init__(self, upstream: Upstream, key: ReadKey) -> None:
        self._peers = Peers(upstream)
        self._key = key

    def choose(self, head: RequestHead, view: EndpointView) -> Choice:
        """Where the key leads, rehashed past what is down."""
        peers = self._peers
        up = peers.up(view)
        key = self._key(head)
        if not key:
            return peers.in_turn(view, up, b"")
        return peers.complete(view, up, peers.walk(up, self._path(key), stays=False), key)

    def _path(self, key: bytes) -> Iterator[tuple[int, ...]]:
        """The endpoint at each rehash, for ever."""
        value = crc32(key) >> 16 & 0x7FFF
        rehash = 0
        while True:
            yield (self._peers.place(value),)
            rehash += 1
            value += crc32(b"%d%b" % (rehash, key)) >> 16 & 0x7FFF


class ConsistentHash(Balancer):
    """nginx `hash KEY consistent`: around the ring from the key's point; without a key, round robin."""

    __slots__ = ("_key", "_owners", "_peers", "_remembered", "_ring")

    def __init__(self, upstream: Upstream, key: ReadKey) -> None:
        self._peers = Peers(upstream)
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


def hashed_octets(client: str) -> bytes:
    """What `ip_hash` hashes of a client address; nginx takes three zeros for one on a unix socket."""
    if not client:
        return b"\0\0\0"
    address = ipaddress.ip_address(client)
    return address.packed[:3] if address.version == 4 else address.packed
