from __future__ import annotations

import dataclasses
import json

import pytest

from benchmarks.latency.measure import DIRECT, GENERATOR, PROXY, WORKERS, Sample
from benchmarks.latency.openloop import Outcome
from benchmarks.latency.relay import NAME as RELAY
from benchmarks.latency.report import NAMES, Results, as_json, as_markdown
from benchmarks.proxies import ROUTER


def sample(lane: str, number: int, microseconds: float) -> Sample:
    """The same at every percentile; later rounds wait longer for a core."""
    times = dict.fromkeys(NAMES, microseconds)
    proxy = {} if lane == DIRECT else {PROXY: 0.5}
    return Sample(
        lane=lane,
        round=number,
        outcome=Outcome(
            asked=100, answered=100, errors=number, seconds=1.0, late=40.0, waited=number, times=times
        ),
        waits={GENERATOR: number, WORKERS: 7.25, **proxy},
    )


def results(*through: float, saturation: float | None = 2000) -> Results:
    """Straight it takes 100 µs, through the router so many in each round."""
    samples = [sample(DIRECT, number, 100) for number in range(len(through))]
    samples += [sample(ROUTER, number, each) for number, each in enumerate(through)]
    lanes = [(DIRECT, "straight to the worker"), (ROUTER, "through router")]
    return Results(
        machine={"python": "3"},
        saturation=saturation,
        rate=1000,
        lanes=lanes,
        samples=samples,
        missing=["nginx tuned: not installed"],
    )


def test_a_line_for_each_lane_and_one_for_what_is_added() -> None:
    text = as_markdown(results(300, 350, 800))
    assert text.startswith("# Added latency at half of saturation\n")
    assert "1,000 requests a second, half of the 2,000 at which the router is saturated" in text
    assert "| straight to the worker | 0.10 | 0.10 | 0.10 | 0.10 | 3 |" in text
    assert "| through router | 0.35 | 0.35 | 0.35 | 0.35 | 3 |" in text
    assert "| added through router (lowest to highest) | **0.25** (0.20 to 0.70) |" in text
    assert "- not measured: nginx tuned: not installed" in text


@pytest.mark.parametrize(("through", "verdict"), [(600, "met"), (601, "missed")])
def test_the_target_stands_beside_what_was_measured(through: float, verdict: str) -> None:
    assert f"0.50 ms; target ≤ 0.5 ms: **{verdict}**" in as_markdown(results(through))


def test_a_rate_that_was_asked_for_is_said_and_held_against_no_target() -> None:
    text = as_markdown(results(300, saturation=None))
    assert text.startswith("# Added latency at 1,000 requests a second\n")
    assert "1,000 requests a second, as asked for" in text
    assert "p99 added by the router: 0.20 ms\n" in text


def test_who_had_to_wait_for_a_core_is_said() -> None:
    text = as_markdown(results(300, 350, 800))
    assert "| | generator | workers | proxy |" in text
    assert "| straight to the worker | 1.0 | 7.2 |  |" in text
    assert "| through router | 1.0 | 7.2 | 0.5 |" in text


def test_a_relay_says_what_the_machine_costs() -> None:
    through = results(300, 350, 800)
    assert "relay" not in as_markdown(through)
    relayed = dataclasses.replace(through, samples=[*through.samples, sample(RELAY, 0, 440)])
    assert "p99 added by a relay that reads nothing: 0.34 ms, the price" in as_markdown(relayed)


def test_json_keeps_every_sample() -> None:
    document = json.loads(as_json(results(300, 350, 800)))
    assert document["added"] == {ROUTER: dict.fromkeys(NAMES, 250)}
    assert len(document["samples"]) == 6
    assert document["samples"][3] | {"times": None} == {
        "lane": ROUTER,
        "round": 0,
        "asked": 100,
        "answered": 100,
        "errors": 0,
        "seconds": 1.0,
        "late": 40.0,
        "waited": 0,
        "waits": {"generator": 0, "workers": 7.25, "proxy": 0.5},
        "times": None,
    }
