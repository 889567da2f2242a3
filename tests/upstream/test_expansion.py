"""From written endpoints to found ones: by cases, and what moves by property."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.routing.ring import Ring
from router.table import DnsAddress, Endpoint, TcpAddress, Upstream
from router.upstream.expansion import MOST_IN_ALL, MOST_WEIGHT, Found, expand, of_addresses, of_services
from router.upstream.resolver import Service
from tests.wire import tcp

WORKERS = DnsAddress(name="worker", port=8008)
SERVICE = DnsAddress(name="_http._tcp.synapse")
LITERAL = tcp(8101, "10.0.0.1", instance="generic1")


def upstream(*endpoints: Endpoint) -> Upstream:
    return Upstream(name="u", endpoints=endpoints)


def dns(address: DnsAddress = WORKERS, weight: int = 1) -> Endpoint:
    return Endpoint(address=address, weight=weight)


def expanded(written: Upstream, *addresses: str, address: DnsAddress = WORKERS) -> Upstream:
    return expand({"u": written}, {address: of_addresses(addresses, address.port or 0)})["u"]


def names(upstream: Upstream) -> list[tuple[str, int]]:
    return [(each.name, each.weight) for each in upstream.endpoints]


def test_one_endpoint_for_each_address_in_the_place_where_it_is_written() -> None:
    written = upstream(LITERAL, dns(weight=3), tcp(8109, "synapse"))
    assert names(expanded(written, "10.0.0.5", "2001:db8::1")) == [
        ("10.0.0.1:8101", 1),
        ("10.0.0.5:8008", 3),
        ("[2001:db8::1]:8008", 3),
        ("synapse:8109", 1),
    ]


def test_each_is_bounded_as_the_one_that_is_written() -> None:
    written = upstream(Endpoint(address=WORKERS, max_requests=7))
    assert [each.max_requests for each in expanded(written, "10.0.0.5", "10.0.0.6").endpoints] == [7, 7]


def test_what_is_not_found_stays_as_it_is_written() -> None:
    written = upstream(LITERAL, dns())
    assert expanded(written) == written


def test_an_upstream_without_dns_is_the_same_object() -> None:
    written = upstream(LITERAL)
    assert expand({"u": written}, {})["u"] is written


def test_duplicates_count_once_and_what_is_written_wins() -> None:
    written = upstream(
        dns(weight=2), LITERAL, tcp(8008, "10.0.0.5", weight=7), dns(DnsAddress(name="x", port=8008))
    )
    found = of_addresses(["10.0.0.5", "10.0.0.6"], 8008)
    both = expand({"u": written}, {WORKERS: found, DnsAddress(name="x", port=8008): found})["u"]
    assert names(both) == [("10.0.0.6:8008", 2), ("10.0.0.1:8101", 1), ("10.0.0.5:8008", 7)]


def record(target: str, weight: int = 0, priority: int = 1, port: int = 8008) -> Service:
    return Service(priority=priority, weight=weight, port=port, target=target)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], []),
        ([record("b", 50), record("a", 50)], [("a:8008", 1), ("b:8008", 1)]),
        ([record("a", 33), record("b", 33), record("c", 33)], [("a:8008", 1), ("b:8008", 1), ("c:8008", 1)]),
        ([record("a", 60), record("b", 40)], [("a:8008", 3), ("b:8008", 2)]),
        ([record("a", 0), record("b", 0)], [("a:8008", 1), ("b:8008", 1)]),
        ([record("a", 0), record("b", 5)], [("a:8008", 1), ("b:8008", 5)]),
        ([record("a", 65535), record("b", 1)], [("a:8008", MOST_WEIGHT), ("b:8008", 1)]),
        ([record("a", priority=20), record("b", priority=10)], [("b:8008", 1)]),
        ([record("a", port=1), record("a", port=2)], [("a:1", 1), ("a:2", 1)]),
        ([record("A.Example", 1), record("a.example", 2)], [("a.example:8008", 1)]),
        ([record("a", port=0), record("", 5)], []),
    ],
)
def test_services(records: list[Service], expected: list[tuple[str, int]]) -> None:
    assert [(str(each.address), each.weight) for each in of_services(records)] == expected


@given(
    st.lists(st.builds(record, st.sampled_from("abcd"), st.integers(0, 65535), st.integers(0, 2))),
    st.randoms(),
)
def test_the_order_of_records_is_no_matter(records: list[Service], order: random.Random) -> None:
    shuffled = records[:]
    order.shuffle(shuffled)
    assert of_services(shuffled) == of_services(records)
    assert all(1 <= each.weight <= MOST_WEIGHT for each in of_services(records))


def test_many_uneven_weights_make_no_ring_that_takes_seconds() -> None:
    found = of_services([record(f"w{weight}", weight) for weight in range(1, 101)])
    assert len(found) == 100
    assert sum(each.weight for each in found) <= MOST_IN_ALL + len(found)
    weights = {each.address.host: each.weight for each in found}
    assert weights["w1"] == 1
    assert weights["w100"] == pytest.approx(2 * weights["w50"], abs=1)
    even = of_services([record(f"w{number}", 7) for number in range(1000)])
    assert {each.weight for each in even} == {1}


def test_a_service_brings_its_weights() -> None:
    found = of_services([record("a", 60), record("b", 40)])
    assert names(expand({"u": upstream(dns(SERVICE))}, {SERVICE: found})["u"]) == [
        ("a:8008", 3),
        ("b:8008", 2),
    ]
    assert found[0] == Found(address=TcpAddress(host="a", port=8008), weight=3)


@given(st.integers(0, 10_000), st.integers(2, 8))
def test_one_endpoint_more_takes_its_share_of_the_keys_and_moves_no_other(seed: int, number: int) -> None:
    """A consistent hash: about one key of n moves, and each of them to the one that came."""
    hosts = random.Random(seed).sample([f"10.0.{a}.{b}" for a in range(20) for b in range(20)], number)
    before = Ring(expanded(upstream(dns()), *hosts[:-1]).endpoints)
    after = Ring(expanded(upstream(dns()), *hosts).endpoints)
    keys = [b"user%d" % each for each in range(400)]
    owners = [(before.names[before.position(key)], after.names[after.position(key)]) for key in keys]
    moved = [new for old, new in owners if new != old]
    assert set(moved) <= {f"{hosts[-1]}:8008"}
    assert 0.2 / number < len(moved) / len(keys) < 2.5 / number
