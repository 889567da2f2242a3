from __future__ import annotations

import pytest

from router.errors import InvalidPattern
from router.routing.condition import condition_of
from router.table import Condition
from tests.routing.tables import head

ASKED = head("/_matrix/x?since=s1", "PUT", x_a="one", authorization="Bearer syt_YQ_b_c")


@pytest.mark.parametrize(
    ("kind", "name", "pattern", "holds"),
    [
        ("header", "x-a", "^one$", True),
        ("header", "x-a", "^two$", False),
        ("header", "x-b", "^$", True),
        ("argument", "since", "^$", False),
        ("argument", "until", "^$", True),
        ("method", "", "^(PUT|POST)$", True),
        ("method", "", "^GET$", False),
        ("user", "", "^YQ$", True),
        ("room", "", "^$", True),
    ],
)
def test_a_condition_and_its_contrary(kind: str, name: str, pattern: str, *, holds: bool) -> None:
    for negated in (False, True):
        condition = Condition(kind=kind, name=name, pattern=pattern, negated=negated)
        assert condition_of(condition)(ASKED) is (holds is not negated)


def test_a_pattern_that_re2_does_not_take() -> None:
    with pytest.raises(InvalidPattern):
        condition_of(Condition(kind="host", pattern="("))
