"""One child process: started with its log, waited for, ended; it never outlives whoever started it."""

from __future__ import annotations

import importlib.util
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from router.errors import LocalError, ProcessFailed
from router.local import tether

LOG_LINES = 15
"""How much of a log is shown when its process fails."""

PAUSE = 0.03
"""Seconds between two looks at a process that is waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run, and how to tell that it is ready.

    `user` is (uid, gid) to become, for root only. `death_signal` is what the kernel sends when the parent is
    gone: SIGKILL, unless the program has something to bring into order.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    pid_file: Path
    ready: Callable[[], bool]
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    user: tuple[int, int] | None = None


def tethered(
    command: Iterable[str], *, death_signal: signal.Signals, user: tuple[int, int] | None = None
) -> list[str]:
    """The command as one that dies with this process.

    The kernel counts the death of the *thread* that starts it: use one that stays, such as the main thread.
    """
    identity = "-" if user is None else f"{user[0]}:{user[1]}"
    program = [sys.executable, "-I", "-S", tether.__file__]
    return [*program, str(int(death_signal)), str(os.getpid()), identity, *command]


def package_folder(package: str) -> Path:
    """Where a wheel put a package of which only files are used; raises LocalError if it is missing."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise LocalError(f"the package {package} is not installed: `make setup` installs it")
    return Path(spec.origin).parent


class Process:
    """The live side of a program: at most one child at a time."""

    __slots__ = ("_child", "program")

    def __init__(self, program: Program) -> None:
        self.program = program
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """The program's name."""
        return self.program.name

    @property
    def pid(self) -> int | None:
        """The process id, while there is a child that nobody has ended."""
        return None if self._child is None else self._child.pid

    @property
    def exit_code(self) -> int | None:
        """The code with which the child ended by itself (negative: by that signal); None while it runs."""
        return None if self._child is None else self._child.poll()

    @property
    def running(self) -> bool:
        """Whether there is a child and it has not ended."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Starts the child in a process group of its own, so that Ctrl-C reaches only its parent.

        The log of the run before stays beside the new one, as NAME.log.1.
        """
        if self.running:
            raise ProcessFailed(f"{self.name} runs already, as pid {self.pid}")
        program = self.program
        if program.log.exists():
            program.log.replace(program.log.with_name(program.log.name + ".1"))
        command = tethered(program.command, death_signal=program.death_signal, user=program.user)
        with program.log.open("wb") as log:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=program.log.parent,
                process_group=0,
            )
        program.pid_file.write_text(f"{self._child.pid}\n", encoding="ascii")

    def send(self, number: signal.Signals) -> None:
        """Sends the signal to the child and what it started in its group; nothing if it has ended."""
        if self._child is not None and self._child.poll() is None:
            os.killpg(self._child.pid, number)

    def kill(self) -> None:
        """Ends the child at once, without a chance to say goodbye, and waits until it is gone."""
        self.send(signal.SIGKILL)
        self._reap()

    def stop(self, *, patience: float = 10.0) -> None:
        """Asks the child to end and waits; kills it after `patience` seconds."""
        stop_all([self], patience=patience)

    def wait(self, *, until: float) -> bool:
        """Waits for the child's end until that time of `time.monotonic`; says whether it has ended."""
        if self._child is None:
            return True
        try:
            self._child.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        self._reap()
        return True

    def _reap(self) -> None:
        if self._child is not None:
            self._child.wait()
            self._child = None
        self.program.pid_file.unlink(missing_ok=True)

    def log_end(self) -> str:
        """The last lines of the log, indented."""
        try:
            lines = self.program.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            lines = []
        return "\n".join(f"    {line}" for line in lines[-LOG_LINES:] or ["(nothing)"])

    def failure(self, what: str) -> ProcessFailed:
        """The error for what happened, with the end of the log and the command that runs it alone."""
        return ProcessFailed(
            f"{self.name} {what}. The end of {self.program.log}:\n{self.log_end()}\n"
            f"  It alone: {shlex.join(self.program.command)}"
        )


def wait_until_ready(
    processes: Iterable[Process],
    *,
    ready: Callable[[Process], bool] = lambda process: process.program.ready(),
    patience: float = 120.0,
) -> None:
    """Waits `patience` seconds for all of them; raises ProcessFailed for the first that ends or is late."""
    waiting = list(processes)
    deadline = time.monotonic() + patience
    while waiting:
        for process in waiting:
            if process.exit_code is not None:
                raise process.failure(describe_exit(process.exit_code))
        waiting = [process for process in waiting if not ready(process)]
        if waiting and time.monotonic() > deadline:
            raise waiting[0].failure(f"was not ready after {patience:g} s")
        if waiting:
            time.sleep(PAUSE)


def describe_exit(code: int) -> str:
    """What an exit code, as `subprocess` gives it, says."""
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def stop_all(processes: Iterable[Process], *, patience: float = 10.0) -> None:
    """Asks all to end at the same time, waits, and kills those that are left after `patience` seconds."""
    running = list(processes)
    for process in running:
        process.send(process.program.stop_signal)
    deadline = time.monotonic() + patience
    for process in running:
        if not process.wait(until=deadline):
            process.kill()
