from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.percentiles import percentile, percentiles

THOUSAND = [float(each) for each in range(1, 1001)]


@pytest.mark.parametrize(
    ("share", "value"), [(0, 1), (0.1, 1), (50, 500), (99, 990), (99.9, 999), (100, 1000)]
)
def test_of_a_thousand_it_is_the_nearest_rank(share: float, value: float) -> None:
    assert percentile(THOUSAND, share) == value


def test_of_one_it_is_that_one() -> None:
    assert percentiles([7.0]) == {"p50": 7.0, "p90": 7.0, "p99": 7.0, "p99.9": 7.0}


def test_the_order_does_not_matter() -> None:
    assert percentiles(THOUSAND[::-1]) == percentiles(THOUSAND)


def test_of_nothing_there_is_none() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        percentiles([])


@given(st.lists(st.floats(0, 1e9), min_size=1), st.floats(0, 100))
def test_it_is_a_value_with_so_many_at_or_below_it(values: list[float], share: float) -> None:
    found = percentile(sorted(values), share)
    assert found in values
    # the share itself is a binary fraction: a millionth of a value more or less
    assert sum(each <= found for each in values) >= len(values) * share / 100 - 1e-6
