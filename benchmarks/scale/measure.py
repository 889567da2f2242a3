"""CPU per request at each size of what grows: client connections, or routes; all sizes side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import backends, load, mix, reference
from benchmarks.cpu import cpu_time
from benchmarks.reference import Ports, Rule, free_ports
from benchmarks.scale import holder, tables
from benchmarks.scale.contenders import Contender, room
from benchmarks.stage import pid_of, up
from router.local.processes import Process

Say = Callable[[str], None]

ACTIVE = load.CONNECTIONS
"""Connections that ask all the time, or all of them where there are fewer."""

CONNECTIONS, ROUTES = "connections", "routes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What grows, and its sizes; the smallest is what the others are compared with."""

    name: str
    title: str
    sizes: tuple[int, ...]

    def idle(self, size: int) -> int:
        """Connections that stay open and ask nothing."""
        return max(0, size - ACTIVE) if self.name == CONNECTIONS else 0

    def active(self, size: int) -> int:
        """Connections that ask all the time."""
        return min(size, ACTIVE) if self.name == CONNECTIONS else ACTIVE

    def rules(self, size: int) -> Sequence[Rule]:
        """The table, without the last route, which takes all."""
        return tables.rules(size - 1) if self.name == ROUTES else reference.rules()

    def requests(self, size: int) -> Sequence[bytes]:
        """What is asked."""
        return tables.requests(size - 1) if self.name == ROUTES else mix.requests()

    def fitting(self) -> tuple[int, ...]:
        """The sizes for which there are descriptors enough: one process holds the idle ones of all sizes."""
        return tuple(size for at, size in enumerate(self.sizes) if sum(self.sizes[: at + 1]) <= room())


SERIES = (
    Series(
        name=CONNECTIONS, title="open client connections, 64 of them active", sizes=(10, 100, 1000, 10_000)
    ),
    Series(name=ROUTES, title="routes", sizes=(10, 100, 300, 1000)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One contender at one size in one round."""

    series: str
    size: int
    contender: str
    round: int
    requests: int
    cpu: float
    """Seconds of its process tree."""

    errors: int

    @property
    def per_request(self) -> float:
        """Microseconds of CPU for one request."""
        return self.cpu / self.requests * 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A contender of one size that listens."""

    contender: Contender
    process: Process
    port: int
    size: int
    sent: Path

    def measure(self, series: Series, number: int, *, seconds: float) -> Sample:
        """Drives it for so many seconds; raises LoadFailed."""
        pid = pid_of(self.process)
        before = cpu_time(pid)
        result = load.drive(self.port, seconds=seconds, sent=self.sent, connections=series.active(self.size))
        return Sample(
            series=series.name,
            size=self.size,
            contender=self.contender.name,
            round=number,
            requests=result.requests,
            cpu=cpu_time(pid).since(before).total,
            errors=result.errors,
        )


@contextmanager
def stage(series: Series, contenders: Sequence[Contender], folder: Path) -> Iterator[list[Running]]:
    """Each contender in each size, with its idle clients; ends every process it has started.

    Raises LoadFailed where idle clients did not stay.
    """
    ports, sizes = Ports.free(), series.fitting()
    wanted = [(contender, size) for contender in contenders for size in sizes]
    with ExitStack() as stack:
        stack.enter_context(up(backends.program(ports, folder)))
        running = []
        for (contender, size), port in zip(wanted, free_ports(len(wanted)), strict=True):
            own = folder / f"{contender.name}-{size}"
            own.mkdir()
            program = contender.make(own, ports, port, series.rules(size))
            (process,) = stack.enter_context(up(program))
            sent = load.write_requests(own, series.requests(size))
            running.append(Running(contender=contender, process=process, port=port, size=size, sent=sent))
        holders = [
            holder.program(folder, f"holder-{contender.name}", idle)
            for contender in contenders
            if (idle := _idle(series, contender, running))
        ]
        held = stack.enter_context(up(*holders))
        yield running
        for process in held:
            if not process.running or holder.CLOSED in process.log_end():
                raise load.LoadFailed(f"idle clients did not stay:\n{process.log_end()}")


def _idle(series: Series, contender: Contender, running: Sequence[Running]) -> dict[int, int]:
    own = (each for each in running if each.contender is contender)
    return {each.port: count for each in own if (count := series.idle(each.size))}


def play(
    series: Series, running: Sequence[Running], *, rounds: int, seconds: float, say: Say
) -> list[Sample]:
    """All rounds, each begun by another one; a short one before them warms everything up."""
    for each in running:
        each.measure(series, 0, seconds=1)
    # Sizes and contenders in turn, so that what is compared is measured soon after one another.
    ordered = sorted(running, key=lambda each: (each.size, each.contender.name), reverse=True)
    samples = []
    for number in range(rounds):
        first = number % len(ordered)
        for each in (*ordered[first:], *ordered[:first]):
            sample = each.measure(series, number, seconds=seconds)
            what = f"{each.size:6,} {series.name:12} {each.contender.title:12}"
            say(f"  round {number + 1}/{rounds}  {what} {sample.per_request:6.1f} µs")
            samples.append(sample)
    return samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One contender at one size over all rounds: microseconds, and the ratio to its smallest size."""

    size: int
    cpu: float
    lowest: float
    highest: float
    ratio: float
    errors: int


def points(samples: Sequence[Sample], series: str, contender: str) -> list[Point]:
    """By size; the ratio is taken within a round, then its median."""
    own = [each for each in samples if (each.series, each.contender) == (series, contender)]
    sizes = sorted({each.size for each in own})
    smallest = {each.round: each.per_request for each in own if each.size == sizes[0]}
    found = []
    for size in sizes:
        here = [each for each in own if each.size == size]
        spent = [each.per_request for each in here]
        found.append(
            Point(
                size=size,
                cpu=median(spent),
                lowest=min(spent),
                highest=max(spent),
                ratio=median(each.per_request / smallest[each.round] for each in here),
                errors=sum(each.errors for each in here),
            )
        )
    return found
