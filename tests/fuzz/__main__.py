"""`python -m tests.fuzz [--seconds N] [--target NAME] [--seed N [--run N]]`: fuzz, each target so long."""

from __future__ import annotations

import argparse
import secrets
import sys

from tests.fuzz.engine import Defect, fuzz, run_once
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Exit status 1 after a defect, whose input and seed are printed; the other targets run all the same."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="for each target (60)")
    parser.add_argument("--target", choices=sorted(TARGETS), help="only this one")
    parser.add_argument("--seed", type=int, default=None, help="a number that was printed (a new one)")
    parser.add_argument("--run", type=int, default=None, help="only this input of that seed")
    arguments = parser.parse_args()
    seed = secrets.randbelow(2**32) if arguments.seed is None else arguments.seed
    failed = False
    for name in [arguments.target] if arguments.target else TARGETS:
        sys.stdout.write(f"{name}: seed {seed}\n")
        sys.stdout.flush()
        try:
            if arguments.run is None:
                runs = fuzz(TARGETS[name], seed=seed, seconds=arguments.seconds)
                sys.stdout.write(f"{name}: {runs} inputs, no defect\n")
            else:
                run_once(TARGETS[name], seed=seed, run=arguments.run)
        except Defect as defect:
            failed = True
            sys.stdout.write(f"{defect}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
