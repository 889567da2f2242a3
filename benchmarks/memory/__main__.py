"""`python -m benchmarks.memory`: how much memory grows under slow readers, idle clients and long polls."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from pathlib import Path

import uvloop

from benchmarks import machine
from benchmarks.memory import clients
from benchmarks.memory.contenders import CONTENDERS, Contender, stand_in
from benchmarks.memory.report import as_markdown
from benchmarks.memory.scenarios import SCENARIOS, Scenario, grown
from benchmarks.reference import free_ports
from router.errors import RouterError
from router.local.processes import Process, stop_all, wait_until_ready
from router.server.process import raise_descriptor_limit

WRITTEN = Path(".run/bench")
"""Where a run writes; what is on record changes only by `--output benchmarks/results`."""

Figures = dict[str, dict[str, float | None]]
"""By scenario, then by contender; None for one that did not do it."""


def main() -> int:
    """Exit status: 0; 1 where something could not be started, 130 where it was stopped."""
    parser = argparse.ArgumentParser(prog="benchmarks.memory", description=__doc__)
    parser.add_argument("--only", action="append", choices=[each.name for each in CONTENDERS])
    parser.add_argument("--scenario", action="append", choices=[each.name for each in SCENARIOS])
    parser.add_argument("--output", type=Path, default=WRITTEN)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    raise_descriptor_limit()
    contenders = [each for each in CONTENDERS if not options.only or each.name in options.only]
    scenarios = [each for each in SCENARIOS if not options.scenario or each.name in options.scenario]
    try:
        figures = measure(contenders, scenarios)
    except RouterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; nothing of it is left running", file=sys.stderr)
        return 130
    told = machine.describe()
    text = as_markdown(figures, told)
    print(text)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "memory.md").write_text(text, encoding="utf-8")
    record = {"machine": told, "figures": figures}
    (options.output / "memory.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(contenders: list[Contender], scenarios: list[Scenario]) -> Figures:
    """Each scenario with each contender, started anew: memory that was freed is not always given back."""
    figures: Figures = {}
    for scenario in scenarios:
        row = figures[scenario.name] = {}
        for contender in contenders:
            if not contender.installed:
                print(f"{contender.title} is not installed and left out", file=sys.stderr)
                continue
            with tempfile.TemporaryDirectory(prefix="router-memory-") as folder:
                row[contender.name] = _one(contender, scenario, Path(folder))
            said = (
                "failed" if row[contender.name] is None else f"{row[contender.name]:.1f} {scenario.measure}"
            )
            print(f"  {scenario.title}: {contender.title}: {said}", file=sys.stderr)
    return figures


def _one(contender: Contender, scenario: Scenario, folder: Path) -> float | None:
    port, worker_port = free_ports(2)
    processes = [Process(stand_in(folder, worker_port)), Process(contender.make(folder, port, worker_port))]
    door = clients.Door(port=port, tls=contender.tls)
    try:
        for process in processes:
            process.start()
            wait_until_ready([process], patience=20)
        pid = processes[1].pid
        if pid is None:
            raise RuntimeError(f"{contender.name} does not run")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(grown(scenario, pid=pid, door=door, worker=worker_port))
    except clients.Failed as error:
        print(f"  {contender.title}: {error}", file=sys.stderr)
        return None
    finally:
        stop_all(reversed(processes), patience=5)


if __name__ == "__main__":
    sys.exit(main())
