"""Every case of tests/http/ on this router, and each of its expectations turned wrong once."""

from __future__ import annotations

import pytest

from tests.http.cases import Case, all_cases
from tests.http.clean import dirt
from tests.http.ours import by_ours
from tests.http.table import committed, generated, objection, rendered, said
from tests.http.verdict import faults, perturbed

CASES = all_cases()
ASKED, ROWS = committed()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_case(case: Case) -> None:
    outcome = await by_ours(case)
    assert faults(case, outcome) == []
    assert [each for request in outcome.requests for each in dirt(request)] == []
    unnoticed = [what for what, wrong in perturbed(case) if not faults(wrong, outcome)]
    assert unnoticed == [], "these expectations can be wrong and nothing fails"
    assert case.id in ROWS, "docs/http.md lacks it: make http"
    assert said(case, outcome) == ROWS[case.id].ours, "docs/http.md says otherwise: make http"
    assert objection(case, ROWS[case.id]) == ""


def test_the_table_is_written_by_its_command() -> None:
    assert ROWS.keys() == {case.id for case in CASES}, "make http"
    assert generated() == rendered(CASES, ROWS, ASKED), "make http"
