"""The kills at length: `python -m tests.faults [--seconds 60]`; prints who lost what."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.faults import kills


def main() -> int:
    """Exit status 1 where a request was lost that must not be."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        losses = asyncio.run(kills.run(Path(folder), seconds))
    print("\n".join(losses.lines()))  # noqa: T201 - the result
    try:
        losses.require()
    except AssertionError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the result
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
