from __future__ import annotations

import pytest

from router.synapse.coverage import Judged, Verdict
from router.synapse.reasons import parse, review, shipped
from tests.synapse.test_coverage import endpoint

TEXT = """\
# a comment

choice\tPUT,DELETE\t/tags/\tmain writes them
only\t*\t/logout$\tmain alone has it
closed\tGET\t^/$\tnobody needs it
"""


def judged(method: str, path: str, verdict: Verdict) -> Judged:
    one = endpoint(f"^{path}$", "main", method=method)
    return Judged(endpoint=one, path=path, route=None, upstream="main", verdict=verdict)


def test_lines_are_read() -> None:
    reasons = parse(TEXT)
    assert [(each.line, each.verdict, each.methods, each.reason) for each in reasons] == [
        (3, Verdict.CHOICE, frozenset({"PUT", "DELETE"}), "main writes them"),
        (4, Verdict.ONLY, None, "main alone has it"),
        (5, Verdict.CLOSED, frozenset({"GET"}), "nobody needs it"),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("choice\tPUT\t/tags/", "line 1: verdict, methods, path, reason"),
        ("choice\tPUT\t/tags/\t", "line 1: verdict, methods, path, reason"),
        ("wrong\tPUT\t/tags/\twhy", "line 1: the verdict is one of only, choice, closed"),
        ("choice\tPUT\t/tags(/\twhy", "line 1: the path does not compile"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(line: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(line)


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (judged("PUT", "/x/tags/y", Verdict.CHOICE), 3),
        (judged("POST", "/x/tags/y", Verdict.CHOICE), None),
        (judged("PUT", "/x/tags", Verdict.CHOICE), None),
        (judged("PUT", "/x/tags/y", Verdict.ONLY), None),
        (judged("POST", "/logout", Verdict.ONLY), 4),
        (judged("POST", "/logout", Verdict.CHOICE), None),
        (judged("GET", "/", Verdict.CLOSED), 5),
    ],
)
def test_a_line_speaks_of_its_verdict_methods_and_path(one: Judged, line: int | None) -> None:
    reviewed = review([one], parse(TEXT))
    assert [each.line for each in reviewed.explained] == ([line] if line else [])
    assert reviewed.unexplained == (() if line else (one,))
    assert [each.line for each in reviewed.unused] == [each for each in (3, 4, 5) if each != line]


@pytest.mark.parametrize("verdict", [Verdict.WORKER, Verdict.WRONG])
def test_what_is_right_needs_no_reason_and_what_is_wrong_has_none(verdict: Verdict) -> None:
    reviewed = review([judged("PUT", "/x/tags/y", verdict)], parse(TEXT))
    assert (reviewed.explained, reviewed.unexplained, len(reviewed.unused)) == ({}, (), 3)


def test_every_request_is_reviewed_whatever_came_before() -> None:
    found = [judged("GET", "/x", verdict) for verdict in (Verdict.WORKER, Verdict.CHOICE, Verdict.WRONG)]
    found += [judged("PUT", "/x/tags/y", Verdict.CHOICE), judged("POST", "/logout", Verdict.ONLY)]
    reviewed = review(found, parse(TEXT))
    assert [each.line for each in reviewed.explained] == [3, 4]
    assert reviewed.unexplained == (found[1],)


def test_the_first_line_that_speaks_of_a_request_counts() -> None:
    one = judged("PUT", "/x/tags/y", Verdict.CHOICE)
    reviewed = review([one], parse("choice\t*\t/x/\tfirst\nchoice\tPUT\t/tags/\tsecond"))
    assert [each.reason for each in reviewed.explained] == ["first"]
    assert [each.reason for each in reviewed.unused] == ["second"]


def test_the_shipped_list_is_short() -> None:
    assert 0 < len(shipped()) <= 25
