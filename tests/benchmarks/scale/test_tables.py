from __future__ import annotations

import re
from itertools import pairwise

import pytest

from benchmarks.scale import tables
from benchmarks.scale.contenders import CONTENDERS
from router.http1.requests import end_of_request_head, parse_request
from router.observe.redaction import signs_of_secrets
from router.routing.snapshot import MOST_SEEN
from router.settings import Limits

SIZES = (9, 99, 299, 999)


@pytest.fixture(scope="module")
def patterns() -> list[re.Pattern[str]]:
    """Of the largest table, whose beginning every smaller one is."""
    return [re.compile(rule.pattern) for rule in tables.rules(tables.LARGEST)]


def test_a_smaller_table_is_the_beginning_of_a_larger_one() -> None:
    assert tables.rules(99) == tables.rules(1000)[:99]
    assert len(set(tables.rules(1000))) == 1000


def test_no_word_is_a_part_of_another() -> None:
    words = {tables.word(number) for number in range(tables.LARGEST)}
    assert len(words) == tables.LARGEST
    assert {len(each) for each in words} == {11}


def test_no_word_looks_like_a_secret() -> None:
    # One line that may hold one has all lines that wait with it read again, in some tables and not in others.
    sign = re.compile(signs_of_secrets(), re.IGNORECASE)
    assert not [word for word in map(tables.word, range(tables.LARGEST)) if sign.search(word.encode())]


@pytest.mark.parametrize("size", SIZES)
def test_each_path_is_taken_by_its_own_rule_and_no_other(size: int, patterns: list[re.Pattern[str]]) -> None:
    for number in tables.hit(size):
        for of in (0, tables.IDS - 1):
            path = tables.path(number, of).partition("?")[0]
            assert [at for at, pattern in enumerate(patterns) if pattern.search(path)] == [number]


@pytest.mark.parametrize("size", SIZES)
def test_every_shape_is_asked_for_once_all_over_the_table(size: int) -> None:
    found = tables.hit(size)
    assert [number % len(tables.SHAPES) for number in found] == list(range(len(tables.SHAPES)))
    assert max(found) < size
    assert list(found) == sorted(found)
    if size > 64:
        steps = [after - before for before, after in pairwise(found)]
        assert min(steps) > size / 16
        assert found[0] < size / 8 < 7 * size / 8 < found[-1]


def test_what_is_asked_is_as_long_whatever_the_size() -> None:
    assert len({len(b"".join(tables.requests(size))) for size in SIZES}) == 1
    raw = tables.requests(999)
    assert len(raw) == len(tables.SHAPES) * tables.IDS
    for each in raw[:8]:
        assert parse_request(each[: end_of_request_head(each, 0, Limits())], Limits()).method == "GET"


def test_more_paths_are_asked_for_than_are_remembered() -> None:
    paths = {raw.split(b" ")[1].partition(b"?")[0] for raw in tables.requests(99)}
    assert len(paths) > 1.4 * MOST_SEEN


def test_there_are_words_for_a_thousand_and_rules_for_eight() -> None:
    with pytest.raises(ValueError, match="1000 rules"):
        tables.rules(1001)
    with pytest.raises(ValueError, match="8 shapes"):
        tables.hit(7)


def test_the_router_is_one_of_two() -> None:
    assert [each.name for each in CONTENDERS] == ["router", "nginx"]
