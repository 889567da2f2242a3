from __future__ import annotations

import json

import pytest

from benchmarks.cpu import CpuTime
from benchmarks.micro import WHOLE, Deciding
from benchmarks.profile import summarise
from benchmarks.proxies import HANDLER, ROUTER, TUNED
from benchmarks.report import Results, as_json, as_markdown, ratios, rows, table
from benchmarks.rounds import Sample


def sample(contender: str, number: int, microseconds: float) -> Sample:
    """A thousand requests at that price, three quarters of it in user mode."""
    spent = microseconds * 1000 / 1e6
    return Sample(
        contender=contender,
        round=number,
        requests=1000,
        seconds=0.5,
        user=spent * 0.75,
        system=spent * 0.25,
        p50=1000.0,
        p90=2000.0,
        p99=3000.0,
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


def test_rows_are_medians_and_sums() -> None:
    ours, tuned = rows(ROUNDS)
    assert (ours.contender, tuned.contender) == (ROUTER, TUNED)
    assert ours.ratio == 1.0
    assert (tuned.ratio, tuned.lowest, tuned.highest) == pytest.approx((1.5, 1.2, 2.0))
    assert (ours.cpu, ours.user, ours.system) == pytest.approx((30, 22.5, 7.5))
    assert tuned.per_second == 2000
    assert tuned.errors == 3


def test_markdown_shows_what_there_is() -> None:
    results = Results(
        machine={"python": "3"},
        deciding={"shipped": [Deciding("best", 4.0, 2.0, 3.0)]},
        parts={"decide": 1.0, WHOLE: 4.0},
        samples=ROUNDS,
        profile=summarise(["60.00%|libpython3.11.so|[.] eval"], CpuTime(3, 1)),
        missing=["HAProxy: not installed"],
    )
    text = as_markdown(results)
    assert (
        "| nginx tuned | 20.0 | 15.0 | 5.0 | 2,000 | 1.0 | 3.0 | **1.50** (1.20-2.00) | ≤ 1.0 | 3 |" in text
    )
    assert "| decide | 1.00 | 25 |" in text
    assert "| best | 4.00 | 2.00 | 3.00 | 2.0 |" in text
    assert "**Not measured:** HAProxy: not installed" in text
    assert "User 75 %, system 25 %." in text


def test_markdown_leaves_out_what_there_is_not() -> None:
    text = as_markdown(Results(machine={"python": "3"}))
    assert "##" not in text


def test_json_keeps_every_sample() -> None:
    document = json.loads(as_json(Results(machine={}, samples=ROUNDS)))
    assert [each["round"] for each in document["samples"]] == [0, 0, 1, 1, 2, 2]
    assert document["rows"][1]["ratio"] == 1.5


def test_a_table_has_a_line_for_each_row() -> None:
    assert table(("a", "b"), [("x", "1")]) == "| a | b |\n| --- | ---: |\n| x | 1 |"
