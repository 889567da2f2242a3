"""Mutates a corpus for so many seconds, asks a target of each input, and shrinks the first that fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

Check = Callable[[bytes, Random], None]
"""Raises, whatever it raises, for an input that shows a defect; random choices come from the Random."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing to fuzz: inputs to begin with, pieces worth putting into them, and what must hold."""

    name: str
    corpus: tuple[bytes, ...]
    parts: tuple[bytes, ...]
    check: Check


class Defect(Exception):
    """An input for which a target raised, shrunk, and how to make it again."""

    def __init__(self, target: Target, seed: int, run: int, data: bytes, cause: Exception) -> None:
        super().__init__(
            f"{target.name}: {type(cause).__name__}: {cause}\n"
            f"input: {data!r}\n"
            f"again: python -m tests.fuzz --target {target.name} --seed {seed} --run {run}"
        )
        self.data = data


def fuzz(target: Target, *, seed: int, seconds: float) -> int:
    """Runs until the time is over and says how many inputs were tried. Raises Defect."""
    deadline = time.monotonic() + seconds
    run = 0
    while time.monotonic() < deadline:
        run_once(target, seed=seed, run=run)
        run += 1
    return run


def run_once(target: Target, *, seed: int, run: int) -> None:
    """Tries one input, the same for the same numbers. Raises Defect."""
    data = mutate(target, Random(f"{seed} {run}"))
    if failure(target, data, seed, run):
        data = shrink(target, data, seed, run)
        cause = failure(target, data, seed, run)
        if cause is None:
            raise RuntimeError(f"{target.name} fails for {data!r} only now and then")
        raise Defect(target, seed, run, data, cause) from cause


def failure(target: Target, data: bytes, seed: int, run: int) -> Exception | None:
    """What the target raises for that input, if anything."""
    try:
        target.check(data, Random(f"{seed} {run} check"))
    except Exception as error:  # noqa: BLE001  whatever is raised is a find
        return error
    return None


def mutate(target: Target, random: Random) -> bytes:
    """One of the corpus, with one to eight pieces cut, copied, put in or put in place of others."""
    data = bytearray(random.choice(target.corpus))
    for _ in range(random.choice((1, 1, 2, 2, 3, 8))):
        start = random.randrange(len(data) + 1)
        end = min(len(data), start + random.choice((0, 0, 1, 1, 2, 8)))
        choice = random.randrange(8)
        if choice == 0:
            piece = random.randbytes(random.choice((1, 1, 4)))
        elif choice == 1:
            other = random.choice(target.corpus)
            at = random.randrange(len(other))
            piece = other[at : at + random.randrange(1, 30)]
        elif choice == 2:
            piece = random.choice(target.parts) * random.choice((2, 17, 120))
        elif choice == 3:
            piece = b""
        else:
            piece = random.choice(target.parts)
        data[start:end] = piece
    return bytes(data)


def shrink(target: Target, data: bytes, seed: int, run: int) -> bytes:
    """A shorter input that still fails: pieces are left out, ever smaller ones."""
    length = len(data) // 2
    while length:
        start = 0
        while start < len(data):
            shorter = data[:start] + data[start + length :]
            if failure(target, shorter, seed, run):
                data = shorter
            else:
                start += length
        length //= 2
    return data


def pieces(data: bytes, random: Random) -> list[bytes]:
    """The same bytes, cut at random, sometimes one by one."""
    if random.randrange(8) == 0:
        return [data[index : index + 1] for index in range(len(data))]
    cuts = sorted(random.randrange(len(data) + 1) for _ in range(random.randrange(6)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
