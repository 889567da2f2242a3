"""`python -m benchmarks.micro`: CPU time of single calls, by pyperf; its own options are all here.

About two minutes, half of that with `--fast`. Each case runs in processes of its own, since the layout of
memory and the seed of hashes differ from process to process. pyperf's file goes to .run/bench/micro.json
(`python -m pyperf compare_to` holds two of them against each other), the table to standard output.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from time import process_time

import pyperf

from benchmarks.micro import deciding, parts
from benchmarks.micro.cases import Case
from benchmarks.micro.results import Timed, read
from benchmarks.report import table
from router.modules import VARIABLE

WRITTEN = Path(".run/bench/micro.json")

PROCESSES, VALUES, SHORTEST = 3, 7, 0.02
"""Processes for a case, besides one that finds out how often to call; values of each; seconds of a value."""

CASES = (*parts.cases(), *deciding.cases())


def time_of(case: Case) -> Callable[[int], float]:
    """What pyperf calls: seconds of CPU that so many calls take."""
    make = cache(case.make)

    def taken(loops: int) -> float:
        call, turns = make(), range(loops)
        start = process_time()
        for _ in turns:
            call()
        return process_time() - start

    return taken


def main() -> int:
    """Exit status: 0, or 130 where it was stopped."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    runner = pyperf.Runner(
        processes=PROCESSES,
        values=VALUES,
        min_time=SHORTEST,
        program_args=("-m", "benchmarks.micro"),
        add_cmdline_args=lambda command, options: command.extend(("--only", options.only)),
    )
    runner.argparser.add_argument("--only", default="", help="cases with that in their name")
    options = runner.parse_args()
    options.quiet = True
    if options.fast and not options.worker:
        options.processes, options.values = 1, 3
    options.inherit_environ = [*(options.inherit_environ or ()), VARIABLE]
    is_worker = options.worker
    if not options.output and not is_worker:
        WRITTEN.parent.mkdir(parents=True, exist_ok=True)
        WRITTEN.unlink(missing_ok=True)
        options.output = str(WRITTEN)
    try:
        for case in (each for each in CASES if options.only in each.name):
            runner.bench_time_func(case.name, time_of(case), inner_loops=case.number)
    except KeyboardInterrupt:
        print("stopped; nothing of it is left running", file=sys.stderr)
        return 130
    if not is_worker:
        print(timed_table(read(Path(options.output))))
    return 0


def timed_table(figures: dict[str, Timed]) -> str:
    """One line for each case."""
    lines = [(name, f"{each.median:.2f}", f"{each.spread:.2f}") for name, each in figures.items()]
    return table(("", "µs", "±"), lines)


if __name__ == "__main__":
    sys.exit(main())
