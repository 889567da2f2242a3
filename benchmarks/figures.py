"""From samples to the numbers that are told: medians, ratios within a round, and targets met or missed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.proxies import CONTENDERS, ROUTER
from benchmarks.rounds import Sample
from benchmarks.scenarios import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One contender over all rounds: medians; times in microseconds, `ratio` is ours over theirs.

    `user` and `system` are for one request. `peak` is the largest of all rounds, in bytes.
    """

    contender: str
    title: str
    user: float
    system: float
    per_second: float
    p50: float
    p90: float
    p99: float
    p999: float
    peak: int
    ratio: float
    lowest: float
    highest: float
    errors: int

    @property
    def cpu(self) -> float:
        """User and system."""
        return self.user + self.system


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A target of the router against one contender in one scenario, and the ratio that was measured."""

    scenario: str
    contender: str
    title: str
    ratio: float
    lowest: float
    highest: float
    target: float

    @property
    def met(self) -> bool:
        """Whether the median is at most the target."""
        return self.ratio <= self.target


def ratios(samples: Iterable[Sample], contender: str) -> list[float]:
    """The router's CPU per request over the contender's, in each round that has both."""
    by_round: dict[int, dict[str, Sample]] = {}
    for sample in samples:
        by_round.setdefault(sample.round, {})[sample.contender] = sample
    return [
        each[ROUTER].per_request / each[contender].per_request
        for each in by_round.values()
        if ROUTER in each and contender in each and each[contender].per_request
    ]


def rows(samples: Sequence[Sample]) -> list[Row]:
    """The contenders that took part, in their order."""
    found = []
    for contender in CONTENDERS:
        own = [sample for sample in samples if sample.contender == contender.name]
        against = ratios(samples, contender.name)
        if not own or not against:
            continue
        found.append(
            Row(
                contender=contender.name,
                title=contender.title,
                user=median(1e6 * each.user / each.requests for each in own),
                system=median(1e6 * each.system / each.requests for each in own),
                per_second=median(each.requests / each.seconds for each in own),
                p50=median(each.p50 for each in own),
                p90=median(each.p90 for each in own),
                p99=median(each.p99 for each in own),
                p999=median(each.p999 for each in own),
                peak=max(each.peak for each in own),
                ratio=median(against),
                lowest=min(against),
                highest=max(against),
                errors=sum(each.errors for each in own),
            )
        )
    return found


def verdicts(scenario: Scenario, measured: Iterable[Row]) -> list[Verdict]:
    """Those targets of a scenario whose contender took part."""
    return [
        Verdict(
            scenario=scenario.name,
            contender=row.contender,
            title=row.title,
            ratio=row.ratio,
            lowest=row.lowest,
            highest=row.highest,
            target=scenario.targets[row.contender],
        )
        for row in measured
        if row.contender in scenario.targets
    ]
