"""wrk with a mix of requests: so many connections, so many seconds, and what came of it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.mix import requests
from benchmarks.reference import HOST
from router.local.processes import tethered

CONNECTIONS = 64
_SCRIPT = Path(__file__).with_name("matrix.lua")


class LoadFailed(Exception):
    """wrk gave no result."""


class Load(NamedTuple):
    """Answered requests in so many seconds; percentiles of their times in microseconds.

    `bytes` are those of the answers, heads included.
    `errors` counts answers of 400 and above, connections that failed and requests without an answer.
    """

    requests: int
    seconds: float
    bytes: int
    p50: float
    p90: float
    p99: float
    p999: float
    errors: int


def wrk() -> str | None:
    """Where wrk is, None where it is not installed."""
    return shutil.which("wrk")


def write_requests(folder: Path, raw: Sequence[bytes] | None = None) -> Path:
    """The file that `matrix.lua` reads: those requests, or else the mix of small ones."""
    file = folder / "requests.bin"
    file.write_bytes(b"\0".join(requests() if raw is None else raw))
    return file


def drive(
    port: int, *, seconds: float, sent: Path, connections: int = CONNECTIONS, tls: bool = False
) -> Load:
    """Asks as fast as answers come, on all connections; raises LoadFailed.

    wrk ends with this process, also where that is interrupted or killed.
    """
    program = wrk()
    if program is None:
        raise LoadFailed("wrk is not installed")
    command = [
        *(program, "--threads", "1", "--connections", str(connections), "--timeout", "10s"),
        *("--duration", f"{max(1, round(seconds))}s", "--script", str(_SCRIPT)),
        *(f"{'https' if tls else 'http'}://{HOST}:{port}", "--", str(sent)),
    ]
    try:
        ended = subprocess.run(
            tethered(command, death_signal=signal.SIGKILL),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds + 60,
            check=False,
            process_group=0,
        )
    except subprocess.TimeoutExpired as error:
        raise LoadFailed(f"wrk had not ended after {error.timeout:g} s") from error
    output = ended.stdout.decode("utf-8", "replace")
    if ended.returncode:
        raise LoadFailed(f"wrk ended with {ended.returncode}: {output[-500:]}")
    return parse(output)


def parse(output: str) -> Load:
    """What `matrix.lua` wrote last; raises LoadFailed where nothing was answered."""
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise LoadFailed(f"wrk said nothing that could be read: {output[-500:]}")
    load = Load(**json.loads(lines[-1]))
    if not load.requests:
        raise LoadFailed("not one request was answered")
    return load
