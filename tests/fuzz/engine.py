"""Targets, how inputs for them are made of others, and how one that fails is made small.

Everything here is a function of the input: the same bytes give the same verdict, whoever found them.
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

Check = Callable[[bytes, Random], None]
"""Raises, whatever it raises, for an input that shows a defect; random choices come from the Random."""

Make = Callable[[Random], bytes]
"""Makes an input out of nothing but a Random."""

CHOICES = 8
"""Seeds that an input is tried with besides its own, so that one which is cut shorter can still fail."""

SHRINKS_FOR = 60.0
"""Seconds after which an input is small enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing to fuzz: inputs to begin with, pieces worth putting into them, and what must hold.

    One with `make` gets its inputs from there, and coverage says nothing about them. `needs` are programs
    without which it cannot run, `notes` what it has to say at the end of a run, `choices` how many seeds each
    input is tried with, besides its own.
    """

    name: str
    corpus: tuple[bytes, ...]
    parts: tuple[bytes, ...]
    check: Check
    make: Make | None = None
    needs: tuple[str, ...] = ()
    notes: Callable[[], str] = str
    choices: int = CHOICES


class Defect(Exception):
    """An input for which a target raised, shrunk."""

    def __init__(self, target: Target, data: bytes, cause: Exception) -> None:
        super().__init__(f"{target.name}: {type(cause).__name__}: {cause}\ninput: {data!r}")
        self.data = data
        self.cause = cause


def fuzz(target: Target, *, seed: int, seconds: float) -> int:
    """Tries new inputs until the time is over, and says how many. Raises Defect."""
    deadline = time.monotonic() + seconds
    run = 0
    while time.monotonic() < deadline:
        try_one(target, new_input(target, seed=seed, run=run))
        run += 1
    return run


def new_input(target: Target, *, seed: int, run: int) -> bytes:
    """The same one for the same numbers."""
    random = Random(f"{seed} {run}")
    if target.make is not None:
        return target.make(random)
    return mutate(random.choice(target.corpus), target, random)


def try_one(target: Target, data: bytes) -> None:
    """Asks the target of one input. Raises Defect."""
    if _failure(target, data, _own(data)) is not None:
        data = shrink(target, data)
        cause = failure(target, data)
        if cause is None:
            raise RuntimeError(f"{target.name} fails for {data!r} only now and then")
        raise Defect(target, data, cause) from cause


def failure(target: Target, data: bytes) -> Exception | None:
    """What the target raises for that input with any of the choices, if anything."""
    for seed in (_own(data), *range(target.choices)):
        error = _failure(target, data, seed)
        if error is not None:
            return error
    return None


def _own(data: bytes) -> int:
    return zlib.crc32(data)


def _failure(target: Target, data: bytes, seed: int) -> Exception | None:
    try:
        target.check(data, Random(seed))
    except Exception as error:  # noqa: BLE001  whatever is raised is a find
        return error
    return None


def mutate(data: bytes, target: Target, random: Random) -> bytes:
    """The input with one to eight pieces cut, copied, put in or put in place of others."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 2, 3, 8))):
        start = random.randrange(len(changed) + 1)
        end = min(len(changed), start + random.choice((0, 0, 1, 1, 2, 8)))
        changed[start:end] = _piece(target, random)
    return bytes(changed)


def _piece(target: Target, random: Random) -> bytes:
    choice = random.randrange(8)
    if choice == 0:
        return random.randbytes(random.choice((1, 1, 4)))
    if choice == 1 and target.corpus:
        other = random.choice(target.corpus)
        at = random.randrange(len(other) + 1)
        return other[at : at + random.randrange(1, 30)]
    if choice == 2:
        return random.choice(target.parts) * random.choice((2, 17, 120))
    if choice == 3:
        return b""
    return random.choice(target.parts)


def shrink(target: Target, data: bytes) -> bytes:
    """A shorter input that still fails in the same way: pieces are left out, ever smaller ones."""
    kind = type(failure(target, data))

    def fails(shorter: bytes) -> bool:
        return type(failure(target, shorter)) is kind

    return without_pieces(data, fails, seconds=SHRINKS_FOR)


def without_pieces(data: bytes, holds: Callable[[bytes], bool], *, seconds: float) -> bytes:
    """What is left of the input when all is left out that `holds` can do without."""
    deadline = time.monotonic() + seconds
    length = max(1, len(data) // 2)
    while length and time.monotonic() < deadline:
        start = 0
        while start < len(data):
            shorter = data[:start] + data[start + length :]
            if holds(shorter):
                data = shorter
            else:
                start += length
        length //= 2
    return data


def pieces(data: bytes, random: Random) -> Sequence[bytes]:
    """The same bytes, cut at random, sometimes one by one, sometimes behind each head."""
    way = random.randrange(8)
    if way == 0:
        return [data[index : index + 1] for index in range(len(data))]
    if way == 1:
        return [piece for piece in re.split(rb"(?<=\r\n\r\n)", data) if piece]
    cuts = sorted(random.randrange(len(data) + 1) for _ in range(random.randrange(6)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
