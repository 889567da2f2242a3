"""Inputs in files: the corpus that the project keeps, what runs have found, and the smallest set of both.

tests/fuzz/corpus/TARGET/   kept, and replayed by the suite
.fuzz/corpus/TARGET/        what runs here have found worth keeping, for the next run
.fuzz/findings/             inputs that showed a defect
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

from tests.fuzz.engine import Target, _own, without_pieces

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "tests" / "fuzz" / "corpus"
SCRATCH = ROOT / ".fuzz"

CUTS_FOR = 3.0
"""Seconds after which a kept input is small enough."""

Trace = Callable[[FrameType, str, Any], Any]

Arc = tuple[str, int, int]
"""A step of the program: file, line before, line."""


def kept(target: Target) -> tuple[bytes, ...]:
    """The committed inputs of a target."""
    return read(KEPT / target.name)


def read(folder: Path) -> tuple[bytes, ...]:
    """Every input in a folder, in the order of their names."""
    return tuple(path.read_bytes() for path in sorted(folder.glob("*"))) if folder.exists() else ()


def with_kept(target: Target) -> Target:
    """The target that begins with its committed inputs too."""
    return replace(target, corpus=(*target.corpus, *kept(target)))


def write(folder: Path, data: bytes) -> Path:
    """Writes an input under a name that its bytes give."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hashlib.sha256(data).hexdigest()[:12]
    path.write_bytes(data)
    return path


def minimise(target: Target) -> tuple[int, int]:
    """Keeps few and small inputs that reach what all known ones reach; how many there were, and are.

    What the target's own inputs reach needs no file.
    """
    known = {*kept(target), *read(SCRATCH / "corpus" / target.name)} - {*target.corpus}
    reached: set[Arc] = set()
    for data in target.corpus:
        reached |= arcs(target, data)
    chosen = []
    for data in sorted(known, key=lambda each: (len(each), each)):
        new = arcs(target, data) - reached
        if new:
            smaller = without_pieces(data, _reaches(target, new), seconds=CUTS_FOR)
            reached |= arcs(target, smaller)
            chosen.append(smaller)
    _replace(KEPT / target.name, chosen)
    return len(known), len(chosen)


def _reaches(target: Target, wanted: set[Arc]) -> Callable[[bytes], bool]:
    return lambda data: wanted <= arcs(target, data)


def _replace(folder: Path, inputs: Iterable[bytes]) -> None:
    for path in folder.glob("*"):
        path.unlink()
    for data in inputs:
        write(folder, data)


def arcs(target: Target, data: bytes) -> set[Arc]:
    """The steps of the router that the target takes for that input."""
    found: set[Arc] = set()
    for forget in _caches():
        forget()
    before = sys.gettrace()
    sys.settrace(_Tracer(found).call)
    try:
        target.check(data, Random(_own(data)))
    finally:
        sys.settrace(before)
    return found


def _caches() -> list[Callable[[], None]]:
    """What makes the router forget: an answer that is remembered takes no steps."""
    modules = [module for name, module in sys.modules.items() if name.startswith("router.")]
    values = [value for module in modules for value in vars(module).values()]
    return [value.cache_clear for value in values if hasattr(value, "cache_clear")]


class _Tracer:
    def __init__(self, found: set[Arc]) -> None:
        self._found = found
        self._line: dict[FrameType, int] = {}

    def call(self, frame: FrameType, event: str, _: Any) -> Trace | None:
        file = frame.f_code.co_filename
        if event != "call" or not file.startswith(_ROUTER):
            return None
        self._line[frame] = 0
        return self._step

    def _step(self, frame: FrameType, event: str, _: Any) -> Trace:
        if event == "line":
            last = self._line.get(frame, 0)
            self._found.add((frame.f_code.co_filename, last, frame.f_lineno))
            self._line[frame] = frame.f_lineno
        elif event == "return":
            self._line.pop(frame, None)
        return self._step


_ROUTER = str(ROOT / "router")
