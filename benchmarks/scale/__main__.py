"""`python -m benchmarks.scale`: what a request costs with more client connections, and with more routes."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import load, machine
from benchmarks.scale import measure, report
from benchmarks.scale.contenders import CONTENDERS, room
from router.errors import RouterError
from router.server.process import raise_descriptor_limit

WRITTEN = Path(".run/bench")
"""Where a run writes; what is on record changes only by `--output benchmarks/results`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """How many rounds, and the seconds of each."""

    rounds: int
    round: float


FULL = Length(rounds=5, round=2)
QUICK = Length(rounds=1, round=1)


def main() -> int:
    """Exit status: 0, flat or not; 1 where something failed, 130 where it was stopped."""
    parser = argparse.ArgumentParser(prog="benchmarks.scale", description=__doc__)
    names = [series.name for series in measure.SERIES]
    parser.add_argument(
        "--quick", action="store_true", help="three quarters of a minute instead of four; rough"
    )
    parser.add_argument("--only", choices=names, help="what grows; both, if not said")
    parser.add_argument("--output", type=Path, help="where to write (quick and partial runs: nowhere)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    raise_descriptor_limit()
    series = [each for each in measure.SERIES if options.only in (None, each.name)]
    try:
        results = run(QUICK if options.quick else FULL, series)
    except (RouterError, load.LoadFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; nothing of it is left running", file=sys.stderr)
        return 130
    print(report.as_markdown(results))
    output = options.output or (None if options.quick or options.only else WRITTEN)
    if output is not None:
        write(results, output)
    return 0


def run(length: Length, series: Sequence[measure.Series] = measure.SERIES) -> report.Results:
    """Measures, with wrk, which has to be installed; raises LoadFailed."""
    contenders = [each for each in CONTENDERS if each.installed]
    missing = [f"{each.title}: {each.needs} is not installed" for each in CONTENDERS if not each.installed]
    samples: list[measure.Sample] = []
    for each in series:
        left_out = [size for size in each.sizes if size not in each.fitting()]
        missing += [f"{size:,} {each.name}: this machine allows a process {room():,}" for size in left_out]
        say(f"{each.name}: {len(contenders)} contenders, {len(each.fitting())} sizes, {length.rounds} rounds")
        with (
            tempfile.TemporaryDirectory(prefix="router-scale-") as name,
            measure.stage(each, contenders, Path(name)) as running,
        ):
            samples += measure.play(each, running, rounds=length.rounds, seconds=length.round, say=say)
    return report.Results(machine=machine.describe(), samples=samples, missing=missing)


def write(results: report.Results, folder: Path) -> None:
    """As JSON, as Markdown and as a plot."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scale.json").write_text(report.as_json(results), encoding="utf-8")
    (folder / "scale.md").write_text(report.as_markdown(results), encoding="utf-8")
    written = ["scale.json", "scale.md", *report.plot(results, folder)]
    say(f"written to {folder}: {', '.join(written)}")


def say(line: str) -> None:
    """Progress, beside the tables."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
