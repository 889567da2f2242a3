"""`python -m tests.conformance`: more requests, other seeds, one shape."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.conformance.comparison import SHAPES, compare


def say(*lines: str) -> None:
    """On standard output."""
    sys.stdout.write("\n  ".join(lines) + "\n")


def main() -> int:
    """Prints the figures of each shape, and its disagreements; 1 where there are any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=5000, help="for each shape")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shape", help="one of them alone")
    arguments = parser.parse_args()
    failed = 0
    for shape in [arguments.shape] if arguments.shape else sorted(each.name for each in SHAPES.iterdir()):
        with tempfile.TemporaryDirectory() as folder:
            tally = compare(shape, Path(folder), count=arguments.requests, seed=arguments.seed)
        refused = sum(tally.refused.values())
        say(f"{shape:<20} {tally.compared:>7,} requests, {refused} refused on purpose", *tally.disagreements)
        failed += len(tally.disagreements)
    say(f"{failed} disagreements")
    return 1 if failed else 0


sys.exit(main())
