from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.memory import remember


def test_what_is_remembered_is_given_back_and_found() -> None:
    memory: dict[str, int] = {}
    assert remember(memory, "a", 1, 2) == 1
    assert remember(memory, "b", 2, 2) == 2
    assert memory == {"a": 1, "b": 2}


def test_a_full_memory_is_emptied_for_the_next_one() -> None:
    memory = {"a": 1, "b": 2}
    remember(memory, "c", 3, 2)
    assert memory == {"c": 3}


@given(st.lists(st.integers(0, 20)), st.integers(1, 8))
def test_it_never_has_more_than_it_may_and_always_the_last(keys: list[int], most: int) -> None:
    memory: dict[int, int] = {}
    for key in keys:
        remember(memory, key, -key, most)
        assert memory[key] == -key
        assert len(memory) <= most
