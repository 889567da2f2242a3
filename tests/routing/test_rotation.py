from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from router.routing.rotation import lowered, take_turn


def turns(weights: tuple[int, ...], count: int, rotation: tuple[int, ...] = ()) -> list[int]:
    rotation = rotation or (0,) * len(weights)
    seen = []
    for _ in range(count):
        chosen, rotation = take_turn(rotation, weights, range(len(weights)))
        seen.append(chosen)
    return seen


def test_turns_are_smooth() -> None:
    assert turns((5, 1, 1), 7) == [0, 0, 1, 0, 2, 0, 0]


def test_only_those_asked_about_take_turns() -> None:
    assert take_turn((0, 0, 0), (1, 1, 1), [1, 2]) == (1, (0, -1, 1))


def test_who_has_failed_comes_less_often_until_its_weight_is_back() -> None:
    rotation = lowered((0, 0), (4, 1), 0, max_fails=1)
    assert rotation == (0, 0, 0, 1)
    assert turns((4, 1), 8, rotation) == [1, 0, 1, 0, 0, 0, 1, 0]


def test_a_part_of_the_weight_goes_with_each_failure() -> None:
    rotation = lowered((0, 0), (5, 1), 0, max_fails=2)
    assert rotation == (0, 0, 3, 1)
    assert lowered(lowered(rotation, (5, 1), 0, max_fails=2), (5, 1), 0, max_fails=2) == (0, 0, 0, 1)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6).map(tuple))
def test_each_gets_its_share_and_then_all_begins_anew(weights: tuple[int, ...]) -> None:
    seen = turns(weights, sum(weights))
    assert [Counter(seen)[index] for index in range(len(weights))] == list(weights)
    assert turns(weights, 2 * sum(weights)) == seen * 2
