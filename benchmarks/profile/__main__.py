"""`python -m benchmarks.profile`: what a request costs and where. Four minutes; half of that with `--fast`.

Prints the sections of docs/performance.md. `--record`, which is `make profile`, writes them into the page,
and what they were made of to benchmarks/results/performance.json.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import load, machine
from benchmarks.instructions import callgrind
from benchmarks.instructions.build import this_build
from benchmarks.micro.results import Timed, read
from benchmarks.profile import functions, live
from benchmarks.profile.page import PAGE, PageError, renewed, sections
from benchmarks.profile.record import RECORD, Profile, save, shares
from router.errors import RouterError
from router.local.processes import tethered

SECONDS = 4.0
"""Under load, for each of the three looks at it."""


def main() -> int:
    """Exit status: 0, also where something is not installed; 1 where something failed, 130 where stopped."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.profile", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fast", action="store_true", help="rough times of single calls")
    parser.add_argument("--record", action="store_true", help="renews docs/performance.md and its record")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        # Not TMPDIR: names of another length move memory, and instruction counts with it.
        with tempfile.TemporaryDirectory(prefix="router-profile-", dir="/tmp") as folder:
            profile = measure(Path(folder), fast=options.fast)
        found = sections(profile)
        if options.record:
            save(profile, RECORD)
            PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")
            say(f"written: {RECORD.name} and {PAGE.name}")
    except (
        RouterError,
        PageError,
        load.LoadFailed,
        callgrind.CountFailed,
        subprocess.SubprocessError,
    ) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; nothing of it is left running", file=sys.stderr)
        return 130
    if not options.record:
        print("\n\n".join(f"## {name}\n\n{text}" for name, text in found.items()))
    return 0


def measure(folder: Path, *, fast: bool) -> Profile:
    """Everything; raises CountFailed, LoadFailed, or CalledProcessError where pyperf fails."""
    missing: dict[str, str] = {}
    told = {**machine.describe(), "build": str(this_build())}
    say("under load, over real sockets")
    driven = None
    if load.wrk() is None:
        missing["load"] = missing["system calls"] = missing["samples"] = "wrk is not installed"
    else:
        driven = live.take(SECONDS)
        missing |= {"samples": driven.sampled.note} if driven.sampled.note else {}
        missing |= {"system calls": driven.untraced} if driven.untraced else {}
    say("functions of Python, in memory")
    own = functions.take()[: functions.TOP]
    counted = callgrind.Counted({}, [])
    singles: dict[str, int] = {}
    if callgrind.installed():
        say("instructions of requests, in memory")
        counted = callgrind.count(made(folder / "requests"))
        say("instructions of single calls")
        singles = callgrind.count_singles(made(folder / "singles"))
    else:
        missing["instructions"] = "valgrind is not installed"
    say("times of single calls")
    return Profile(
        machine=told,
        kinds=counted.per_request,
        times=times(folder / "micro.json", fast=fast),
        instructions=singles,
        live=driven,
        counted=shares(counted.functions),
        functions=own,
        missing=missing,
    )


def times(file: Path, *, fast: bool) -> dict[str, Timed]:
    """Of single calls, by `benchmarks.micro`; raises CalledProcessError."""
    command = [sys.executable, "-m", "benchmarks.micro", "--output", str(file), *(["--fast"] if fast else [])]
    subprocess.run(
        tethered(command, death_signal=signal.SIGTERM), stdout=subprocess.DEVNULL, check=True, timeout=900
    )
    return read(file)


def made(folder: Path) -> Path:
    """The folder, which is new."""
    folder.mkdir()
    return folder


def say(line: str) -> None:
    """Progress, beside the tables."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
