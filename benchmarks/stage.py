"""Programs that are needed together: each started once the one before is ready, ended whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from router.local.processes import Process, Program, stop_all, wait_until_ready

PATIENCE = 60.0
"""Seconds for each to be ready."""


@contextmanager
def up(*programs: Program) -> Iterator[list[Process]]:
    """All of them, ready, in their order; raises ProcessFailed for the first that does not become so."""
    processes = [Process(program) for program in programs]
    try:
        for process in processes:
            process.start()
            wait_until_ready([process], patience=PATIENCE)
        yield processes
    finally:
        stop_all(reversed(processes), patience=5)


def pid_of(process: Process) -> int:
    """The process id; raises RuntimeError where it does not run."""
    if process.pid is None:
        raise RuntimeError(f"{process.name} does not run")
    return process.pid
