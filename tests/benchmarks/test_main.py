from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as bench
from benchmarks import load, polls, proxies, rounds
from benchmarks.reference import Ports
from benchmarks.report import Results
from benchmarks.scenarios import SCENARIOS, Scenario
from router.errors import ProcessFailed
from tests.absence import absent

OURS = [proxies.CONTENDERS[0]]
BRIEF = dataclasses.replace(bench.QUICK, rounds=1, round=1)
MIB = 1 << 20


def scenario(name: str) -> Scenario:
    (found,) = (each for each in SCENARIOS if each.name == name)
    return dataclasses.replace(found, polls=min(found.polls, 40), weight=1)


@pytest.fixture
def wrk() -> None:
    if load.wrk() is None:
        absent("wrk is not installed (apt-get install wrk)")


@pytest.mark.usefixtures("wrk")
@pytest.mark.parametrize(("name", "size"), [("media-down", MIB), ("json-64k", MIB // 16), ("tls", 200)])
def test_a_scenario_is_played_and_carries_what_it_says(name: str, size: int) -> None:
    (sample,) = bench.compare(scenario(name), BRIEF, OURS)
    assert (sample.contender, sample.errors) == (proxies.ROUTER, 0)
    assert sample.bytes >= sample.requests * size > 0
    assert sample.user > 0
    assert sample.peak > 10 * MIB
    assert 0 < sample.p50 <= sample.p90 <= sample.p99 <= sample.p999


@pytest.mark.usefixtures("wrk")
def test_long_polls_wait_meanwhile(tmp_path: Path) -> None:
    ports, sent = Ports.free(), load.write_requests(tmp_path)
    with rounds.arena(tmp_path, OURS, ports=ports) as running, polls.waiting(running, ports, 40):
        (sample,) = rounds.play(running, rounds=1, seconds=1, sent=sent, say=print, warm=False)
    assert sample.errors == 0


def test_long_polls_that_end_are_a_failure(tmp_path: Path) -> None:
    ports = Ports.free()
    with (
        rounds.arena(tmp_path, OURS, ports=ports) as running,
        pytest.raises(load.LoadFailed, match=r"\d+ of 40 long polls ended"),
        polls.waiting(running, ports, 40),
    ):
        running[0].process.kill()


def test_without_wrk_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "wrk", lambda: None)
    results = Results(machine={})
    assert not bench.run(BRIEF, ["small"], results)
    assert results.missing[-1] == "whatever needs a client: wrk is not installed"
    assert not results.samples


def test_what_fails_is_said_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def compare(scenario: Scenario, *_: object) -> list[rounds.Sample]:
        if scenario.name == "small":
            raise load.LoadFailed("nobody answered")
        if scenario.name == "unix":
            raise ProcessFailed("backends was not ready. The end of its log:\n    (nothing)")
        return []

    monkeypatch.setattr(load, "wrk", lambda: "wrk")
    monkeypatch.setattr(bench, "compare", compare)
    results = Results(machine={})
    assert bench.run(BRIEF, ["small", "unix", "tls"], results)
    assert "small JSON: nobody answered" in results.missing
    assert results.missing[-1].endswith("backends was not ready. The end of its log:")
    assert list(results.samples) == ["tls"]


def test_scenarios_are_named_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--quick", "--only", "tls", "unix", "--rounds", "3"])
    options = bench._arguments()
    assert (options.only, options.rounds, options.quick) == (["tls", "unix"], 3, True)
