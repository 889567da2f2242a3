"""The committed table holds what a real nginx and a real HAProxy do, of the versions that it names."""

from __future__ import annotations

import pytest

from tests.http.cases import all_cases
from tests.http.table import committed, theirs, versions

pytestmark = [pytest.mark.nginx, pytest.mark.xdist_group("nginx")]


@pytest.mark.timeout(300)
def test_nginx_and_haproxy_do_what_the_table_says() -> None:
    """What differs is asked again, a few at a time: a busy machine answers late."""
    asked, rows = committed()
    cases = [case for case in all_cases() if case.id in rows]
    for _ in range(3):
        by_nginx, by_haproxy = theirs(cases)
        cases = [
            case
            for case in cases
            if not case.alone
            and (by_nginx[case.id], by_haproxy[case.id]) != (rows[case.id].nginx, rows[case.id].haproxy)
        ]
        if not cases:
            return
    differing = [f"{rows[case.id]} is {by_nginx[case.id]!r}, {by_haproxy[case.id]!r}" for case in cases]
    if asked != versions():
        pytest.skip(f"the table is of {asked}, and {versions()} do otherwise: {differing}")
    assert differing == [], "docs/http.md says otherwise: make http"
