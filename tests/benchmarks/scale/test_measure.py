"""Both series in small, with real processes, and what is made of the figures."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest

from benchmarks import load
from benchmarks.load import LoadFailed
from benchmarks.scale import contenders, measure
from benchmarks.scale.contenders import CONTENDERS
from benchmarks.scale.holder import CLOSED
from benchmarks.scale.measure import CONNECTIONS, ROUTES, SERIES, Sample, Series, points, stage
from tests.absence import absent

ROUTER = [each for each in CONTENDERS if not each.needs]
BY_NAME = {series.name: series for series in SERIES}


def sample(size: int, number: int, microseconds: float, contender: str = "router") -> Sample:
    """A thousand requests at that price."""
    return Sample(
        series=ROUTES,
        size=size,
        contender=contender,
        round=number,
        requests=1000,
        cpu=microseconds / 1000,
        errors=number,
    )


def test_a_ratio_is_taken_within_a_round() -> None:
    samples = [
        *(sample(10, 0, 50), sample(1000, 0, 55)),
        *(sample(1000, 1, 240), sample(10, 1, 200)),  # the whole machine was busy
        *(sample(10, 2, 60), sample(1000, 2, 60)),
        sample(10, 0, 1, "nginx"),
    ]
    smallest, largest = points(samples, ROUTES, "router")
    assert (smallest.size, largest.size) == (10, 1000)
    assert (smallest.ratio, smallest.cpu, smallest.errors) == pytest.approx((1.0, 60, 3))
    assert (largest.ratio, largest.lowest, largest.highest) == pytest.approx((1.1, 55, 240))
    assert points(samples, CONNECTIONS, "router") == []


def test_64_are_active_and_the_rest_is_idle() -> None:
    series = BY_NAME[CONNECTIONS]
    assert [(series.active(size), series.idle(size)) for size in series.sizes] == [
        *((10, 0), (64, 36), (64, 936), (64, 9936)),
    ]
    assert {len(series.rules(size)) for size in series.sizes} == {71}


def test_the_routes_grow_and_the_connections_do_not() -> None:
    series = BY_NAME[ROUTES]
    assert [len(series.rules(size)) + 1 for size in series.sizes] == [10, 100, 300, 1000]
    assert {(series.active(size), series.idle(size)) for size in series.sizes} == {(64, 0)}


def test_sizes_without_descriptors_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contenders, "descriptor_limit", lambda: 1024)
    assert BY_NAME[CONNECTIONS].fitting() == (10, 100)


def small(name: str, *sizes: int) -> Series:
    return dataclasses.replace(BY_NAME[name], sizes=sizes)


@pytest.mark.timeout(180)  # several processes, on a machine that may be busy
def test_idle_clients_stay_while_others_ask(tmp_path: Path) -> None:
    if load.wrk() is None:
        absent("wrk is not installed")
    series = small(CONNECTIONS, 10, 100)
    said: list[str] = []
    with stage(series, ROUTER, tmp_path) as running:
        assert [each.size for each in running] == [10, 100]
        samples = measure.play(series, running, rounds=1, seconds=1, say=said.append)
        assert (tmp_path / "holder-router.pid").exists()
    assert [(each.size, each.errors) for each in samples] == [(100, 0), (10, 0)]
    assert all(each.requests > 100 and each.cpu > 0 for each in samples)
    assert len(said) == 2
    assert not list(tmp_path.rglob("*.pid")), "nothing is left running"


@pytest.mark.timeout(180)  # several processes, on a machine that may be busy
def test_each_size_has_its_own_table(tmp_path: Path) -> None:
    with stage(small(ROUTES, 10, 100), ROUTER, tmp_path) as running:
        texts = [(tmp_path / f"router-{each.size}" / "routes.yaml").read_text() for each in running]
        assert [text.count('"path": "^/_matrix') for text in texts] == [9, 99]
        assert not (tmp_path / "holder-router.pid").exists()


@pytest.mark.timeout(180)  # several processes, on a machine that may be busy
def test_an_idle_client_that_is_closed_fails_the_run(tmp_path: Path) -> None:
    def kill_the_router() -> None:
        with stage(small(CONNECTIONS, 10, 80), ROUTER, tmp_path) as running:
            running[1].process.kill()
            log, deadline = tmp_path / "holder-router.log", time.monotonic() + 10
            while CLOSED not in log.read_text() and time.monotonic() < deadline:
                time.sleep(0.05)

    with pytest.raises(LoadFailed, match=r"(?s)did not stay:.*has closed a connection"):
        kill_the_router()
