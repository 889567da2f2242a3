"""One target under atheris, in a process of its own, since libFuzzer ends the process.

libFuzzer keeps the inputs that reach something new and mutates those; half of the mutations are its own, half
those of the engine, which knows pieces worth putting in. Only the router is instrumented.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from random import Random

import atheris

from tests.fuzz import inputs
from tests.fuzz.engine import Defect, Target, mutate, try_one

FOUND = 77
"""The exit status after a defect."""

MAX_INPUT = 4096
"""Bytes."""


class Guided:
    """What libFuzzer calls."""

    def __init__(self, target: Target, result: Path) -> None:
        self._target = target
        self._result = result
        self._runs = 0

    def one(self, data: bytes) -> None:
        """Tries one input; a defect is shrunk, written down and ends the process."""
        self._runs += 1
        try:
            try_one(self._target, data)
        except Defect as defect:
            self._write(str(defect), defect.data)
        except RuntimeError as error:
            self._write(str(error), data)

    def _write(self, text: str, data: bytes) -> None:
        self._result.write_text(json.dumps({"text": text, "data": data.hex(), "runs": self._runs}))
        os._exit(FOUND)

    def mutated(self, data: bytes, size: int, seed: int) -> bytes:
        """Another input out of this one."""
        random = Random(seed)
        if random.randrange(2):
            changed: bytes = atheris.Mutate(data, size)
            return changed
        return mutate(data, self._target, random)[:size]


def main(name: str, seconds: str, seed: str, result: str) -> None:
    """Fuzzes until the time is over; never returns."""
    with atheris.instrument_imports(include=["router"]):
        target = inputs.with_kept(import_module("tests.fuzz.targets").TARGETS[name])
    folder = inputs.SCRATCH / "corpus" / name
    for data in target.corpus:
        inputs.write(folder, data)
    guided = Guided(target, Path(result))
    arguments = [
        *(sys.argv[0], f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={MAX_INPUT}"),
        *("-timeout=10", "-print_final_stats=1", f"-artifact_prefix={result}.", str(folder)),
    ]
    atheris.Setup(arguments, guided.one, custom_mutator=guided.mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
