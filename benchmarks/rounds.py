"""Interleaved rounds: every contender in turn, again and again, so that what disturbs one disturbs all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import backends, load
from benchmarks.contenders.place import write_certificate
from benchmarks.cpu import cpu_time
from benchmarks.memory.tree import forget_peaks, peak
from benchmarks.proxies import Contender
from benchmarks.reference import Ports, free_ports
from router.local.processes import Process, stop_all, wait_until_ready

Say = Callable[[str], None]

PATIENCE = 60.0
"""Seconds for all to be ready, on a machine that does much else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One contender in one round. `user` and `system` are CPU seconds of its process tree.

    `peak` are the bytes that the tree held resident at most, `bytes` those of the answers.
    """

    contender: str
    round: int
    requests: int
    seconds: float
    bytes: int
    user: float
    system: float
    peak: int
    p50: float
    p90: float
    p99: float
    p999: float
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
    tls: bool = False

    @property
    def pid(self) -> int:
        """Its process id, of the master where it has several processes."""
        pid = self.process.pid
        if pid is None:
            raise RuntimeError(f"{self.contender.name} does not run")
        return pid

    def measure(
        self, number: int, *, seconds: float, sent: Path, connections: int = load.CONNECTIONS
    ) -> Sample:
        """Drives it for so many seconds; raises LoadFailed."""
        forget_peaks(self.pid)
        before = cpu_time(self.pid)
        result = load.drive(self.port, seconds=seconds, sent=sent, connections=connections, tls=self.tls)
        used = cpu_time(self.pid).since(before)
        return Sample(
            contender=self.contender.name,
            round=number,
            user=used.user,
            system=used.system,
            peak=peak(self.pid),
            **result._asdict(),
        )


@contextmanager
def arena(
    folder: Path,
    contenders: Sequence[Contender],
    *,
    ports: Ports | None = None,
    tls: bool = False,
    sockets: bool = False,
) -> Iterator[list[Running]]:
    """Stand-ins on those ports and contenders, all ready; ends all that it has started, however it is left.

    With `tls` the contenders speak TLS to clients, with `sockets` they ask the stand-ins on unix sockets.
    """
    ports = ports or Ports.free()
    certificate = write_certificate(folder) if tls else None
    processes = [Process(backends.program(ports, folder, sockets=sockets))]
    running = []
    for contender, port in zip(contenders, free_ports(len(contenders)), strict=True):
        program = contender.make(folder, ports, port, sockets=sockets, certificate=certificate)
        running.append(Running(contender=contender, process=Process(program), port=port, tls=tls))
    try:
        processes[0].start()
        wait_until_ready(processes, patience=PATIENCE)
        for each in running:
            processes.append(each.process)
            each.process.start()
        wait_until_ready(processes, patience=PATIENCE)
        yield running
    finally:
        stop_all(reversed(processes), patience=5)


def play(
    running: Sequence[Running],
    *,
    rounds: int,
    seconds: float,
    sent: Path,
    say: Say,
    connections: int = load.CONNECTIONS,
    warm: bool = True,
) -> list[Sample]:
    """All rounds, each begun by another contender; a short one before them warms everything up."""
    for each in running if warm else ():
        each.measure(0, seconds=1, sent=sent, connections=connections)
    samples = []
    for number in range(rounds):
        first = number % len(running)
        for each in (*running[first:], *running[:first]):
            sample = each.measure(number, seconds=seconds, sent=sent, connections=connections)
            say(f"  round {number + 1}/{rounds}  {each.contender.title:30} {sample.per_request:8.1f} µs")
            samples.append(sample)
    return samples
