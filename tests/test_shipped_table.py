"""The shipped routes.yaml: every case, every documented endpoint, and whether a slip would be noticed."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from router.config.lint import lint
from router.config.loader import load, load_or_raise
from router.errors import ProxyError
from router.request import RequestHead
from router.routing.decision import Forward, decide
from router.routing.explanation import explain
from router.routing.snapshot import Snapshot
from router.routing.trace import Verdict, trace
from router.settings import Config
from router.table import Endpoint, Route, Upstream
from tests.shipped_cases import Case, expand, read_cases
from tests.table_mutants import Answers, mutants

FILE = Path(__file__).parents[1] / "routes.yaml"
CASES = read_cases()
SERVES = {
    "generic": {"generic-worker", "generic-worker-user"},
    "user_directory": {"generic-worker"},
    "stream:receipts": {"receipts"},
    "stream:typing": {"receipts"},
    "generic-worker": {"generic-worker"},
    "generic-worker-user": {"generic-worker-user"},
    "receipts": {"receipts"},
}
"""The upstreams that a documented role, or an upstream of the reference deployment, means here."""


class AllUp:
    """Every endpoint is up, and round robin is at its beginning."""

    def is_up(self, _endpoint: Endpoint) -> bool:
        return True

    def rotation(self, upstream: Upstream) -> tuple[int, ...]:
        return (0,) * len(upstream.endpoints)


@cache
def shipped() -> Config:
    return load_or_raise(FILE)


@cache
def snapshot() -> Snapshot:
    return Snapshot.build(shipped().table, shipped().settings.guard)


def written() -> tuple[Route, ...]:
    """The routes of the file, without the one that every table ends with."""
    return shipped().table.routes[:-1]


def names() -> list[str]:
    return list(dict.fromkeys(route.name for route in written()))


def outcome(case: Case) -> tuple[str | None, str | None, int | None]:
    """Upstream and route, or the status of a refusal."""
    try:
        decision = decide(snapshot(), case.head(), AllUp())
    except ProxyError as error:
        return None, None, error.status
    if isinstance(decision, Forward):
        return decision.upstream.name, decision.route.name, None
    return None, None, decision.refusal.status


def go(method: str, target: bytes) -> str:
    """The upstream's name, or `-` where the router answers by itself."""
    decision = decide(snapshot(), RequestHead(method=method, target=target, client="192.0.2.7"), AllUp())
    return decision.upstream.name if isinstance(decision, Forward) else "-"


def heads() -> list[tuple[Case, RequestHead]]:
    """The cases that get as far as the table, each with its head."""
    found = []
    for case in CASES:
        try:
            head = case.head()
        except ProxyError:
            continue
        if snapshot().guard.refuses(head) is None:
            found.append((case, head))
    return found


def test_nothing_to_find_in_the_shipped_file() -> None:
    loaded = load(FILE)
    assert (*loaded.findings, *lint(loaded)) == ()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_goes_where_the_case_says(case: Case) -> None:
    assert outcome(case) == (case.upstream, case.route, case.refused), case.because


def test_no_request_is_a_case_twice() -> None:
    seen = defaultdict(list)
    for case in CASES:
        seen[case.method, case.target].append(case.kind)
    assert {request: kinds for request, kinds in seen.items() if len(kinds) > 1} == {}


def test_every_route_is_hit() -> None:
    assert sorted(set(names()) - {case.route for case in CASES}) == []


@pytest.mark.parametrize("name", names())
def test_every_route_has_a_near_miss(name: str) -> None:
    misses = [case for case in CASES if name in case.near]
    assert misses, f"no case with `near: {name}`"
    assert all(case.route != name for case in misses)


def test_a_near_miss_is_near() -> None:
    """It differs from some request that the route takes in less than half of its letters."""
    hits = defaultdict(list)
    for case in CASES:
        hits[case.route].append(str(case).partition(": ")[2])
    far = [
        f"{case} near {name}"
        for case in CASES
        for name in case.near
        if not difflib.get_close_matches(str(case).partition(": ")[2], hits[name], n=1, cutoff=0.5)
    ]
    assert not far, "\n".join(far)


def test_trace_and_matcher_agree() -> None:
    routes = shipped().table.routes
    for case, head in heads():
        taken = next(step.route for step in trace(routes, head) if step.verdict is Verdict.TAKEN)
        assert routes[snapshot().matcher.first(head)] is taken, str(case)


def test_every_pattern_begins_where_the_path_does() -> None:
    assert [route.pattern.text for route in written() if not route.pattern.text.startswith("^/")] == []


def test_an_id_is_one_segment() -> None:
    assert [route.pattern.text for route in written() if ".*" in route.pattern.text] == []


def test_an_incremental_sync_is_explained() -> None:
    target = b"/_matrix/client/v3/sync?since=s1"
    token = (b"authorization", b"Bearer syt_YWxpY2U_x_y")
    explanation = explain(snapshot(), RequestHead(method="GET", target=target, headers=(token,)), AllUp())
    assert explanation.route is not None
    assert explanation.upstream is not None
    assert explanation.key is not None
    assert (explanation.route.name, explanation.upstream.name) == ("sync", "generic-worker-user")
    assert len(explanation.candidates) == 3
    passed_over = [step.route.name for step in explanation.steps if step.verdict is Verdict.QUERY]
    assert passed_over == ["initial_sync"]


def test_the_cases_notice_a_slip() -> None:
    """Every small fault in any line of the table changes what some case sees."""
    asked = heads()
    answers = Answers(written(), [head for _, head in asked])
    for at, (case, _) in enumerate(asked):
        route = answers.first(at)
        assert (route and route.name) == case.route, str(case)
    survivors = []
    total = 0
    for mutant in mutants(written(), list(shipped().table.upstreams)):
        total += 1
        for at, (case, _) in enumerate(asked):
            route = answers.first(at, mutant)
            if (route.name, route.upstream) != (case.route, case.upstream) if route else case.route:
                break
        else:
            survivors.append(str(mutant))
    print(f"{total - len(survivors)} of {total} mutants noticed by {len(asked)} cases")  # noqa: T201 shown by -rP
    assert not survivors, "\n".join(survivors)


def documented() -> list[list[str]]:
    lines = (FILE.parent / "tests" / "documented_endpoints.tsv").read_text(encoding="utf-8").splitlines()
    return [(line + "\t").split("\t")[:7] for line in lines if not line.startswith("#")]


@pytest.mark.parametrize("row", documented(), ids=lambda row: f"{row[0]}: {row[4]}")
def test_what_is_documented_is_covered_or_otherwise_with_a_reason(row: list[str]) -> None:
    _, pattern, methods, role, request, upstream, why = row
    method, _, target = request.partition(" ")
    assert re.search(pattern, target.partition("?")[0])
    assert methods in ("*", method)
    assert go(method, target.encode()) == upstream
    assert (upstream in SERVES.get(role, {"synapse"})) is (why == "")


def test_braces_stand_for_one_request_each() -> None:
    assert expand("GET /{a,b}/{c,d/e}") == ["GET /a/c", "GET /a/d/e", "GET /b/c", "GET /b/d/e"]
    assert expand("GET /a") == ["GET /a"]
