from __future__ import annotations

import pytest

from router.config.nodes import Scalar
from router.errors import Source

PLACE = Source(file="f", line=3, column=7, length=9)


@pytest.mark.parametrize(
    ("text", "null"), [("", True), ("~", True), ("null", True), ("nil", False), ("0", False)]
)
def test_nothing_is_written_in_three_ways(text: str, null: bool) -> None:
    assert Scalar(text=text, source=PLACE).is_null is null
    assert Scalar(text=text, source=PLACE, quoted=True).is_null is False


def test_a_part_is_the_whole_where_quoting_hides_it() -> None:
    assert Scalar(text="^/a(b", source=PLACE).part(2, 1) == PLACE
    assert Scalar(text="^/a(b", source=PLACE, verbatim=8).part(3, 1) == Source(file="f", line=3, column=11)
    assert Scalar(text="^/a(b", source=PLACE, verbatim=8).part(3, 0) == PLACE
