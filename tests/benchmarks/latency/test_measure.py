"""Both lanes in small, with real processes: the router adds something, and nothing fails."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import proxies
from benchmarks.latency import measure
from benchmarks.latency.measure import (
    DIRECT,
    GENERATOR,
    PROXY,
    WORKERS,
    Cores,
    Sample,
    added,
    kept_to,
    times,
)
from benchmarks.latency.openloop import Outcome, read_plan
from benchmarks.latency.relay import RELAY
from benchmarks.load import LoadFailed


def outcome(**spent: float) -> Outcome:
    """All is well."""
    return Outcome(asked=10, answered=10, errors=0, seconds=1, late=50, waited=1, times=spent)


SAMPLES = [
    Sample(lane=DIRECT, round=0, outcome=outcome(p50=100, p99=300), waits={}),
    Sample(lane="router", round=0, outcome=outcome(p50=250, p99=500), waits={}),
    Sample(lane="router", round=1, outcome=outcome(p50=900, p99=2000), waits={}),
    Sample(lane=DIRECT, round=1, outcome=outcome(p50=800, p99=1900), waits={}),
    Sample(lane="router", round=2, outcome=outcome(p50=1, p99=1), waits={}),  # its other half is missing
]


def test_what_is_added_is_taken_within_a_round() -> None:
    assert added(SAMPLES, "router", "p50") == [150, 100]
    assert added(SAMPLES, "router", "p99") == [200, 100]
    assert times(SAMPLES, DIRECT, "p99") == [300, 1900]


@pytest.mark.parametrize(
    ("usable", "proxies", "others"),
    [({0, 1}, {0}, {1}), ({7, 3, 5}, {3}, {5, 7}), ({2}, {2}, {2})],
    ids=["two", "three", "only one"],
)
def test_a_proxy_has_a_core_of_its_own(usable: set[int], proxies: set[int], others: set[int]) -> None:
    assert Cores.of(usable) == Cores(proxies=frozenset(proxies), others=frozenset(others))


def test_what_is_started_on_a_core_stays_there() -> None:
    before = os.sched_getaffinity(0)
    one = {max(before)}
    with kept_to(one):
        started = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with started:
        assert os.sched_getaffinity(started.pid) == one
        started.communicate(b"\n")
    assert os.sched_getaffinity(0) == before


@pytest.mark.timeout(180)  # a dozen processes, on a machine that may be busy
def test_the_router_and_straight_in_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxies, "CONTENDERS", [each for each in proxies.CONTENDERS if not each.needs])
    monkeypatch.setattr(measure, "RELAY", dataclasses.replace(RELAY, needs="a program that nobody has"))
    said: list[str] = []
    with measure.lanes(tmp_path) as lanes:
        assert [lane.name for lane in lanes] == [DIRECT, proxies.ROUTER]
        ports = {port for port, _ in read_plan(lanes[0].file)}
        assert len(ports) == 5, "the mix goes to every worker"
        samples = measure.play(lanes, rate=200, rounds=2, seconds=0.5, say=said.append)
        with pytest.raises(ValueError, match="only a proxy"):
            measure.saturation(lanes[0], turns=1, seconds=1, folder=tmp_path, say=said.append)
    assert [(each.round, each.lane) for each in samples] == [
        *((0, DIRECT), (0, proxies.ROUTER)),
        *((1, proxies.ROUTER), (1, DIRECT)),
    ]
    assert [(each.outcome.answered, each.outcome.errors) for each in samples] == [(100, 0)] * 4
    assert len(said) == 4
    for sample in samples:
        names = {GENERATOR, WORKERS} | ({PROXY} if sample.lane != DIRECT else set())
        assert set(sample.waits) == names
        assert all(0 <= each < 1_000_000 for each in sample.waits.values())
    with pytest.raises(LoadFailed, match="straight to the worker"):  # nothing is left running
        measure.drive(lanes[0], rate=10, seconds=0.1)
