from __future__ import annotations

import dataclasses

import pytest

from benchmarks.figures import ratios, rows, verdicts
from benchmarks.proxies import HANDLER, ROUTER, TUNED
from benchmarks.rounds import Sample
from benchmarks.scenarios import SMALL


def sample(contender: str, number: int, microseconds: float) -> Sample:
    """A thousand requests at that price, three quarters of it in user mode."""
    spent = microseconds * 1000 / 1e6
    return Sample(
        contender=contender,
        round=number,
        requests=1000,
        seconds=0.5,
        bytes=600_000,
        user=spent * 0.75,
        system=spent * 0.25,
        peak=(20 + number) << 20,
        p50=1000.0,
        p90=2000.0,
        p99=3000.0,
        p999=4000.0,
        errors=number,
    )


ROUNDS = [
    *(sample(ROUTER, 0, 30), sample(TUNED, 0, 20)),
    *(sample(TUNED, 1, 100), sample(ROUTER, 1, 200)),  # the whole machine was busy
    *(sample(ROUTER, 2, 24), sample(TUNED, 2, 20)),
]


def test_a_ratio_is_taken_within_a_round() -> None:
    assert ratios(ROUNDS, TUNED) == pytest.approx([1.5, 2.0, 1.2])


def test_a_round_without_the_other_gives_no_ratio() -> None:
    assert ratios([*ROUNDS, sample(ROUTER, 3, 1)], TUNED) == pytest.approx([1.5, 2.0, 1.2])
    assert ratios(ROUNDS, HANDLER) == []


def test_rows_are_medians_sums_and_peaks() -> None:
    ours, tuned = rows(ROUNDS)
    assert (ours.contender, tuned.contender) == (ROUTER, TUNED)
    assert ours.ratio == 1.0
    assert (tuned.ratio, tuned.lowest, tuned.highest) == pytest.approx((1.5, 1.2, 2.0))
    assert (ours.cpu, ours.user, ours.system) == pytest.approx((30, 22.5, 7.5))
    assert tuned.per_second == 2000
    assert (tuned.p50, tuned.p90, tuned.p99, tuned.p999) == (1000, 2000, 3000, 4000)
    assert tuned.peak == 22 << 20
    assert tuned.errors == 3


@pytest.mark.parametrize(("target", "met"), [(1.49, False), (1.5, True)])
def test_a_target_is_met_by_the_median(target: float, met: bool) -> None:
    aim = dataclasses.replace(SMALL, targets={TUNED: target, HANDLER: 0.1})
    (verdict,) = verdicts(aim, rows(ROUNDS))
    assert (verdict.contender, verdict.target) == (TUNED, target)
    assert verdict.ratio == pytest.approx(1.5)
    assert verdict.met == met
