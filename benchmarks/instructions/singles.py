"""The program that calls each of `benchmarks.micro`'s cases under callgrind.

Run as `python -m benchmarks.instructions.singles`: it marks before and after each case as `script.py` does,
so that every second count is one of calls and those between are of their making.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Sequence

from benchmarks.micro import deciding, parts
from benchmarks.micro.cases import Case

CASES: tuple[Case, ...] = (*parts.cases(), *deciding.cases())

REPETITIONS = 64
"""As many as lines of the access log are written at once."""


def play(cases: Sequence[Case], mark: Callable[[], object]) -> None:
    """Each case: made, called until the interpreter has settled, then called between two marks."""
    turns = range(REPETITIONS)
    for case in cases:
        call = case.make()
        for _ in turns:
            call()
        gc.collect()
        gc.freeze()
        gc.disable()
        mark()
        for _ in turns:
            call()
        mark()
        gc.enable()


if __name__ == "__main__":
    play(CASES, os.ctermid)
