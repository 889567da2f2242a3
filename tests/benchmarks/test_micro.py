from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import micro
from benchmarks.inmemory import lane
from benchmarks.mix import MIX
from benchmarks.proxies import routes_yaml
from benchmarks.reference import Ports
from router.config.loader import load_or_raise
from router.settings import Config


@pytest.fixture
def config(tmp_path: Path) -> Config:
    file = tmp_path / "routes.yaml"
    file.write_text(routes_yaml(tmp_path, Ports.free(), 41000))
    return load_or_raise(file)


def test_a_lane_carries_every_request_of_the_mix(config: Config) -> None:
    with lane(config) as opened:
        records = [opened.record_of(request.raw("ada")) for request in MIX]
    assert [record.status for record in records] == [200] * len(MIX)
    assert [record.bytes_in for record in records] == [len(request.body) for request in MIX]


def test_parts_add_up_to_the_whole(config: Config) -> None:
    parts = micro.parts(config, seconds=0.1)
    whole = parts.pop(micro.WHOLE)
    assert sum(parts.values()) == pytest.approx(whole)
    assert all(parts[name] > 0 for name in micro.PARTS)


def test_deciding_names_each_path(config: Config) -> None:
    lines = micro.deciding(config.table, seconds=0.1)
    assert [line.path.partition(":")[0] for line in lines] == [
        "best",
        "worst",
        "the mix, mean of 8",
        "hostile",
    ]
    assert all(min(line.loop, line.match, line.decide) > 0 for line in lines)


def test_the_loop_asks_methods_and_query_too() -> None:
    table = load_or_raise(Path(__file__).parents[2] / "routes.yaml").table
    loop = micro.OrderedLoop(table)
    first = loop.first(micro.head_of(MIX[0]))
    assert table.routes[first].name == "sync"
    assert table.routes[loop.first(micro.head_of(MIX[0]._replace(path="/_matrix/client/v3/sync")))].name == (
        "initial_sync"
    )
