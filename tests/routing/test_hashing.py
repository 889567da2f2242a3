from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.routing.hashing import ConsistentHash, Hash, hashed_octets
from router.routing.policy import balancer_for
from router.table import HashKey, Policy, PolicyKind, Upstream
from tests.routing.tables import View, by_header, head, ports, upstream

PLAIN = Policy(kind=PolicyKind.HASH, keys=(HashKey(kind="header", name="x-key"),))
KEYS = [f"key-{number}" for number in range(3000)]


def order(of: Upstream, key: str, view: View) -> list[int]:
    return ports(balancer_for(of).choose(head("/", x_key=key), view)[0])


@pytest.mark.parametrize(
    ("client", "octets"),
    [("192.0.2.7", b"\xc0\0\2"), ("::1", b"\0" * 15 + b"\1"), ("", b"\0\0\0"), ("192.0.3.7", b"\xc0\0\3")],
)
def test_what_an_address_gives_to_hash(client: str, octets: bytes) -> None:
    assert hashed_octets(client) == octets


def test_a_hash_goes_on_past_who_is_down_and_leaves_the_other_keys_where_they_are() -> None:
    of = upstream("u", 1, 2, 3, policy=PLAIN, weights=(1, 2, 1))
    assert isinstance(balancer_for(of), Hash)
    for key in KEYS[:300]:
        every = order(of, key, View())
        assert sorted(every) == [1, 2, 3]
        without = order(of, key, View(down=frozenset({every[0]})))
        assert without == every[1:]


def test_a_key_comes_to_each_by_its_weight() -> None:
    of = upstream("u", 1, 2, 3, policy=PLAIN, weights=(1, 2, 1))
    counted = Counter(order(of, key, View())[0] for key in KEYS)
    assert 0.4 < counted[2] / len(KEYS) < 0.6


def test_without_a_key_round_robin_takes_its_turn() -> None:
    for policy in (PLAIN, by_header("x-key")):
        of = upstream("u", 1, 2, policy=policy)
        candidates, key, rotation = balancer_for(of).choose(head("/"), View())
        assert (ports(candidates), key, rotation) == ([1, 2], b"", (-1, 1))


@given(st.integers(2, 9), st.data())
def test_one_endpoint_more_or_less_moves_only_keys_of_its_own(count: int, data: st.DataObject) -> None:
    """About one key in n, and none between two endpoints that stay."""
    before = upstream("u", *range(8101, 8101 + count), policy=by_header("x-key"))
    gone = data.draw(st.integers(0, count - 1))
    left = tuple(each for place, each in enumerate(before.endpoints) if place != gone)
    after = replace(before, endpoints=left) if len(left) > 1 else before
    if after is before:
        return
    old, new = balancer_for(before), balancer_for(after)
    assert isinstance(old, ConsistentHash)
    moved = 0
    for key in KEYS[:300]:
        asked = head("/", x_key=key)
        had, has = old.choose(asked, View())[0], new.choose(asked, View())[0]
        assert has[0] is (had[1] if had[0] is before.endpoints[gone] else had[0])
        moved += had[0] is not has[0]
    assert moved < 300 * 2.5 / count
