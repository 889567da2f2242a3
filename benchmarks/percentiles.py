"""Percentiles of a list of times, by nearest rank: each is a time that was measured."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

SHOWN = (50.0, 90.0, 99.0, 99.9)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest of the sorted values below or at which `share` percent of them are.

    Raises ValueError where there are none.
    """
    if not ordered:
        raise ValueError("nothing was measured, so that there is no percentile of it")
    return ordered[max(0, ceil(len(ordered) * share / 100) - 1)]


def percentiles(values: Sequence[float], shares: Sequence[float] = SHOWN) -> dict[str, float]:
    """Several at once, under names such as `p50` and `p99.9`."""
    ordered = sorted(values)
    return {f"p{share:g}": percentile(ordered, share) for share in shares}
