from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import proxies
from benchmarks.mix import MIX, USERS
from benchmarks.reference import Ports
from benchmarks.straight import Straight
from router.config.loader import load_or_raise

PORTS = Ports(synapse=41001, generic=(41002, 41003, 41004), receipts=41005)


@pytest.fixture
def straight(tmp_path: Path) -> Straight:
    file = tmp_path / "routes.yaml"
    file.write_text(proxies.routes_yaml(tmp_path, PORTS, 41000), encoding="utf-8")
    return Straight(load_or_raise(file))


def test_each_request_of_the_mix_goes_where_the_table_sends_it(straight: Straight) -> None:
    asked = {request.name: request for request in MIX}
    places = {
        name: {straight.port_of(request.raw(f"user{number}")) for number in range(USERS)}
        for name, request in asked.items()
    }
    assert places["sync"] == set(PORTS.generic), "by user, over all three"
    assert places["typing"] == places["receipt"] == {PORTS.receipts}
    assert places["messages"] == {PORTS.synapse}, "of which the reference has no rule"
    for name in ("send", "keys", "profile", "transaction"):
        assert len(places[name]) == 1, "by address, which is one"
        assert places[name] <= set(PORTS.generic)


def test_what_the_router_answers_by_itself_has_no_port(straight: Straight) -> None:
    with pytest.raises(LookupError, match="/_synapse/replication/x"):
        straight.port("GET", b"/_synapse/replication/x", [])
