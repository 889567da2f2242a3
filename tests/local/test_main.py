from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deployment import ROUTES
from tests.local.gone import Watch

NAMES = {
    "postgres", "valkey", "main", "generic1", "generic2", "generic3", "events_persister1", "receipts_writer",
    "federation_sender1", "router",
}  # fmt: skip

pytestmark = [pytest.mark.synapse, pytest.mark.xdist_group("run"), pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all, so that the second run finds what the first has kept."""
    return tmp_path_factory.mktemp("run")


@contextmanager
def running(folder: Path) -> Iterator[subprocess.Popen[str]]:
    options = ["--free-ports", "--folder", str(folder), "--routes", str(ROUTES)]
    command = [sys.executable, "-m", "router.local", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if text in line:
            return seen
    raise AssertionError(f"ended without {text!r}:\n{seen}")


def watches_of(folder: Path) -> dict[str, Watch]:
    return {file.stem: Watch(int(file.read_text())) for file in folder.glob("*.pid")}


def test_it_comes_up_proves_itself_and_leaves_nothing_running(folder: Path) -> None:
    with running(folder) as process:
        seen = read_until(process, "break ")
        assert "proof: two users, a room, a message, /sync" in seen
        assert "failed" not in seen
        watches = watches_of(folder)
        assert set(watches) == NAMES

        process.send_signal(signal.SIGINT)

        assert "nothing is left running" in read_until(process, "Stopping")
        assert process.wait(30) == 0
    assert all(watch.gone(within=0) for watch in watches.values())
    assert not list(folder.glob("*.pid"))


def test_half_way_up_it_leaves_nothing_running_either(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        read_until(process, "Valkey")
        watches = watches_of(tmp_path)
        assert {"postgres", "valkey"} <= set(watches)

        process.send_signal(signal.SIGTERM)

        assert "nothing is left running" in read_until(process, "Stopping")
        assert process.wait(30) == 0
    assert all(watch.gone(within=0) for watch in watches.values())
    assert not list(tmp_path.glob("*.pid"))


def test_what_dies_is_told_and_nothing_outlives_a_killed_parent(folder: Path) -> None:
    with running(folder) as process:
        read_until(process, "break ")
        watches = watches_of(folder)
        assert set(watches) == NAMES

        os.kill(int((folder / "generic2.pid").read_text()), signal.SIGKILL)

        told = read_until(process, "The rest goes on.")
        assert "generic2 was ended by SIGKILL. The end of " in told
        assert watches.pop("generic2").gone()
        assert not any(watch.gone(within=0) for watch in watches.values())

        process.kill()

        assert all(watch.gone() for watch in watches.values())


def test_what_fails_is_told_with_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "postgres").mkdir(mode=0o700)
    with running(tmp_path) as process:
        seen = read_until(process, "It alone")
        assert "PostgreSQL" in seen
        assert "postgres ended with exit code" in seen
        read_until(process, "nothing is left running")
        assert process.wait(30) == 1
