"""The committed table holds what a real nginx and a real HAProxy do, of the versions that it names."""

from __future__ import annotations

import pytest

from tests.absence import absent
from tests.http.cases import all_cases
from tests.http.table import committed, theirs, versions

pytestmark = [pytest.mark.nginx, pytest.mark.xdist_group("nginx")]


@pytest.mark.timeout(300)
def test_nginx_and_haproxy_do_what_the_table_says() -> None:
    asked, rows = committed()
    cases = [case for case in all_cases() if case.id in rows]
    answers = theirs(cases, rows)
    differing = [
        f"{rows[name]} is {answer}"
        for name, answer in answers.items()
        if answer != (rows[name].nginx, rows[name].haproxy)
    ]
    if differing and asked != versions():
        absent(f"the table is of {asked}, and {versions()} do otherwise (make http): {differing}")
    assert differing == [], "docs/http.md says otherwise: make http"
