"""Smooth weighted round robin's arithmetic, as ngx_http_upstream_get_peer has it.

A *rotation* is what it remembers of one upstream: the current weight of each endpoint, in the file's order,
and behind these the effective weight of each, where one is lowered: an endpoint that has failed comes to its
turn less often, until it has been passed by so many times. All are 0, and none is lowered, at first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Rotation = tuple[int, ...]


def take_turn(rotation: Rotation, weights: Sequence[int], among: Iterable[int]) -> tuple[int, Rotation]:
    """Whose turn it is among some endpoints (at least one, ascending), and the rotation after it."""
    current, effective = _parts(rotation, weights)
    best = -1
    total = 0
    for index in among:
        current[index] += effective[index]
        total += effective[index]
        if effective[index] < weights[index]:
            effective[index] += 1
        if best < 0 or current[index] > current[best]:
            best = index
    current[best] -= total
    return best, _joined(current, effective, weights)


def lowered(rotation: Rotation, weights: Sequence[int], index: int, *, max_fails: int) -> Rotation:
    """The rotation after one endpoint has failed once of `max_fails` times (above 0)."""
    current, effective = _parts(rotation, weights)
    effective[index] = max(effective[index] - weights[index] // max_fails, 0)
    return _joined(current, effective, weights)


def _parts(rotation: Rotation, weights: Sequence[int]) -> tuple[list[int], list[int]]:
    count = len(weights)
    return list(rotation[:count]), list(rotation[count:] or weights)


def _joined(current: list[int], effective: list[int], weights: Sequence[int]) -> Rotation:
    return tuple(current) if effective == list(weights) else (*current, *effective)
