"""`python -m tests.fuzz`: fuzzes every target for so long, or tries one input again."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from pathlib import Path

from router.modules import PURE, VARIABLE, running
from tests.fuzz import campaign, inputs
from tests.fuzz.targets import TARGETS


def say(text: str) -> None:
    """Prints at once, so that a long run shows how it goes."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Exit status 1 after a defect, whose input is printed and written down; the other targets go on."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="for each target (60)")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="targets at a time (one for each core)"
    )
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), help="only this one, or these")
    parser.add_argument("--seed", type=int, default=None, help="a number that was printed (a new one)")
    parser.add_argument("--input", type=Path, help="try only this file, with one --target")
    parser.add_argument(
        "--minimise", action="store_true", help="make the kept corpus anew of all inputs known here"
    )
    arguments = parser.parse_args()
    names = arguments.target or list(TARGETS)
    if arguments.input is not None:
        outcome = campaign.again(TARGETS[names[0]], arguments.input.read_bytes())
        say(campaign.line(outcome))
        return 1 if outcome.defect else 0
    if arguments.minimise and running().modules != PURE:
        parser.error(f"what an input reaches is seen in pure modules alone: {VARIABLE}={PURE}")
    if arguments.minimise:
        for name in names:
            had, has = inputs.minimise(TARGETS[name])
            say(f"{name}: {had} inputs known, {has} kept")
        return 0
    seed = secrets.randbelow(2**31) if arguments.seed is None else arguments.seed
    left_out = [words for name in names if (words := campaign.missing(TARGETS[name]))]
    say(
        "\n".join(
            (
                f"seed {seed}, {'by coverage' if campaign.GUIDED else 'blindly: atheris is not installed'}",
                *left_out,
            )
        )
    )
    outcomes = campaign.run(
        [TARGETS[name] for name in names if not campaign.missing(TARGETS[name])],
        seconds=arguments.seconds,
        seed=seed,
        jobs=arguments.jobs,
        say=say,
    )
    failed = any(outcome.defect for outcome in outcomes) or (left_out and os.environ.get("CI") == "true")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
