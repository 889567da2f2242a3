"""The shipped routes.yaml: every case, every documented endpoint, and whether a slip would be noticed."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from router.config.lint import lint
from router.config.loader import load, load_or_raise
from router.errors import ProxyError
from router.request import RequestHead
from router.routing.decision import Forward, Refuse, decide
from router.routing.explanation import explain
from router.routing.snapshot import Snapshot
from router.routing.trace import Verdict as Step
from router.routing.trace import trace
from router.routing.view import EveryEndpointUp
from router.settings import Config
from router.synapse import catalogue, reasons
from router.synapse.coverage import Judged, Verdict, judge
from router.synapse.endpoints import summary
from router.synapse.reasons import review
from router.table import Route
from tests.shipped_cases import Case, expand, read_cases
from tests.table_mutants import Answers, Mutant, mutants, swapped

FILE = Path(__file__).parents[1] / "routes.yaml"
CASES = read_cases()
FURTHER_DOWN = [
    replace(case, target=b"/x" + case.target, upstream=None, route=None, refused=404, near=frozenset())
    for case in CASES
    if case.upstream and case.target.startswith(b"/") and b".." not in case.target
]
"""The requests that are forwarded, each below another path: nobody's."""
SERVES = {
    "generic": {"generic-worker", "generic-worker-user", "generic-worker-room", "generic-worker-origin"},
    "user_directory": {"generic-worker"},
    "stream:receipts": {"receipts"},
    "stream:typing": {"receipts"},
    "generic-worker": {"generic-worker", "generic-worker-origin"},
    "generic-worker-user": {"generic-worker-user"},
    "receipts": {"receipts"},
}
"""The upstreams that a documented role, or an upstream of the reference deployment, means here."""


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
        decision = decide(snapshot(), case.head(), EveryEndpointUp())
    except ProxyError as error:
        return None, None, error.status
    if isinstance(decision, Forward):
        return decision.upstream.name, decision.route.name, None
    return None, None, (decision.refusal if isinstance(decision, Refuse) else decision.response).status


def go(method: str, target: bytes) -> str:
    """The upstream's name, or `-` where the router answers by itself."""
    decision = decide(
        snapshot(), RequestHead(method=method, target=target, client="192.0.2.7"), EveryEndpointUp()
    )
    return decision.upstream.name if isinstance(decision, Forward) else "-"


def heads(cases: Sequence[Case]) -> list[tuple[Case, RequestHead]]:
    """The cases that get as far as the table, each with its head."""
    found = []
    for case in cases:
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
    far = [f"{case} near {name}" for case in CASES for name in case.near if not _resembles(case, hits[name])]
    assert not far, "\n".join(far)


def _resembles(case: Case, hits: list[str]) -> bool:
    matcher = difflib.SequenceMatcher(b=str(case).partition(": ")[2], autojunk=False)
    for hit in hits:
        matcher.set_seq1(hit)
        if matcher.real_quick_ratio() >= 0.5 and matcher.ratio() >= 0.5:
            return True
    return False


def test_trace_and_matcher_agree() -> None:
    routes = shipped().table.routes
    for case, head in heads(CASES):
        taken = next(step.route for step in trace(routes, head) if step.verdict is Step.TAKEN)
        assert routes[snapshot().matcher.first(head)] is taken, str(case)


def test_every_pattern_begins_where_the_path_does() -> None:
    assert [route.pattern.text for route in written() if not route.pattern.text.startswith("^/")] == []


def test_an_id_is_one_segment() -> None:
    assert [route.pattern.text for route in written() if ".*" in route.pattern.text] == []


def test_an_incremental_sync_is_explained() -> None:
    target = b"/_matrix/client/v3/sync?since=s1"
    token = (b"authorization", b"Bearer syt_YWxpY2U_x_y")
    explanation = explain(
        snapshot(), RequestHead(method="GET", target=target, headers=(token,)), EveryEndpointUp()
    )
    assert explanation.route is not None
    assert explanation.upstream is not None
    assert explanation.key is not None
    assert (explanation.route.name, explanation.upstream.name) == ("sync", "generic-worker-user")
    assert len(explanation.candidates) == 3
    passed_over = [step.route.name for step in explanation.steps if step.verdict is Step.QUERY]
    assert passed_over == ["initial_sync"]


def test_nothing_is_found_further_down_a_path() -> None:
    assert [str(case) for case in FURTHER_DOWN if outcome(case) != (None, None, 404)] == []


