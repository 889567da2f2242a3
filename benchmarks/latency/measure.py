"""Saturation of the router, then half of it through the router, its peers and straight, in rounds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import backends, load, mix, proxies
from benchmarks.latency.openloop import Outcome, Plan, write_plan
from benchmarks.latency.relay import RELAY
from benchmarks.latency.waiting import waited
from benchmarks.reference import Ports, free_ports
from benchmarks.stage import pid_of, up
from benchmarks.straight import Straight
from router.config.loader import load_or_raise
from router.local.processes import tethered

DIRECT = "direct"
"""The lane without a proxy."""

GENERATOR, PROXY, WORKERS = "generator", "proxy", "workers"
"""Whoever needs a core for a request."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One way to the workers: `port` is the proxy's, None where there is none; `file` holds what is sent.

    `pids` are the processes on the way, by what they are: WORKERS and, where there is one, PROXY.
    """

    name: str
    title: str
    port: int | None
    file: Path
    pids: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One lane in one round; `waits` are microseconds a request that each stood ready without a core."""

    lane: str
    round: int
    outcome: Outcome
    waits: Mapping[str, float]


def contenders() -> list[proxies.Contender]:
    """The router, tuned nginx as its peer, and the relay: those that are installed."""
    wanted = (proxies.ROUTER, proxies.TUNED)
    found = [each for each in proxies.CONTENDERS if each.name in wanted]
    return [each for each in (*found, RELAY) if each.installed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """Which processor cores proxies run on, and which everything else does."""

    proxies: frozenset[int]
    others: frozenset[int]

    @classmethod
    def of(cls, usable: AbstractSet[int]) -> Cores:
        """One core for the proxy that is asked, the rest for generator and workers; a single one for all."""
        first = frozenset({min(usable)})
        return cls(proxies=first, others=frozenset(usable) - first or first)


@contextmanager
def kept_to(cores: AbstractSet[int]) -> Iterator[None]:
    """This process runs on no other core meanwhile; what it starts stays there, also behind that."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def straight_plan(table: Path, requests: Sequence[bytes]) -> Plan:
    """Each request with the port of the worker to which that routes.yaml sends it."""
    straight = Straight(load_or_raise(table))
    return [(straight.port_of(raw), raw) for raw in requests]


@contextmanager
def lanes(folder: Path) -> Iterator[list[Lane]]:
    """Stand-ins and proxies, all ready, and what each lane sends; ends every process it has started."""
    ports, wanted = Ports.free(), contenders()
    listening = dict(zip((each.name for each in wanted), free_ports(len(wanted)), strict=True))
    programs = [each.make(folder, ports, listening[each.name]) for each in wanted]
    cores = Cores.of(os.sched_getaffinity(0))
    with ExitStack() as running:
        with kept_to(cores.others):
            (workers,) = running.enter_context(up(backends.program(ports, folder)))
        with kept_to(cores.proxies):
            started = running.enter_context(up(*programs))
        pids = {WORKERS: pid_of(workers)}
        requests = mix.requests()
        straight = straight_plan(folder / "routes.yaml", requests)
        found = [
            Lane(
                name=DIRECT, title="straight to the worker", port=None, file=_file(folder, DIRECT), pids=pids
            )
        ]
        write_plan(straight, found[0].file)
        for each, process in zip(wanted, started, strict=True):
            lane = Lane(
                name=each.name,
                title=f"through {each.title}",
                port=listening[each.name],
                file=_file(folder, each.name),
                pids=pids | {PROXY: pid_of(process)},
            )
            write_plan([(listening[each.name], raw) for raw in requests], lane.file)
            found.append(lane)
        running.enter_context(kept_to(cores.others))
        yield found


def _file(folder: Path, lane: str) -> Path:
    return folder / f"{lane}.plan"


def saturation(lane: Lane, *, turns: int, seconds: float, folder: Path, say: Say) -> float:
    """Requests a second that wrk gets answered at most: the median of several turns, after a short one."""
    if lane.port is None:
        raise ValueError("only a proxy can be driven to its limit")
    sent = load.write_requests(folder)
    load.drive(lane.port, seconds=1, sent=sent)
    found = []
    for turn in range(turns):
        result = load.drive(lane.port, seconds=seconds, sent=sent)
        found.append(result.requests / result.seconds)
        say(f"  saturation {turn + 1}/{turns}  {lane.title:30} {found[-1]:8,.0f} requests/s")
    return median(found)


def drive(lane: Lane, *, rate: float, seconds: float) -> Outcome:
    """The open loop on that lane, in a process of its own; raises LoadFailed."""
    command = [
        *(sys.executable, "-m", "benchmarks.latency.openloop"),
        *(f"{rate:g}", f"{seconds:g}", str(load.CONNECTIONS), str(lane.file)),
    ]
    ended = subprocess.run(
        tethered(command, death_signal=signal.SIGKILL),
        capture_output=True,
        timeout=seconds + 60,
        check=False,
        process_group=0,
    )
    if ended.returncode:
        raise load.LoadFailed(f"{lane.title}: {ended.stderr.decode('utf-8', 'replace')[-500:]}")
    return Outcome(**json.loads(ended.stdout))


def play(found: Sequence[Lane], *, rate: float, rounds: int, seconds: float, say: Say) -> list[Sample]:
    """All rounds, each begun by another lane; a short one before them warms everything up."""
    for lane in found:
        drive(lane, rate=rate, seconds=0.5)
    samples = []
    for number in range(rounds):
        first = number % len(found)
        for lane in (*found[first:], *found[:first]):
            sample = _sampled(lane, number, rate=rate, seconds=seconds)
            told = "  ".join(f"{name} {each:7.0f}" for name, each in sample.outcome.times.items())
            say(f"  round {number + 1}/{rounds}  {lane.title:30} {told} µs  errors {sample.outcome.errors}")
            samples.append(sample)
    return samples


def _sampled(lane: Lane, number: int, *, rate: float, seconds: float) -> Sample:
    before = {name: waited(pid) for name, pid in lane.pids.items()}
    outcome = drive(lane, rate=rate, seconds=seconds)
    waits = {name: (waited(pid) - before[name]) / outcome.asked for name, pid in lane.pids.items()}
    return Sample(lane=lane.name, round=number, outcome=outcome, waits={GENERATOR: outcome.waited, **waits})


def times(samples: Sequence[Sample], lane: str, name: str) -> list[float]:
    """One percentile of one lane in all rounds."""
    return [each.outcome.times[name] for each in samples if each.lane == lane]


def added(samples: Sequence[Sample], lane: str, name: str) -> list[float]:
    """What the lane's percentile is above that of the direct one of the same round, in microseconds."""
    by_round: dict[int, dict[str, Mapping[str, float]]] = {}
    for each in samples:
        by_round.setdefault(each.round, {})[each.lane] = each.outcome.times
    return [
        both[lane][name] - both[DIRECT][name] for both in by_round.values() if lane in both and DIRECT in both
    ]
