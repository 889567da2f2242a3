"""`make bench`: runs what can be run here, prints the tables, writes them and the plots to `.run/bench/`."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import load, machine, plots, proxies, report, rounds
from benchmarks.polls import waiting
from benchmarks.reference import Ports
from benchmarks.scenarios import MAIN, SCENARIOS, SMALL, Scenario
from router.errors import RouterError
from router.server.process import raise_descriptor_limit

WRITTEN = Path(".run/bench")
"""Where a full run writes; what is on record changes only by `--output benchmarks/results`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """How long is measured: seconds, and how many rounds; `everyone` says that no contender is left out."""

    rounds: int
    round: float
    everyone: bool


FULL = Length(rounds=5, round=2, everyone=True)
QUICK = Length(rounds=1, round=1, everyone=False)


def main() -> int:
    """Exit status: 0, also where something is not installed; 1 where something failed."""
    options = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    raise_descriptor_limit()
    length = QUICK if options.quick else FULL
    length = replace(length, rounds=options.rounds or length.rounds)
    output = options.output or (None if options.quick or options.only else WRITTEN)
    names = options.only or [each.name for each in SCENARIOS]
    results = report.Results(machine=machine.describe())
    try:
        failed = run(length, names, results)
    except KeyboardInterrupt:
        print("stopped; nothing of it is left running", file=sys.stderr)
        return 130
    print(report.as_markdown(results))
    if output is not None:
        write(results, output)
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    names = [each.name for each in SCENARIOS]
    parser.add_argument("--quick", action="store_true", help="a minute instead of eleven; rough")
    parser.add_argument("--only", nargs="+", choices=names, metavar="SCENARIO", help=", ".join(names))
    parser.add_argument("--rounds", type=int, help="of each scenario, twice as many of small JSON")
    parser.add_argument("--output", type=Path, help="where to write (quick and partial runs: nowhere)")
    return parser.parse_args()


def run(length: Length, names: list[str], results: report.Results) -> bool:
    """Measures, and keeps it in `results`; whether a scenario failed, which is then said there."""
    contenders = [each for each in proxies.CONTENDERS if each.installed]
    results.missing.extend(
        f"{each.title}: {each.needs} is not installed" for each in proxies.CONTENDERS if not each.installed
    )
    if load.wrk() is None:
        results.missing.append("whatever needs a client: wrk is not installed")
        return False
    failed = False
    for scenario in SCENARIOS:
        if scenario.name in names:
            try:
                results.samples[scenario.name] = compare(scenario, length, contenders)
            except (load.LoadFailed, RouterError) as error:
                failed = True
                say(f"{scenario.name} failed: {error}")
                results.missing.append(f"{scenario.title}: {str(error).partition(chr(10))[0]}")
    return failed


def compare(scenario: Scenario, length: Length, installed: list[proxies.Contender]) -> list[rounds.Sample]:
    """The contenders against each other in one scenario; raises LoadFailed where one did not do it."""
    names = scenario.contenders if length.everyone or scenario is SMALL else MAIN
    contenders = [each for each in installed if each.name in names]
    number, ports = length.rounds * scenario.weight, Ports.free()
    say(f"{scenario.name}: {len(contenders)} contenders, {number} rounds of {length.round:g} s")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="router-bench-")))
        running = stack.enter_context(
            rounds.arena(folder, contenders, ports=ports, tls=scenario.tls, sockets=scenario.sockets)
        )
        if scenario.polls:
            stack.enter_context(waiting(running, ports, scenario.polls))
        return rounds.play(
            running,
            rounds=number,
            seconds=length.round,
            sent=load.write_requests(folder, scenario.requests()),
            say=say,
            connections=scenario.connections,
            warm=length.everyone,
        )


def write(results: report.Results, folder: Path) -> None:
    """As JSON, as Markdown and as plots."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.json").write_text(report.as_json(results), encoding="utf-8")
    (folder / "bench.md").write_text(report.as_markdown(results), encoding="utf-8")
    written = ["bench.json", "bench.md", *plots.write(results.measured(), folder)]
    say(f"written to {folder}: {', '.join(written)}")


def say(line: str) -> None:
    """Progress, beside the tables."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
