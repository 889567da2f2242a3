"""Programs for Node, run step by step: the pinned packages of tests/matrix_js_sdk, node itself among them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import platform
import shutil
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.absence import absent

FOLDER = Path(__file__).parent / "matrix_js_sdk"

INSTALLS_WITHIN = 120.0
ENDS_WITHIN = 150.0
"""Seconds for a whole program, which has shorter deadlines of its own."""

ARCHITECTURES = {"x86_64": "x64", "aarch64": "arm64"}
"""How the npm package that holds node is called on each machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What the program says of one step; `detail` is whatever it thought worth telling."""

    name: str
    ok: bool
    seconds: float
    detail: object


def node() -> Path:
    """The pinned node beside its packages, installed if need be, by one of those who ask at once.

    Without npm the test is skipped, or fails where CI=true says that it must be there.
    """
    npm = shutil.which("npm")
    architecture = ARCHITECTURES.get(platform.machine())
    if npm is None:
        absent("npm is not installed (apt-get install nodejs npm)")
    if architecture is None:
        absent(f"there is no pinned node for {platform.machine()}")
    modules = FOLDER / "node_modules"
    lock = (FOLDER / "package-lock.json").read_bytes()
    installed = modules / f".installed-{hashlib.sha256(lock).hexdigest()[:16]}"
    with (FOLDER / "package-lock.json").open("rb") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        if not installed.exists():
            _install(npm)
            installed.touch()
    return modules / f"node-linux-{architecture}" / "bin" / "node"


def _install(npm: str) -> None:
    """What package-lock.json names, by its hashes; no script of any package is run."""
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(
        command, cwd=FOLDER, capture_output=True, text=True, timeout=INSTALLS_WITHIN, check=False
    )
    if done.returncode != 0:
        absent(f"npm ci failed: {done.stderr.strip()}")


def run(
    script: str, homeserver: str, errors: Path, do: Callable[[str, str], None] | None = None
) -> list[Step]:
    """Runs a script of the folder to its end; fails the test at the first step that is not ok.

    The script writes one JSON object a line: a step, or a request such as {"ask": "kill", "of": NAME}, which
    is handed to `do` and answered with a line when that is done. What it has to say besides goes to `errors`.
    """
    with (
        errors.open("w", encoding="utf-8") as stderr,
        subprocess.Popen(
            [node(), script, homeserver],
            cwd=FOLDER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as child,
    ):
        watchdog = threading.Timer(ENDS_WITHIN, child.kill)
        watchdog.start()
        try:
            steps = _follow(child, do)
            child.wait()
        finally:
            watchdog.cancel()
            child.kill()
    said = errors.read_text(encoding="utf-8")[-2000:]
    for step in steps:
        assert step.ok, f"{step.name}: {step.detail}\n{said}"
    assert child.returncode == 0, f"{script} ended with {child.returncode} after {steps[-1:]}\n{said}"
    return steps


def _follow(child: subprocess.Popen[str], do: Callable[[str, str], None] | None) -> list[Step]:
    assert child.stdin is not None
    assert child.stdout is not None
    steps = []
    for line in child.stdout:
        told = json.loads(line)
        if "ask" in told:
            assert do is not None, f"nobody to {told['ask']} {told['of']}"
            do(told["ask"], told["of"])
            child.stdin.write("\n")
            child.stdin.flush()
        else:
            steps.append(Step(**told))
    return steps
