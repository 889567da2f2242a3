"""`make bench`: runs what can be run here, prints the tables, writes them to `.run/bench/`."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import load, machine, micro, profile, proxies, report, rounds
from benchmarks.reference import Ports
from router.config.loader import load_or_raise
from router.errors import RouterError
from router.settings import Config

FOLDER = Path(__file__).parent
SHIPPED_TABLE = FOLDER.parent / "routes.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """How long is measured: seconds, and how many rounds."""

    deciding: float
    parts: float
    rounds: int
    round: float
    profile: float


WRITTEN = Path(".run/bench")
"""Where a full run writes; what is on record changes only by `--output benchmarks/results`."""

FULL = Length(deciding=4, parts=10, rounds=7, round=3, profile=5)
QUICK = Length(deciding=1, parts=3, rounds=2, round=1, profile=2)


def main() -> int:
    """Exit status: 0, also where something is not installed; 1 where something failed."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half a minute instead of three; rough")
    parser.add_argument("--only", choices=("micro", "load"), help="one half of it")
    parser.add_argument("--output", type=Path, help="where to write (quick and partial runs: nowhere)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    length = QUICK if options.quick else FULL
    output = options.output or (None if options.quick or options.only else WRITTEN)
    try:
        with tempfile.TemporaryDirectory(prefix="router-bench-") as folder:
            results = run(length, Path(folder), options.only or "")
    except (RouterError, load.LoadFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; nothing of it is left running", file=sys.stderr)
        return 130
    print(report.as_markdown(results))
    if output is not None:
        write(results, output)
    return 0


def run(length: Length, folder: Path, only: str) -> report.Results:
    """Measures."""
    results = report.Results(machine=machine.describe())
    if only != "load":
        say("micro: deciding, and one request part by part")
        tables = {"shipped table": load_or_raise(SHIPPED_TABLE), "reference table": reference(folder)}
        for name, config in tables.items():
            results.deciding[name] = micro.deciding(config.table, seconds=length.deciding)
        results.parts.update(micro.parts(tables["reference table"], seconds=length.parts))
    if only != "micro":
        results = compare(length, folder, results)
    return results


def reference(folder: Path) -> Config:
    """The reference's rules, as the router is given them; its workers are nowhere."""
    file = folder / "reference.yaml"
    file.write_text(proxies.routes_yaml(folder, Ports.free(), port=8080), encoding="utf-8")
    return load_or_raise(file)


def compare(length: Length, folder: Path, results: report.Results) -> report.Results:
    """The contenders against each other, as far as they and wrk are installed."""
    results.missing.extend(
        f"{contender.title}: {contender.needs} is not installed"
        for contender in proxies.CONTENDERS
        if not contender.installed
    )
    if load.wrk() is None:
        results.missing.append("CPU per request and the profile: wrk is not installed")
        return results
    contenders = [contender for contender in proxies.CONTENDERS if contender.installed]
    sent = load.write_requests(folder)
    say(f"load: {len(contenders)} contenders, {length.rounds} rounds of {length.round:g} s, wrk with the mix")
    with rounds.arena(folder, contenders) as running:
        results.samples.extend(
            rounds.play(running, rounds=length.rounds, seconds=length.round, sent=sent, say=say)
        )
        say("profile: the router once more, sampled")
        ours = next(each for each in running if each.contender.name == proxies.ROUTER)
        taken = profile.take(ours, seconds=length.profile, sent=sent, folder=folder)
    return replace(results, profile=taken)


def write(results: report.Results, folder: Path) -> None:
    """As JSON and as Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.json").write_text(report.as_json(results), encoding="utf-8")
    (folder / "bench.md").write_text(report.as_markdown(results), encoding="utf-8")
    say(f"written: {folder}/bench.json and bench.md")


def say(line: str) -> None:
    """Progress, beside the tables."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
