from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.routing import hashing as hashing_module
from router.routing.balancer import Balancer, Choice
from router.routing.hashing import IpHash, hashed_octets
from router.routing.policy import balancer_for
from router.table import Policy, Upstream
from tests.routing.tables import BY_USER, IP_HASH, View, by_header, head, ports, upstream

ADDRESSES = st.ip_addresses().map(str)
PORTS = [8101, 8102, 8103]


def users(*weights: int) -> Upstream:
    return upstream("users", *PORTS[: len(weights)], policy=by_header("x-key"), weights=weights)


def chosen(of: Upstream | Balancer, view: View, key: str = "", client: str = "192.0.2.7") -> Choice:
    balancer = balancer_for(of) if isinstance(of, Upstream) else of
    return balancer.choose(head("/", client=client, **({"x_key": key} if key else {})), view)


def turns(of: Upstream, count: int, view: View) -> list[int]:
    """The ports that the first candidates have, each step committed."""
    balancer = balancer_for(of)
    seen = []
    for _ in range(count):
        candidates, _, rotation = balancer.choose(head("/"), view)
        seen.append(ports(candidates)[0])
        if rotation is not None:
            view.weights[of.name] = rotation
    return seen


def test_round_robin_is_smooth() -> None:
    weighted = upstream("w", 1, 2, 3, weights=(5, 1, 1))
    assert turns(weighted, 7, View()) == [1, 1, 2, 1, 3, 1, 1]
    assert turns(upstream("w", 1, 2, 3), 6, View()) == [1, 2, 3, 1, 2, 3]


def test_round_robin_leaves_out_what_is_down_and_takes_it_back() -> None:
    three = upstream("w", 1, 2, 3)
    view = View(down=frozenset({2}))
    assert turns(three, 4, view) == [1, 3, 1, 3]
    view.down = frozenset()
    assert turns(three, 3, view) == [1, 2, 3]


def test_round_robin_orders_all_that_are_up() -> None:
    weighted = upstream("w", 1, 2, 3, weights=(1, 2, 3))
    candidates, key, rotation = chosen(weighted, View())
    assert ports(candidates) == [3, 2, 1]
    assert key == b""
    assert rotation == (1, 2, -3)


def test_a_single_endpoint_is_neither_hashed_nor_rotated() -> None:
    for policy in (Policy(), IP_HASH, BY_USER):
        alone = upstream("one", 1, policy=policy)
        assert chosen(alone, View()) == (alone.endpoints, b"", None)
        assert chosen(alone, View(down=frozenset({1}))) == ((), b"", None)


@pytest.mark.parametrize("policy", [Policy(), IP_HASH, by_header("x-key")])
def test_nothing_up_is_no_candidate(policy: Policy) -> None:
    down = View(down=frozenset(PORTS))
    candidates, _, rotation = chosen(upstream("w", *PORTS, policy=policy), down, key="k")
    assert candidates == ()
    assert rotation is None


@pytest.mark.parametrize(
    ("client", "octets"),
    [
        ("192.0.2.7", b"\xc0\x00\x02"),
        ("192.0.2.250", b"\xc0\x00\x02"),
        ("::ffff:192.0.2.7", b"\0" * 10 + b"\xff\xff\xc0\x00\x02\x07"),
        ("fe80::1%eth0", b"\xfe\x80" + b"\0" * 13 + b"\x01"),
        ("", b"\0\0\0"),
    ],
)
def test_what_ip_hash_hashes(client: str, octets: bytes) -> None:
    assert hashed_octets(client) == octets
    assert chosen(upstream("w", 1, 2, policy=IP_HASH), View(), client=client)[1] == octets


@pytest.mark.parametrize(("weights", "port"), [((1, 3), 2), ((4, 2), 1), ((3, 1), 2), ((3, 3), 2)])
def test_ip_hash_by_hand(weights: tuple[int, int], port: int) -> None:
    # For 192.0.2: (89*113+192) % 6271 = 3978, (3978*113+0) % 6271 = 4273, (4273*113+2) % 6271 = 6255, and
    # 6255 is 3 modulo 4 and modulo 6.
    two = upstream("w", 1, 2, policy=IP_HASH, weights=weights)
    assert ports(chosen(two, View())[0])[0] == port


def test_no_address_is_an_error_and_not_a_guess() -> None:
    with pytest.raises(ValueError, match="localhost"):
        chosen(upstream("w", 1, 2, policy=IP_HASH), View(), client="localhost")


@given(
    st.sampled_from([IP_HASH, by_header("x-key")]),
    st.text("abcdef", min_size=1),
    ADDRESSES,
    st.sets(st.sampled_from(PORTS)),
)
def test_candidates_are_what_is_up_once_each(policy: Policy, key: str, client: str, down: set[int]) -> None:
    three = upstream("w", *PORTS, policy=policy, weights=(1, 2, 1))
    candidates, _, _ = chosen(three, View(down=frozenset(down)), key=key, client=client)
    assert sorted(ports(candidates)) == sorted(set(PORTS) - down)


@given(st.sampled_from([IP_HASH, by_header("x-key")]), st.text("abcdef", min_size=1), ADDRESSES)
def test_the_second_candidate_is_the_first_one_s_stand_in(policy: Policy, key: str, client: str) -> None:
    three = upstream("w", *PORTS, policy=policy)
    whole, _, _ = chosen(three, View(), key=key, client=client)
    without, _, _ = chosen(three, View(down=frozenset(ports(whole)[:1])), key=key, client=client)
    assert ports(without)[0] == ports(whole)[1]


def test_an_empty_key_is_round_robin() -> None:
    view = View()
    assert turns(users(1, 1, 1), 4, view) == [8101, 8102, 8103, 8101]


def test_a_hashed_choice_does_not_rotate() -> None:
    assert chosen(users(1, 1, 1), View(), key="k")[2] is None


def test_keys_are_spread_by_weight() -> None:
    uneven = balancer_for(users(1, 3))
    spread = Counter(ports(chosen(uneven, View(), key=f"user{n}")[0])[0] for n in range(2000))
    assert 0.15 < spread[8101] / 2000 < 0.35


def test_after_twenty_tries_round_robin_chooses() -> None:
    # One point in 161 is the first endpoint's: with the other down, most keys come to it by rotation only.
    heavy = balancer_for(users(1, 160))
    rotated = [chosen(heavy, View(down=frozenset({8102})), key=f"user{n}") for n in range(200)]
    assert {tuple(ports(candidates)) for candidates, _, _ in rotated} == {(8101,)}
    assert sum(rotation is not None for _, _, rotation in rotated) > 150
    whole = [chosen(heavy, View(), key=f"user{n}") for n in range(200)]
    assert all(len(candidates) == 2 and rotation is None for candidates, _, rotation in whole)


def test_endpoints_of_one_name_share_its_points() -> None:
    twins = upstream("w", 1, 1, 2, policy=by_header("x-key"))
    assert sorted(ports(chosen(twins, View(), key="k")[0])) == [1, 1, 2]


def test_memories_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing_module, "MOST_REMEMBERED", 8)
    balancer = balancer_for(upstream("w", *PORTS, policy=IP_HASH))
    fresh = upstream("w", *PORTS, policy=IP_HASH)
    for number in range(100):
        client = f"10.0.{number}.1"
        assert balancer.choose(head("/", client=client), View()) == chosen(fresh, View(), client=client)
    assert isinstance(balancer, IpHash)
    assert len(balancer._keys) <= 8
    assert len(balancer._remembered) <= 8
