"""What an instruction count belongs to: a build of Python, a lock, and whether hot modules are compiled."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shlex
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from router.modules import running

LOCK = Path(__file__).parents[2] / "requirements.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Where all of it is equal, so are the instructions of a request.

    `options` are those of Python's `configure` that are no folders, `optimisation` the compiler's last `-O`,
    `modules` says whether the router's hot modules are pure or compiled, `lock` is the beginning of the
    SHA-256 of requirements.lock.
    """

    python: str
    compiler: str
    options: str
    optimisation: str
    machine: str
    libc: str
    modules: str
    lock: str

    def __str__(self) -> str:
        return ", ".join(
            (
                f"{self.python} ({self.compiler} {self.optimisation}, {self.options or 'no options'})",
                f"{self.machine} {self.libc}",
                f"{self.modules} modules",
                f"lock {self.lock}",
            )
        )

    def succeeds(self, other: Build) -> bool:
        """Whether only the lock is another, so that a count of this one takes the place of the other's."""
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__ if name != "lock")


def this_build(lock: Path = LOCK) -> Build:
    """Of the Python that runs now."""
    return Build(
        python=f"{sys.implementation.name} {platform.python_version()}",
        compiler=platform.python_compiler(),
        options=configured(sysconfig.get_config_var("CONFIG_ARGS") or ""),
        optimisation=optimised(sysconfig.get_config_var("PY_CFLAGS") or ""),
        machine=platform.machine(),
        libc=os.confstr("CS_GNU_LIBC_VERSION") or "unknown",
        modules=running().modules,
        lock=hashlib.sha256(lock.read_bytes()).hexdigest()[:16],
    )


def configured(arguments: str) -> str:
    """The switches in Python's `configure` line, without folders and the caller's own flags."""
    switches = re.compile(r"--(enable|disable|with|without)-[^/]*")
    return " ".join(sorted(each for each in shlex.split(arguments) if switches.fullmatch(each)))


def optimised(flags: str) -> str:
    """The `-O` that counts: the last one."""
    return next(reversed(re.findall(r"(?<!\S)-O\w*", flags)), "-O0")
