"""What pyperf has written, as numbers."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import NamedTuple

import pyperf


class Timed(NamedTuple):
    """Microseconds of CPU for one call: the median of all values, and half the width of their middle half."""

    median: float
    spread: float


def read(file: Path) -> dict[str, Timed]:
    """By case, of a file that pyperf has written."""
    suite = pyperf.BenchmarkSuite.load(str(file))
    return {each.get_name(): timed(each.get_values()) for each in suite.get_benchmarks()}


def timed(seconds: tuple[float, ...]) -> Timed:
    """Of the values of one case."""
    middle = median(seconds)
    return Timed(median=1e6 * middle, spread=1e6 * median(abs(each - middle) for each in seconds))
