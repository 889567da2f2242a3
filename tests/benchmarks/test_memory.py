"""The memory benchmark measures what it says, each scenario in small, over real sockets and processes."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.memory import clients, contenders, worker
from benchmarks.memory.report import as_markdown
from benchmarks.memory.scenarios import KIB, SCENARIOS, grown
from benchmarks.memory.tree import Growth, parse_status
from benchmarks.reference import free_ports
from router.config.loader import load
from router.local.processes import Process, stop_all, wait_until_ready
from tests.real_haproxy import program as haproxy_program
from tests.real_nginx import program as nginx_program

SIZE = 64 << 20
CHILD = f"""
import sys
print("up", flush=True)
sys.stdin.readline()
held = b"1" * {SIZE}
del held
print("done", flush=True)
sys.stdin.readline()
"""
HOLDER = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}])"


@pytest.fixture
def holder() -> Iterator[subprocess.Popen[bytes]]:
    """A process whose child, once told, has held 64 MiB or more for a moment."""
    parent = subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdin is not None
    assert parent.stdout.readline() == b"up\n"
    yield parent
    parent.stdin.close()
    parent.stdout.close()
    parent.wait()


def test_what_a_child_has_held_for_a_moment_counts(holder: subprocess.Popen[bytes]) -> None:
    assert holder.stdin is not None
    assert holder.stdout is not None
    growth = Growth(holder.pid)
    assert growth.peak() < SIZE / 8
    holder.stdin.write(b"\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == b"done\n"
    assert 0.9 * SIZE < growth.peak() < 2 * SIZE


def test_what_was_held_before_does_not_count(holder: subprocess.Popen[bytes]) -> None:
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdin.write(b"\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == b"done\n"
    assert Growth(holder.pid).peak() < SIZE / 8


def test_sizes_are_read_in_bytes() -> None:
    assert parse_status(
        "Name:\tx kB\tThreads:\t1\nVmHWM:\t    12 kB\nVmRSS:\t 3 kB\n".replace("x kB\t", "x\n")
    ) == {
        "VmHWM": 12 * 1024,
        "VmRSS": 3 * 1024,
    }


def test_the_router_takes_its_file(tmp_path: Path) -> None:
    contenders.router(tmp_path, 41000, 41001)
    loaded = load(tmp_path / "router.yaml")
    assert loaded.config is not None
    assert loaded.config.settings.limits.media_body > worker.LARGE


@pytest.mark.nginx
def test_nginx_and_haproxy_take_their_files(tmp_path: Path) -> None:
    nginx, haproxy = nginx_program(), haproxy_program()
    contenders.nginx(tmp_path, 41000, 41001)
    contenders.haproxy(tmp_path, 41000, 41001)
    for command in (
        [nginx, "-t", "-q", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")],
        [haproxy, "-c", "-q", "-f", str(tmp_path / "haproxy.cfg")],
    ):
        checked = subprocess.run(command, capture_output=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, b"")


def test_the_router_takes_its_file_for_tls(tmp_path: Path) -> None:
    contenders.router_tls(tmp_path, 41000, 41001)
    loaded = load(tmp_path / "router-tls.yaml")
    assert loaded.config is not None
    assert loaded.config.settings.listen[0].tls is not None


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[tuple[int, clients.Door, int]]:
    """A router before the stand-in: its process id, where it listens, and the worker's port."""
    port, worker_port = free_ports(2)
    processes = [
        Process(contenders.stand_in(tmp_path, worker_port)),
        Process(contenders.router(tmp_path, port, worker_port)),
    ]
    try:
        for process in processes:
            process.start()
            wait_until_ready([process], patience=20)
        pid = processes[1].pid
        assert pid is not None
        yield pid, clients.Door(port=port), worker_port
    finally:
        stop_all(reversed(processes), patience=5)


async def test_idle_clients_and_long_polls_in_small(stage: tuple[int, clients.Door, int]) -> None:
    pid, door, worker_port = stage
    for scenario in SCENARIOS:
        if scenario.unit == KIB:
            small = dataclasses.replace(scenario, count=300)
            assert 0 <= await grown(small, pid=pid, door=door, worker=worker_port) < 100


async def test_a_client_that_is_refused_is_a_failure(stage: tuple[int, clients.Door, int]) -> None:
    _, door, _ = stage
    with pytest.raises(clients.Failed, match="answered"):
        await clients.patiently(
            lambda: clients.idle(door, 1, request=clients.SMALL.replace(b"versions", b"..%2f"))
        )


async def test_a_long_poll_that_is_answered_is_a_failure(stage: tuple[int, clients.Door, int]) -> None:
    _, door, worker_port = stage
    with pytest.raises(clients.Failed, match="1 long polls ended, 0 of 1"):
        await clients.patiently(lambda: clients.long_polls(door, worker_port, 1, request=clients.SMALL))


def test_the_table_has_the_targets_and_says_what_failed() -> None:
    text = as_markdown({"idle": {"router": 1.46, "nginx": None}}, {"system": "x"})
    assert "| 5,000 idle kept-alive clients, KiB each | < 4 | 1.5 | failed |" in text
    assert "polls" not in text
