"""`make run`: brings up the real deployment and the router, proves that they work, and watches them."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from router.errors import LocalError
from router.local.deployment import Deployment, Step
from router.local.layout import Layout
from router.local.processes import describe_exit
from router.local.proof import prove
from router.local.welcome import PASSWORD, USERS, shown, welcome

WATCH = 0.5
"""Seconds between two looks at the processes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs until it is interrupted; exit code 0 then, 1 if the deployment can't come up."""
    options = _options().parse_args(arguments)
    # Terminals and service managers end programs in three ways; all mean the same here.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    layout = Layout.free(options.folder) if options.free_ports else Layout.standard(options.folder)
    deployment = Deployment(layout, routes=options.routes)
    try:
        _bring_up(deployment)
        print(f"\n{welcome(layout, python=shown(Path(sys.executable)))}\n", flush=True)
        _watch(deployment)
    except LocalError as error:
        print(f"\n{error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        _end(deployment)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m router.local", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".run"), help="configuration, data and logs")
    parser.add_argument("-c", "--routes", type=Path, default=Path("routes.yaml"), help="the router's table")
    parser.add_argument(
        "--free-ports", action="store_true", help="any free ports, not those that routes.yaml names"
    )
    return parser


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _bring_up(deployment: Deployment) -> None:
    began = time.monotonic()

    def show() -> None:
        proof = asyncio.run(prove(deployment.layout.base_url, names=USERS, password=PASSWORD))
        print(f"{proof.requests} requests, /sync woken in {proof.woken_after * 1000:.0f} ms  ", end="")

    steps = [*deployment.steps(), Step(title="proof: two users, a room, a message, /sync", run=show)]
    for number, step in enumerate(steps, start=1):
        print(f"[{number}/{len(steps)}] {step.title:<46}", end="", flush=True)
        with _timed():
            step.run()
    print(f"{'':6}{'all of it':<46}{'':4}{time.monotonic() - began:5.1f}s")


@contextmanager
def _timed() -> Iterator[None]:
    started = time.monotonic()
    try:
        yield
    except LocalError:
        print("failed", flush=True)
        raise
    print(f"ok  {time.monotonic() - started:5.1f}s", flush=True)


def _watch(deployment: Deployment) -> NoReturn:
    """Tells of each process that ends; the rest goes on, which is what the router is for."""
    told: set[str] = set()
    while True:
        for name, process in deployment.processes.items():
            code = process.exit_code
            if code is not None and name not in told:
                told.add(name)
                print(f"{process.failure(describe_exit(code))}\n  The rest goes on.", flush=True)
        time.sleep(WATCH)


def _end(deployment: Deployment) -> None:
    """Ends everything; impatience has no say, since whatever is left dies with this process."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if deployment.processes:
        print("\nStopping …", end=" ", flush=True)
    deployment.stop()
    if deployment.processes:
        print("nothing is left running.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
