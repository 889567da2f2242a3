"""`python -m benchmarks.latency`: how much later answers come through the router, at half of saturation."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks import load, machine, proxies
from benchmarks.latency import measure, report
from router.errors import RouterError

WRITTEN = Path(".run/bench")
"""Where a run writes; what is on record changes only by `--output benchmarks/results`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """How long is measured: turns and rounds, and the seconds of each."""

    turns: int
    turn: float
    rounds: int
    round: float


FULL = Length(turns=3, turn=3, rounds=27, round=1)
QUICK = Length(turns=1, turn=1, rounds=3, round=1)


def main() -> int:
    """Exit status: 0, met or missed; 1 where something failed, 130 where it was stopped."""
    parser = argparse.ArgumentParser(prog="benchmarks.latency", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a quarter of a minute instead of two; rough")
    parser.add_argument("--rate", type=float, help="requests a second, instead of half of saturation")
    parser.add_argument("--output", type=Path, help="where to write (a quick run: nowhere)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        results = run(QUICK if options.quick else FULL, rate=options.rate)
    except (RouterError, load.LoadFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; nothing of it is left running", file=sys.stderr)
        return 130
    print(report.as_markdown(results))
    output = options.output or (None if options.quick else WRITTEN)
    if output is not None:
        write(results, output)
    return 0


def run(length: Length, *, rate: float | None = None) -> report.Results:
    """Measures; without a rate half of what wrk finds, which has to be installed. Raises LoadFailed."""
    missing = [
        f"{each.title}: {each.needs} is not installed"
        for each in proxies.CONTENDERS
        if each.name == proxies.TUNED and not each.installed
    ]
    with tempfile.TemporaryDirectory(prefix="router-latency-") as name:
        folder = Path(name)
        with measure.lanes(folder) as lanes:
            found = None
            if rate is None:
                ours = next(lane for lane in lanes if lane.name == proxies.ROUTER)
                found = measure.saturation(
                    ours, turns=length.turns, seconds=length.turn, folder=folder, say=say
                )
            rate = found / 2 if found is not None else rate
            assert rate is not None
            samples = measure.play(lanes, rate=rate, rounds=length.rounds, seconds=length.round, say=say)
    return report.Results(
        machine=machine.describe(),
        saturation=found,
        rate=rate,
        lanes=report.titled(lanes),
        samples=samples,
        missing=missing,
    )


def write(results: report.Results, folder: Path) -> None:
    """As JSON and as Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "latency.json").write_text(report.as_json(results), encoding="utf-8")
    (folder / "latency.md").write_text(report.as_markdown(results), encoding="utf-8")
    say(f"written: {folder}/latency.json and latency.md")


def say(line: str) -> None:
    """Progress, beside the table."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
