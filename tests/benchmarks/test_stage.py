from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.stage import pid_of, up
from router.errors import ProcessFailed
from router.local.processes import Process, Program


def program(folder: Path, name: str, code: str) -> Program:
    """Writes its name to `order` and then runs the code; ready once it has done so."""
    order = folder / "order"
    written = f"open({str(order)!r}, 'a').write('{name} ')\n{code}"
    return Program(
        name=name,
        command=(sys.executable, "-c", written),
        log=folder / f"{name}.log",
        pid_file=folder / f"{name}.pid",
        ready=lambda: order.exists() and name in order.read_text(),
    )


STAYS = "import time; time.sleep(60)"


def test_they_start_in_their_order_and_end_whatever_happens(tmp_path: Path) -> None:
    pids: list[int] = []

    def interrupted() -> None:
        with up(program(tmp_path, "one", STAYS), program(tmp_path, "two", STAYS)) as processes:
            pids.extend(map(pid_of, processes))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (tmp_path / "order").read_text() == "one two "
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_one_that_ends_ends_the_others(tmp_path: Path) -> None:
    failing = replace(program(tmp_path, "two", "raise SystemExit(3)"), ready=lambda: False)
    with (
        pytest.raises(ProcessFailed, match="exit code 3"),
        up(program(tmp_path, "one", STAYS), failing, program(tmp_path, "six", STAYS)),
    ):
        raise AssertionError("it is not up")
    assert not list(tmp_path.glob("*.pid"))
    assert not (tmp_path / "six.log").exists()


def test_what_does_not_run_has_no_id(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="one does not run"):
        pid_of(Process(program(tmp_path, "one", STAYS)))
