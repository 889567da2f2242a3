from __future__ import annotations

import pytest

from benchmarks.backends import Worker
from benchmarks.proxies import CONTENDERS, ROUTER
from benchmarks.scenarios import ALL, MAIN, SCENARIOS, Scenario
from tests.benchmarks.test_backends import Written, received

each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)


def test_all_contenders_are_known_by_their_names() -> None:
    assert tuple(each.name for each in CONTENDERS) == ALL
    assert set(MAIN) < set(ALL)
    assert len({each.name for each in SCENARIOS}) == len(SCENARIOS)


@each_scenario
def test_whoever_has_a_target_takes_part(scenario: Scenario) -> None:
    assert {ROUTER, *scenario.targets} <= set(scenario.contenders) <= set(ALL)
    assert ROUTER not in scenario.targets


@each_scenario
def test_each_request_is_answered_and_as_large_as_is_said(scenario: Scenario) -> None:
    for raw in scenario.requests()[:4]:
        worker, transport = Worker(), Written()
        worker.connection_made(transport)
        received(worker, raw)
        (answer,) = transport.sent
        larger = max(len(raw), len(answer)) / (1 << 20)
        assert scenario.mebibytes <= larger < scenario.mebibytes * 1.05 + 0.01


@each_scenario
def test_only_one_of_them_ends_its_connections(scenario: Scenario) -> None:
    closing = [b"\r\nConnection: close\r\n" in raw for raw in scenario.requests()]
    assert set(closing) == {scenario.name == "new-connections"}
