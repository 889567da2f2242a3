from __future__ import annotations

from dataclasses import replace

from router.routing.policy import balancer_for
from router.routing.turns import LeastConn, Single
from router.table import Policy, PolicyKind, Upstream
from tests.routing.tables import View, head, ports, upstream

LEAST = Policy(kind=PolicyKind.LEAST_CONN)


def marked(of: Upstream, *, down: tuple[int, ...] = (), backup: tuple[int, ...] = ()) -> Upstream:
    endpoints = (
        replace(each, down=place in down, backup=place in backup) for place, each in enumerate(of.endpoints)
    )
    return replace(of, endpoints=tuple(endpoints))


def order(of: Upstream, view: View) -> list[int]:
    candidates, _, rotation = balancer_for(of).choose(head("/"), view)
    if rotation is not None:
        view.weights[of.name] = rotation
    return ports(candidates)


def test_who_has_least_to_do_for_its_weight_comes_first() -> None:
    of = upstream("u", 1, 2, 3, policy=LEAST, weights=(1, 2, 4))
    assert isinstance(balancer_for(of), LeastConn)
    assert order(of, View(load={1: 1, 2: 1, 3: 3})) == [2, 3, 1]
    assert order(of, View(load={1: 0, 2: 1, 3: 1}))[0] == 1


def test_equal_ones_take_turns_and_an_only_one_takes_none() -> None:
    of = upstream("u", 1, 2, 3, policy=LEAST)
    view = View()
    assert [order(of, view)[0] for _ in range(4)] == [1, 2, 3, 1]
    busy = View(load={1: 1, 2: 0, 3: 1})
    assert order(of, busy)[0] == 2
    assert order(of, busy)[0] == 2


def test_who_is_down_is_no_candidate() -> None:
    of = upstream("u", 1, 2, 3, policy=LEAST)
    assert order(of, View(down=frozenset({1}), load={2: 1}))[:2] == [3, 2]
    for policy in (LEAST, Policy()):
        assert 1 not in order(marked(upstream("u", 1, 2, 3, policy=policy), down=(0,)), View())


def test_a_backup_comes_behind_all_others_and_alone_where_they_are_down() -> None:
    for policy in (LEAST, Policy()):
        of = marked(upstream("u", 1, 2, 3, 4, policy=policy), backup=(0, 1))
        view = View()
        assert [order(of, view) for _ in range(2)] == [[3, 4, 1, 2], [4, 3, 1, 2]]
        alone = View(down=frozenset({3, 4}))
        assert [order(of, alone) for _ in range(2)] == [[1, 2], [2, 1]]


def test_the_only_endpoint_may_be_marked_down() -> None:
    of = upstream("u", 1)
    assert isinstance(balancer_for(of), Single)
    assert order(of, View()) == [1]
    assert order(marked(of, down=(0,)), View()) == []
