"""Ketama, point for point as nginx builds it for `hash KEY consistent`."""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final
from zlib import crc32

from router.table import Endpoint

POINTS_PER_WEIGHT: Final = 160

_PART: Final = 22
"""The circle is searched in 1,024 parts of so many bits: in most of them is one point, or none."""


class Ring:
    """Points on a circle of 2**32, each owned by an endpoint name.

    `hashes` are ascending, `names` their owners. nginx hashes the name as it is written: `localhost:8101`
    and `127.0.0.1:8101` are two rings. Source: ngx_http_upstream_hash_module.c, which follows
    Cache::Memcached::Fast.
    """

    __slots__ = ("_starts", "hashes", "names")

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        owners: dict[int, str] = {}
        for endpoint in endpoints:
            for point in _points(endpoint):
                owners.setdefault(point, endpoint.name)
        self.hashes = sorted(owners)
        self.names = [owners[point] for point in self.hashes]
        self._starts = [bisect_left(self.hashes, part << _PART) for part in range((1 << 32 >> _PART) + 1)]

    def position(self, key: bytes) -> int:
        """The index of the first point that is not below the key's hash, around the end to the first."""
        hashed = crc32(key)
        part = hashed >> _PART
        position = bisect_left(self.hashes, hashed, self._starts[part], self._starts[part + 1])
        return position if position < len(self.hashes) else 0


def _points(endpoint: Endpoint) -> list[int]:
    if endpoint.name.startswith("unix:"):
        host, port = endpoint.name.removeprefix("unix:"), ""
    else:
        host, _, port = endpoint.name.rpartition(":")
    start = crc32(f"{host}\0{port}".encode())
    points = []
    previous = 0
    for _ in range(POINTS_PER_WEIGHT * endpoint.weight):
        previous = crc32(struct.pack("<I", previous), start)
        points.append(previous)
    return points
