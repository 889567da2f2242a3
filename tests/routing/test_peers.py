from __future__ import annotations

from dataclasses import replace

from router.routing.peers import Peers
from tests.routing.tables import View, ports, upstream

THREE = upstream("u", 1, 2, 3, weights=(1, 2, 1))


def test_those_that_are_up_are_bits() -> None:
    peers = Peers(THREE)
    assert peers.up(View()) == 0b111
    assert peers.up(View(down=frozenset({2}))) == 0b101
    first, *rest = THREE.endpoints
    assert Peers(replace(THREE, endpoints=(replace(first, down=True), *rest))).up(View()) == 0b110


def test_a_value_leads_to_a_place_by_the_weights() -> None:
    assert [Peers(THREE).place(value) for value in range(6)] == [0, 1, 1, 2, 0, 1]


def test_a_walk_ends_after_twenty_places_that_lead_nowhere() -> None:
    peers = Peers(THREE)
    nowhere = iter([(0,)] * 20 + [(2,)])
    assert ports(peers.walk(0b100, nowhere, stays=False)) == [3]
    assert peers.walk(0b100, iter([(0,)] * 21 + [(2,)]), stays=False) == ()


def test_who_was_not_walked_to_comes_by_round_robin() -> None:
    peers = Peers(THREE)
    hashed = (THREE.endpoints[2],)
    candidates, key, rotation = peers.complete(View(), 0b111, hashed, b"k")
    assert (ports(candidates), key, rotation) == ([3, 2, 1], b"k", None)
    candidates, _, rotation = peers.complete(View(), 0b111, (), b"k")
    assert (ports(candidates), rotation) == ([2, 1, 3], (1, -2, 1))
