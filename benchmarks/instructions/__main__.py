"""`python -m benchmarks.instructions`: instructions per request, held against the count on record.

Exit status: 0; 1 where a count is off by more than 5 %, or could not be taken. A build of Python, or a lock,
that nothing is recorded for is only reported; `--record` keeps its counts, in results/instructions.json.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.inmemory import lane
from benchmarks.instructions import callgrind, record, script
from benchmarks.instructions.build import Build, this_build
from benchmarks.instructions.calls import calls
from benchmarks.instructions.record import TOLERANCE, Change, Record
from benchmarks.report import table

MOST = 30
"""How many functions are shown."""


def main() -> int:
    """Counts, tells, and compares or records."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.instructions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--record", action="store_true", help="keep this count; says by how much it is another"
    )
    parser.add_argument("--functions", action="store_true", help="also which C functions they go to")
    parser.add_argument("--calls", action="store_true", help="only which functions are called, and how often")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        # Not TMPDIR: names of another length move memory, and the count with it.
        with tempfile.TemporaryDirectory(prefix="router-count-", dir="/tmp") as folder:
            if options.calls:
                print(calls_table(Path(folder)))
                return 0
            counted = callgrind.count(Path(folder))
    except callgrind.CountFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; nothing of it is left running", file=sys.stderr)
        return 130
    if options.functions:
        print(functions_table(counted.functions), end="\n\n")
    return judge(this_build(), counted.per_request, keep=options.record)


def judge(build: Build, counted: dict[str, int], *, keep: bool, file: Path = record.KEPT) -> int:
    """Prints the counts beside those of the same build; the exit status."""
    records = record.load(file)
    known = record.find(records, build)
    changes = record.compare(known.per_request if known else {}, counted)
    print(build, end="\n\n")
    print(changes_table(changes), end="\n\n")
    if keep:
        today = datetime.now(UTC).date().isoformat()
        record.save(record.renewed(records, Record(build=build, taken=today, per_request=counted)), file)
        print(f"recorded in {file.name}")
        return 0
    if known is None:
        print("nothing is recorded for this build and lock: --record keeps these counts")
        return 0
    far = [each.kind for each in changes if not each.is_near]
    if far:
        print(f"off by more than {TOLERANCE:.0%}: {', '.join(far)}")
        print("if that is meant, --record keeps the new counts; --functions and --calls show what is called")
        return 1
    print(f"within {TOLERANCE:.0%} of the counts of {known.taken}")
    return 0


def changes_table(changes: Iterable[Change]) -> str:
    """Each kind: counted, on record, and by how much they differ."""
    lines = [
        (
            each.kind,
            *("" if number is None else f"{number:,}" for number in (each.now, each.before)),
            "" if each.share is None else f"{100 * each.share:+.1f} %",
        )
        for each in changes
    ]
    return table(("request", "instructions", "on record", "change"), lines)


def functions_table(functions: list[callgrind.Spent]) -> str:
    """Where the instructions of all kinds in turn went: each function's own."""
    whole = sum(each.instructions for each in functions) or 1
    lines = [
        (f"{each.function[:80]} [{each.shared_object}]", f"{100 * each.instructions / whole:.1f}")
        for each in functions[:MOST]
    ]
    return table(("function", "%"), lines)


def calls_table(folder: Path) -> str:
    """How often each function is called, the mean of all kinds; functions of C once for each caller."""
    every = script.kinds()
    with lane(script.configuration(folder)) as opened:
        found = calls(opened, every)
    lines = [(name, f"{number / len(every):.2f}") for name, number in found.most_common()]
    return table(("called by one request, the mean of all kinds", "times"), lines)


if __name__ == "__main__":
    sys.exit(main())
