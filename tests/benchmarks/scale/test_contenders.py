from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks.reference import Ports
from benchmarks.scale import contenders, tables
from benchmarks.straight import Straight
from router.config.loader import load, load_or_raise
from tests.real_nginx import program

PORTS = Ports(synapse=41001, generic=(41002, 41003, 41004), receipts=41005)


@pytest.mark.parametrize("count", [9, 999])
def test_the_router_takes_its_file(tmp_path: Path, count: int) -> None:
    contenders.router(tmp_path, PORTS, 41000, tables.rules(count))
    loaded = load(tmp_path / "routes.yaml")
    assert loaded.config is not None
    assert not loaded.findings
    assert loaded.config.settings.limits.connections == contenders.room()
    routes = loaded.config.table.routes
    assert len(routes) == count + 2, "with the one that takes all, and the loader's own"
    upstreams = [route.upstream for route in routes[:count]]
    assert upstreams == [rule.upstream for rule in tables.rules(count)]


def test_its_requests_go_to_every_upstream(tmp_path: Path) -> None:
    contenders.router(tmp_path, PORTS, 41000, tables.rules(99))
    straight = Straight(load_or_raise(tmp_path / "routes.yaml"))
    assert {straight.port_of(raw) for raw in tables.requests(99)[:1024]} == set(PORTS.all())


@pytest.mark.nginx
@pytest.mark.parametrize("count", [9, 999])
def test_nginx_takes_its_file(tmp_path: Path, count: int) -> None:
    nginx = program()
    contenders.nginx(tmp_path, PORTS, 41000, tables.rules(count))
    checked = subprocess.run(
        [nginx, "-t", "-q", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")],
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, b"")
