"""Which of the router's Python functions a request spends its time in, in memory: what cProfile tells."""

from __future__ import annotations

import cProfile
import pstats
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks.inmemory import lane
from benchmarks.instructions import script
from benchmarks.instructions.calls import HOME

REPETITIONS = 300
TOP = 30
"""How many are shown."""


class Function(NamedTuple):
    """Calls per request, and the share in percent of its own time, without those that it calls."""

    name: str
    calls: float
    share: float


def take(repetitions: int = REPETITIONS) -> list[Function]:
    """Over all kinds of requests in turn, most first."""
    every = script.kinds()
    profiler = cProfile.Profile()
    with (
        tempfile.TemporaryDirectory(prefix="router-profile-") as folder,
        lane(script.configuration(Path(folder))) as opened,
    ):
        script.serve(opened, every, 20)
        profiler.enable()
        script.serve(opened, every, repetitions)
        profiler.disable()
    return summarise(pstats.Stats(profiler), repetitions * len(every))


def summarise(stats: pstats.Stats, requests: int) -> list[Function]:
    """The functions of the router and those of C by name."""
    raw: dict[tuple[str, int, str], tuple[int, int, float, float, object]] = stats.stats  # type: ignore[attr-defined]
    whole = sum(own for _primitive, _calls, own, _cumulative, _callers in raw.values()) or 1.0
    found = [
        Function(place(file, name), calls / requests, 100 * own / whole)
        for (file, _line, name), (_primitive, calls, own, _cumulative, _callers) in raw.items()
    ]
    return sorted(found, key=lambda each: -each.share)


def place(file: str, name: str) -> str:
    """A function by its file from the project's folder on; of C by what cProfile calls it."""
    if file == "~":
        return name.strip("<>").removeprefix("built-in method ").removeprefix("method ")
    return f"{file.removeprefix(HOME).lstrip('/')}:{name}"
