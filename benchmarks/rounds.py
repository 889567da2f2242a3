"""Interleaved rounds: every contender in turn, again and again, so that what disturbs one disturbs all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import backends, load
from benchmarks.cpu import cpu_time
from benchmarks.proxies import Contender
from benchmarks.reference import Ports, free_ports
from router.local.processes import Process, stop_all, wait_until_ready

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One contender in one round. `user` and `system` are CPU seconds of its process tree."""

    contender: str
    round: int
    requests: int
    seconds: float
    user: float
    system: float
    p50: float
    p90: float
    p99: float
    errors: int

    @property
    def per_request(self) -> float:
        """Microseconds of CPU for one request."""
        return (self.user + self.system) / self.requests * 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A contender that listens."""

    contender: Contender
    process: Process
    port: int

    @property
    def pid(self) -> int:
        """Its process id, of the master where it has several processes."""
        pid = self.process.pid
        if pid is None:
            raise RuntimeError(f"{self.contender.name} does not run")
        return pid

    def measure(self, number: int, *, seconds: float, sent: Path) -> Sample:
        """Drives it for so many seconds; raises LoadFailed."""
        before = cpu_time(self.pid)
        result = load.drive(self.port, seconds=seconds, sent=sent)
        used = cpu_time(self.pid).since(before)
        return Sample(
            contender=self.contender.name,
            round=number,
            user=used.user,
            system=used.system,
            **result._asdict(),
        )


@contextmanager
def arena(folder: Path, contenders: Sequence[Contender]) -> Iterator[list[Running]]:
    """Stand-ins and contenders, all ready; ends every process it has started, however it is left."""
    ports = Ports.free()
    processes = [Process(backends.program(ports, folder))]
    running = []
    for contender, port in zip(contenders, free_ports(len(contenders)), strict=True):
        process = Process(contender.make(folder, ports, port))
        running.append(Running(contender=contender, process=process, port=port))
    try:
        processes[0].start()
        wait_until_ready(processes, patience=20)
        for each in running:
            processes.append(each.process)
            each.process.start()
        wait_until_ready(processes, patience=20)
        yield running
    finally:
        stop_all(reversed(processes), patience=5)


def play(running: Sequence[Running], *, rounds: int, seconds: float, sent: Path, say: Say) -> list[Sample]:
    """All rounds, each begun by another contender; a short one before them warms everything up."""
    for each in running:
        each.measure(0, seconds=1, sent=sent)
    samples = []
    for number in range(rounds):
        first = number % len(running)
        for each in (*running[first:], *running[:first]):
            sample = each.measure(number, seconds=seconds, sent=sent)
            say(f"  round {number + 1}/{rounds}  {each.contender.title:30} {sample.per_request:6.1f} µs")
            samples.append(sample)
    return samples