def candidates(target: str, token: str = "opaque") -> list[str]:
    """The instances that a request of the holder of that token may go to, the first one first."""
    fields = ((b"authorization", f"Bearer {token}".encode()),)
    head = RequestHead(method="GET", target=target.encode(), headers=fields, client="192.0.2.7")
    decision = decide(snapshot(), head, EveryEndpointUp())
    assert isinstance(decision, Forward)
    return [each.instance or "" for each in decision.candidates]


def test_all_pages_of_a_room_come_from_one_worker_whoever_asks() -> None:
    chosen = set()
    for number in range(40):
        spelled = (f"!r{number}", f"%21r{number}", f"%21%72{number}")
        asked = {
            candidates(f"/_matrix/client/{version}/rooms/{room}/messages?from=t{number}", token)[0]
            for version in ("v3", "r0")
            for room in spelled
            for token in ("syt_YWxpY2U_x_y", "mat_a", "mct_b")
        }
        assert len(asked) == 1, spelled
        chosen |= asked
    assert chosen == {"generic1", "generic2", "generic3"}


@pytest.mark.parametrize("token", ["syt_YWxpY2U_x_y", "mat_opaque", "mct_opaque"])
def test_all_syncs_of_a_user_come_to_one_worker(token: str) -> None:
    old, sliding = "/_matrix/client/v3/sync", "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"
    asked = {tuple(candidates(target, token)) for target in (old, f"{old}?since=s1", sliding)}
    assert len(asked) == 1


def test_single_sign_on_happens_in_one_process() -> None:
    routes = [case for case in CASES if case.route == "sso"]
    assert {tuple(candidates(case.target.decode())) for case in routes} == {("main",)}


def noticed(mutant: Mutant, asked: Sequence[tuple[Case, RequestHead]], answers: Answers) -> bool:
    """Whether some case would fail on that table."""
    for at, (case, _) in enumerate(asked):
        route = answers.first(at, mutant)
        if (route.name, route.upstream) != (case.route, case.upstream) if route else case.route:
            return True
    return False


def test_the_cases_notice_a_slip(tally: Callable[[str], None]) -> None:
    """Every small fault in any line of the table, and every change of places, changes what some case sees."""
    asked = heads([*CASES, *FURTHER_DOWN])
    answers = Answers(written(), [head for _, head in asked])
    for at, (case, _) in enumerate(asked):
        route = answers.first(at)
        assert (route and route.name) == case.route, str(case)
    survivors = []
    kinds = {
        "faults in one line": list(mutants(written(), list(shipped().table.upstreams))),
        "changes of places": list(swapped(written())),
    }
    for kind, all_of_kind in kinds.items():
        lived = [str(mutant) for mutant in all_of_kind if not noticed(mutant, asked, answers)]
        survivors += lived
        score = len(all_of_kind) - len(lived)
        tally(f"mutation score: {score} of {len(all_of_kind)} {kind} are noticed by {len(asked)} cases")
    assert not survivors, "\n".join(survivors)


@cache
def judged() -> tuple[Judged, ...]:
    return tuple(judge(snapshot(), catalogue.shipped()))


def test_every_endpoint_of_synapse_goes_to_who_can_serve_it(tally: Callable[[str], None]) -> None:
    tally("\n".join(summary(catalogue.shipped(), judged())))
    assert [str(one) for one in judged() if one.verdict is Verdict.WRONG] == []


def test_what_main_serves_is_what_reasons_are_given_for() -> None:
    reviewed = review(judged(), reasons.shipped())
    assert [str(one) for one in reviewed.unexplained] == []
    assert [reason.path.pattern for reason in reviewed.unused] == []


IDS = st.text(st.sampled_from("ab!$@#:~-._=;%/é\n")).map(
    lambda text: quote(text, safe="!$@:~=;")
) | st.sampled_from(
    [
        "sync",
        "messages",
        "typing",
        "receipt",
        "read_markers",
        "state",
        "send",
        "rooms",
        "tags",
        "filter",
        "logout",
    ]
)


@given(one=st.deferred(lambda: st.sampled_from(judged())), name=IDS)
def test_an_endpoint_is_served_whatever_stands_for_an_id(one: Judged, name: str) -> None:
    """`xx` is what `paths` fills in for an id."""
    path = "/".join(name if segment == "xx" else segment for segment in one.path.split("/"))
    assume(re.match(one.endpoint.pattern, path))
    assert go(one.endpoint.method, path.encode()) == (one.upstream or "-")


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
