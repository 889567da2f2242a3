from __future__ import annotations

import pytest

from router.routing.decision import decide
from router.routing.snapshot import Snapshot
from router.routing.view import EveryEndpointUp
from router.shadow.compare import AGREED, DISAGREED, LAST, REFUSED, UNLABELLED, Comparison
from tests.routing.tables import head, route, table

TABLE = Snapshot.build(
    table([route("^/_matrix/sync", "sync", name="s", line=7), route("^/_matrix/", "main")])
)


def compared(target: str, theirs: str) -> Comparison:
    comparison = Comparison(lambda path: f"shape of {path.decode()}", lambda: 5.0)
    asked = head(target)
    comparison.decided(asked, decide(TABLE, asked, EveryEndpointUp()), theirs)
    return comparison


@pytest.mark.parametrize(
    ("target", "theirs", "route_", "result"),
    [
        ("/_matrix/sync", "sync", "s", AGREED),
        ("/_matrix/sync", "main", "s", DISAGREED),
        ("/_matrix/sync", "-", "s", DISAGREED),
        ("/_matrix/sync", "", "s", UNLABELLED),
        ("/elsewhere", "-", "unmatched", AGREED),
        ("/elsewhere", "main", "unmatched", DISAGREED),
        ("/_synapse/admin/v1", "main", "none", REFUSED),
        ("/_synapse/admin/v1", "-", "none", AGREED),
    ],
)
def test_how_a_request_is_counted(target: str, theirs: str, route_: str, result: str) -> None:
    comparison = compared(target, theirs)
    assert comparison.counts == {(route_, result): 1}
    assert comparison.total(result) == 1
    assert len(comparison.last) == (result == DISAGREED)
    assert bool(comparison.refusals) == (result == REFUSED)


def test_a_disagreement_has_its_reason_and_neither_ids_nor_a_query() -> None:
    (one,) = compared("/_matrix/sync?access_token=syt_secret", "main").last
    assert (one.time, one.method, one.shape, one.ours, one.theirs) == (
        5.0, "GET", "shape of /_matrix/sync", "sync", "main",
    )  # fmt: skip
    assert one.reason == "route s (routes.yaml:7) sends it to sync, the other proxy sends it to main"
    (other,) = compared("/elsewhere", "main").last
    assert other.reason == "route unmatched answers it, the other proxy sends it to main"
    (third,) = compared("/_matrix/x", "-").last
    assert third.reason.endswith("the other proxy answers it by itself")


def test_only_the_last_ones_are_kept() -> None:
    comparison = Comparison(lambda _: "", lambda: 0.0)
    asked = head("/_matrix/x")
    for number in range(2 * LAST):
        comparison.decided(asked, decide(TABLE, asked, EveryEndpointUp()), f"other{number}")
    assert comparison.total(DISAGREED) == 2 * LAST
    assert [each.theirs for each in comparison.last] == [f"other{number}" for number in range(LAST, 2 * LAST)]
