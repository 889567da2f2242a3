"""Runs the script under valgrind's callgrind, and reads what it counted between two marks."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import benchmarks
import router
from benchmarks.instructions import singles
from benchmarks.instructions.script import ALL, MARK, REPETITIONS, kinds
from router.local.processes import tethered
from router.modules import VARIABLE, running

PATIENCE = 300
"""Seconds; it takes about half a minute, of which most is Python's start."""

TUNABLES = "glibc.cpu.hwcaps=-AVX2,-AVX512VL,-AVX512BW,-ERMS,-FSRM,-AVX_Fast_Unaligned_Load"
"""Functions such as memcpy are chosen by processor; without these features by every x86 processor alike."""


class CountFailed(Exception):
    """valgrind is missing, or the script failed under it."""


def installed() -> bool:
    """Whether anything can be counted here."""
    return shutil.which("valgrind") is not None


class Spent(NamedTuple):
    """Instructions that a C function has taken itself, and the shared object that it is in."""

    instructions: int
    function: str
    shared_object: str


class Counted(NamedTuple):
    """Instructions per request by kind, `ALL` at the end, and where those of `ALL` went, most first."""

    per_request: dict[str, int]
    functions: list[Spent]


def count(folder: Path) -> Counted:
    """Counts the script's instructions, in a folder for its files; raises CountFailed."""
    dumps = run(program("script", folder), folder)[1:-1]
    every = kinds()
    if len(dumps) != len(every) + 1:
        raise CountFailed(f"{len(dumps)} counts instead of {len(every) + 1}")
    counts = {
        kind.name: round(total(dump) / REPETITIONS) for kind, dump in zip(every, dumps[:-1], strict=True)
    }
    counts[ALL] = round(total(dumps[-1]) / REPETITIONS / len(every))
    return Counted(counts, functions(dumps[-1].read_text(encoding="utf-8", errors="replace").splitlines()))


def count_singles(folder: Path) -> dict[str, int]:
    """Counts the instructions of the single calls in `benchmarks.micro`, by name; raises CountFailed."""
    dumps = run(program("singles", folder), folder)[1::2]
    cases = singles.CASES
    if len(dumps) != len(cases):
        raise CountFailed(f"{len(dumps)} counts instead of {len(cases)}")
    return {
        case.name: round(total(dump) / singles.REPETITIONS / case.number)
        for case, dump in zip(cases, dumps, strict=True)
    }


def program(name: str, folder: Path) -> list[str]:
    """One of the programs to be counted, which puts its files into the folder."""
    return [python(folder), "-P", "-m", f"benchmarks.instructions.{name}", str(folder)]


def run(command: Sequence[str], folder: Path) -> list[Path]:
    """The files of its counts: before the first mark, from each to the next, behind the last.

    The program ends with this one. Raises CountFailed.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise CountFailed("valgrind is not installed (apt-get install valgrind)")
    dumps = folder / "callgrind"
    wrapped = [
        *(valgrind, "--tool=callgrind", f"--callgrind-out-file={dumps}", f"--dump-before={MARK}"),
        *("--compress-strings=no", "--compress-pos=no", *command),
    ]
    ended = subprocess.run(
        tethered(wrapped, death_signal=signal.SIGKILL),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(folder),
        cwd=folder,
        timeout=PATIENCE,
        check=False,
        process_group=0,
    )
    if ended.returncode:
        raise CountFailed(
            f"valgrind ended with {ended.returncode}: {ended.stdout.decode(errors='replace')[-800:]}"
        )
    found = sorted(folder.glob(f"{dumps.name}.*"), key=lambda file: int(file.suffix[1:]))
    return [*found, dumps]


def environment(folder: Path) -> dict[str, str]:
    """The same for everybody, and names of the same length for where the code is.

    What a process inherits and what its files are called moves its memory, and with it what its hash tables
    do: 0.2 % between two checkouts.
    """
    homes = dict.fromkeys(Path(each.__path__[0]).parent for each in (router, benchmarks))
    links = [linked(folder / f"home{number}", home) for number, home in enumerate(homes)]
    return {
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join(map(str, links)),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        VARIABLE: running().modules,
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "GLIBC_TUNABLES": TUNABLES,
    }


def python(folder: Path) -> str:
    """This interpreter, in a virtual environment by a name in the folder."""
    if sys.prefix == sys.base_prefix:
        return sys.executable
    return str(linked(folder / "python", Path(sys.prefix)) / "bin" / Path(sys.executable).name)


def linked(name: Path, target: Path) -> Path:
    """The name, which leads there."""
    name.unlink(missing_ok=True)
    name.symlink_to(target.absolute())
    return name


def total(dump: Path) -> int:
    """The instructions of one count."""
    found = re.search(r"^totals: (\d+)$", dump.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    if found is None:
        raise CountFailed(f"{dump.name} has no total")
    return int(found[1])


def functions(lines: Iterable[str]) -> list[Spent]:
    """What each function took itself, most first: callgrind's format, uncompressed (valgrind manual, 6.8)."""
    spent: dict[tuple[str, str], int] = {}
    where, function, called = "", "", False
    for line in lines:
        key, equals, value = line.partition("=")
        if equals and key == "ob":
            where = Path(value).name
        elif equals and key == "fn":
            function = value.partition("'")[0]
        elif equals and key == "calls":
            called = True
        elif line[:1].isdigit() and called:
            called = False  # the line behind calls= is what was called
        elif line[:1].isdigit():
            place = (function, where)
            spent[place] = spent.get(place, 0) + int(line.split()[-1])
    return sorted((Spent(each, *place) for place, each in spent.items()), reverse=True)
