"""`python -m benchmarks.clients`: what the router adds to the latency that clients feel, by endpoint."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import machine, proxies
from benchmarks.clients import homeserver, report, samples
from benchmarks.reference import HOST, Ports, free_ports
from benchmarks.stage import up
from router.errors import RouterError
from router.local.deployment import Deployment
from router.local.layout import Layout
from router.local.processes import tethered

LOCUSTFILE = Path(__file__).parents[1] / "locustfile.py"
SHIPPED_TABLE = LOCUSTFILE.parents[1] / "routes.yaml"

WRITTEN = Path(".run/bench")
"""Where a run writes; what is on record changes only by `--output benchmarks/results`."""

KEPT = Path(".run/bench/deployment")
"""Where the real deployment lives; its database is kept, so that the next run starts in seconds."""

STAND_IN, REAL = "stand-ins that answer at once", "a real Synapse in seven processes"


class LocustFailed(Exception):
    """locust measured nothing."""


def main() -> int:
    """Exit status: 0; 1 where something could not be started or measured, 130 where it was stopped."""
    parser = argparse.ArgumentParser(prog="benchmarks.clients", description=__doc__)
    parser.add_argument("--real", action="store_true", help="before a real Synapse, brought up for it")
    parser.add_argument("--users", type=int, help="people and servers (36, before a real Synapse 9)")
    parser.add_argument("--seconds", type=float, default=60, help="of load (60)")
    parser.add_argument("--output", type=Path, default=WRITTEN)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    users = options.users or (9 if options.real else 36)
    try:
        found = run(real=options.real, users=users, seconds=options.seconds)
    except (RouterError, LocustFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; nothing of it is left running", file=sys.stderr)
        return 130
    print(report.as_markdown(found))
    write(found, options.output, real=options.real)
    return 0


def run(*, real: bool, users: int, seconds: float) -> report.Results:
    """Brings up what is asked, lets locust loose on it, and ends everything; raises LocustFailed."""
    with tempfile.TemporaryDirectory(prefix="router-clients-") as name:
        folder = Path(name)
        with before_synapse() if real else before_stand_ins(folder) as (url, table):
            say(f"{users} users for {seconds:g} s, behind the router {REAL if real else STAND_IN}")
            found = drive(folder, url=url, table=table, users=users, seconds=seconds)
    return report.Results(
        machine=machine.describe(),
        workers=REAL if real else STAND_IN,
        users=users,
        seconds=seconds,
        samples=found,
    )


@contextmanager
def before_stand_ins(folder: Path) -> Iterator[tuple[str, Path]]:
    """The router with the reference's rules before the stand-in: where it is, and its table."""
    ports, (port,) = Ports.free(), free_ports(1)
    ours = next(each for each in proxies.CONTENDERS if each.name == proxies.ROUTER)
    with up(homeserver.program(ports, folder), ours.make(folder, ports, port)):
        yield f"http://{HOST}:{port}", folder / "routes.yaml"


@contextmanager
def before_synapse() -> Iterator[tuple[str, Path]]:
    """The router with the shipped table before the whole deployment, on free ports."""
    layout = Layout.free(KEPT)
    say("bringing up PostgreSQL, Valkey and Synapse")
    with Deployment(layout, routes=SHIPPED_TABLE, durable=False):
        yield layout.base_url, layout.config / "routes.yaml"


def drive(folder: Path, *, url: str, table: Path, users: int, seconds: float) -> samples.Samples:
    """locust in a process of its own, which ends with this one; raises LocustFailed."""
    written, log = folder / "samples.json", folder / "locust.log"
    command = [
        *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary"),
        *("--host", url, "--users", str(users), "--spawn-rate", "20"),
        *("--run-time", f"{max(1, round(seconds))}s", "--stop-timeout", "2", "--exit-code-on-error", "0"),
        *("--table", str(table), "--samples", str(written), "--poll", str(min(10.0, seconds / 2))),
    ]
    with log.open("wb") as output:
        ended = subprocess.run(
            tethered(command, death_signal=signal.SIGKILL),
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=seconds + 60,
            check=False,
            process_group=0,
        )
    told = log.read_text(encoding="utf-8", errors="replace")
    if ended.returncode or not written.exists():
        raise LocustFailed(f"locust ended with {ended.returncode}: {told[-2000:]}")
    found = samples.read(written)
    if not samples.rows(found):
        raise LocustFailed(f"nothing was measured on both lanes: {dict(found.failures)} {told[-2000:]}")
    return found


def write(results: report.Results, folder: Path, *, real: bool) -> None:
    """As JSON and as Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    name = "clients-real" if real else "clients"
    (folder / f"{name}.json").write_text(report.as_json(results), encoding="utf-8")
    (folder / f"{name}.md").write_text(report.as_markdown(results), encoding="utf-8")
    say(f"written: {folder}/{name}.json and {name}.md")


def say(line: str) -> None:
    """Progress, beside the table."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
