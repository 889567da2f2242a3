"""The router under load over real sockets: CPU per request, and what perf and strace see of it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks import load, proxies, rounds
from benchmarks.cpu import CpuTime, cpu_time
from benchmarks.profile.perf import Recorder, Sampled
from benchmarks.profile.syscalls import Tracer


class Live(NamedTuple):
    """Microseconds for one request, in user and in system mode; samples; system calls for one request."""

    user: float
    system: float
    sampled: Sampled
    syscalls: dict[str, float]
    untraced: str
    """Why there are no system calls, if so."""


def take(seconds: float) -> Live:
    """Drives it three times: alone, sampled, traced. Raises LoadFailed."""
    with tempfile.TemporaryDirectory(prefix="router-profile-") as name:
        folder = Path(name)
        sent = load.write_requests(folder)
        router = next(each for each in proxies.CONTENDERS if each.name == proxies.ROUTER)
        with rounds.arena(folder, [router]) as (running,):
            load.drive(running.port, seconds=1, sent=sent)
            used, requests = _drive(running, seconds, sent)
            recorder = Recorder(running.pid, folder / "perf.data")
            recorder.start()
            load.drive(running.port, seconds=seconds, sent=sent)
            sampled = recorder.sampled()
            tracer = Tracer(running.pid, folder / "strace")
            tracer.start()
            _, asked = _drive(running, seconds, sent)
            traced = tracer.stop()
    return Live(
        user=1e6 * used.user / requests,
        system=1e6 * used.system / requests,
        sampled=sampled,
        syscalls={each: calls / asked for each, calls in traced.calls.items()},
        untraced=traced.note,
    )


def _drive(running: rounds.Running, seconds: float, sent: Path) -> tuple[CpuTime, int]:
    before = cpu_time(running.pid)
    answered = load.drive(running.port, seconds=seconds, sent=sent).requests
    return cpu_time(running.pid).since(before), answered
