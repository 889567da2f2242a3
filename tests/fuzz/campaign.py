"""Many targets, each in a process of its own and some at a time, and what became of each."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from router.modules import PURE, VARIABLE
from tests.fuzz import inputs
from tests.fuzz.engine import Defect, Target, failure, fuzz, shrink

ENDS_WITHIN = 120.0
"""Seconds that a process gets on top of its time, to read its corpus and shrink what it finds."""

GUIDED = find_spec("atheris") is not None
"""atheris has wheels for CPython below 3.14 on x86-64 alone: elsewhere targets are fuzzed blindly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one target: how many inputs, what there is to say of them, and the defect if any."""

    target: str
    runs: int = 0
    coverage: str = ""
    defect: str = ""


def run(
    targets: Iterable[Target], *, seconds: float, seed: int, jobs: int, say: Callable[[str], None]
) -> list[Outcome]:
    """Fuzzes every target so long, `jobs` of them at a time; tells of each when it has ended."""
    waiting = list(targets)
    running: list[_Running] = []
    outcomes: list[Outcome] = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(_Running(waiting.pop(0), seconds, seed))
            for one in [each for each in running if each.has_ended()]:
                running.remove(one)
                outcome = one.outcome()
                outcomes.append(outcome)
                say(line(outcome))
            time.sleep(0.1)
    finally:
        for one in running:
            one.child.kill()
            one.child.wait()
    return outcomes


def line(outcome: Outcome) -> str:
    """What is printed of a target."""
    end = outcome.defect or "no defect"
    coverage = f", {outcome.coverage}" if outcome.coverage else ""
    return f"{outcome.target}: {outcome.runs} inputs{coverage}, {end}"


class _Running:
    """One target's process."""

    def __init__(self, target: Target, seconds: float, seed: int) -> None:
        self.target = target
        self._result = inputs.SCRATCH / f"{target.name}.{os.getpid()}"
        self._result.parent.mkdir(parents=True, exist_ok=True)
        self._log = self._result.with_name(self._result.name + ".log")
        guided = GUIDED and target.make is None
        module = "tests.fuzz.guided" if guided else "tests.fuzz.campaign"
        # libFuzzer takes 0 seconds for no limit.
        time_given = str(max(1, round(seconds))) if guided else str(seconds)
        command = [sys.executable, "-m", module, target.name, time_given, str(seed), str(self._result)]
        # Coverage is that of Python's own modules; what is fuzzed blindly asks those that run.
        environment = os.environ | ({VARIABLE: PURE} if guided else {})
        with self._log.open("wb") as log:
            self.child = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, cwd=inputs.ROOT, env=environment
            )
        self._until = time.monotonic() + seconds + ENDS_WITHIN

    def has_ended(self) -> bool:
        """Whether it has; one that should have is killed."""
        if self.child.poll() is None and time.monotonic() > self._until:
            self.child.kill()
            self.child.wait()
        return self.child.poll() is not None

    def outcome(self) -> Outcome:
        """Reads what it has left, and takes it away."""
        log = self._log.read_text(encoding="utf-8", errors="replace")
        if self._result.exists():
            outcome = self._by_result(json.loads(self._result.read_text()))
        elif self.child.returncode == 0:
            outcome = self._by_log(log)
        else:
            outcome = self._by_artifact(log)
        for left in self._result.parent.glob(self._result.name + "*"):
            left.unlink()
        return outcome

    def _by_result(self, result: dict[str, str]) -> Outcome:
        defect = told(self.target, result["text"], bytes.fromhex(result["data"])) if result["text"] else ""
        return Outcome(
            target=self.target.name,
            runs=int(result["runs"]),
            coverage=result.get("notes", ""),
            defect=defect,
        )

    def _by_log(self, log: str) -> Outcome:
        runs = re.search(r"number_of_executed_units: (\d+)", log)
        ends = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", log)
        coverage = "{} edges, {} features, {} kept".format(*ends[-1]) if ends else ""
        return Outcome(target=self.target.name, runs=int(runs[1]) if runs else 0, coverage=coverage)

    def _by_artifact(self, log: str) -> Outcome:
        """The process was ended by no exception: by a signal, or an input that takes too long."""
        ended = f"the process ended with status {self.child.returncode}"
        for path in self._result.parent.glob(self._result.name + ".*-*"):
            kind = path.name.removeprefix(self._result.name + ".").partition("-")[0]
            data = path.read_bytes()
            text = f"{self.target.name}: {ended}, {kind}\ninput: {data!r}"
            return Outcome(target=self.target.name, defect=told(self.target, text, data))
        return Outcome(target=self.target.name, defect=f"{ended}\n{log[-3000:]}")


def missing(target: Target) -> str:
    """The programs that the target needs and that are not here, as words."""
    places = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin"
    names = [name for name in target.needs if shutil.which(name, path=places) is None]
    return (
        f"{target.name}: not run, without {' and '.join(names)} (apt-get install {' '.join(names)})"
        if names
        else ""
    )


def told(target: Target, text: str, data: bytes) -> str:
    """Writes a finding down, and says how to run it again and how to keep it."""
    path = inputs.write(inputs.SCRATCH / "findings" / target.name, data).relative_to(inputs.ROOT)
    return (
        f"a defect:\n{text}\n"
        f"again: python -m tests.fuzz --target {target.name} --input {path}\n"
        f"once it is mended: mv {path} {inputs.KEPT.relative_to(inputs.ROOT)}/{target.name}/"
    )


def again(target: Target, data: bytes) -> Outcome:
    """Tries one input, as a run would."""
    cause = failure(target, data)
    if cause is None:
        return Outcome(target=target.name, runs=1)
    small = shrink(target, data)
    return Outcome(
        target=target.name, runs=1, defect=str(Defect(target, small, failure(target, small) or cause))
    )


def blind(name: str, seconds: str, seed: str, result: str) -> None:
    """What the process of a target does without atheris."""
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415  only this process needs them all

    target = inputs.with_kept(TARGETS[name])
    found = {"text": "", "data": "", "runs": 0, "notes": ""}
    try:
        found["runs"] = fuzz(target, seed=int(seed), seconds=float(seconds))
    except Defect as defect:
        found |= {"text": str(defect), "data": defect.data.hex()}
    found["notes"] = target.notes()
    Path(result).write_text(json.dumps(found))


if __name__ == "__main__":
    blind(*sys.argv[1:])
