from __future__ import annotations

import pytest

from router.errors import InvalidPattern
from router.guard import CLOSED
from router.routing.decision import Forward, Refuse, decide
from router.routing.hashing import ConsistentHash, IpHash
from router.routing.snapshot import LONGEST_SEEN, MOST_SEEN, Snapshot
from router.routing.turns import RoundRobin, Single
from router.settings import Guard
from router.table import Pattern, Refusal, Route
from tests.routing.tables import BY_USER, IP_HASH, View, head, ports, route, table, upstream

TEAPOT = Refusal(status=418, errcode="M_TEAPOT")
TABLE = table(
    [
        route("^/a", "users"),
        route("^/b", "workers"),
        route("^/c", "turns"),
        route("^/d", "one"),
        route("^/e", "users"),
        Route(name="teapot", pattern=Pattern(text="^/f"), refusal=TEAPOT),
    ],
    {
        "users": upstream("users", 1, 2, policy=BY_USER),
        "workers": upstream("workers", 1, 2, policy=IP_HASH),
        "turns": upstream("turns", 1, 2),
        "one": upstream("one", 1, policy=BY_USER),
    },
)


def test_every_route_has_its_target_looked_up() -> None:
    targets = Snapshot.build(TABLE).targets
    kinds = [type(each[2]) if isinstance(each, tuple) else type(each) for each in targets]
    assert kinds == [ConsistentHash, IpHash, RoundRobin, Single, ConsistentHash, Refusal, Refusal]
    assert targets[5] is TEAPOT
    assert targets[6] == Refusal()


def test_routes_to_one_upstream_share_its_balancer() -> None:
    targets = Snapshot.build(TABLE).targets
    first, last = targets[0], targets[4]
    assert isinstance(first, tuple)
    assert isinstance(last, tuple)
    assert first[2] is last[2]


def test_generation_and_guard_are_the_caller_s() -> None:
    opened = Snapshot.build(TABLE, Guard(open_prefixes=frozenset({"/_synapse/admin"})), generation=7)
    assert (opened.generation, Snapshot.build(TABLE).generation) == (7, 0)
    assert opened.guard.refuses(head("/_synapse/admin/x")) is None
    assert Snapshot.build(TABLE).guard.refuses(head("/_synapse/admin/x")) is CLOSED


def test_a_pattern_that_re2_does_not_take_is_told_at_once() -> None:
    with pytest.raises(InvalidPattern, match=r"routes\.yaml:3"):
        Snapshot.build(table([route("^/(", line=3)]))


def test_other_upstreams_make_the_next_generation_and_keep_what_did_not_change() -> None:
    before = Snapshot.build(TABLE, generation=7)
    upstreams = {**TABLE.upstreams, "turns": upstream("turns", 1, 2, 3)}
    after = before.with_upstreams(upstreams)
    assert (before.generation, after.generation) == (7, 8)
    assert (after.matcher, after.guard) == (before.matcher, before.guard)
    assert after.table.routes == before.table.routes
    assert after.table.upstreams["turns"].endpoints == upstreams["turns"].endpoints
    assert before.table.upstreams["turns"] is TABLE.upstreams["turns"]
    assert after.balancers["users"] is before.balancers["users"]
    assert after.balancers["turns"] is not before.balancers["turns"]
    target = after.targets[2]
    assert isinstance(target, tuple)
    assert target[1:] == (upstreams["turns"], after.balancers["turns"])


def test_what_is_remembered_of_a_path_is_bounded_and_changes_nothing() -> None:
    snapshot = Snapshot.build(TABLE)
    for number in range(MOST_SEEN + 2):
        assert decide(snapshot, head(f"/a/{number}"), View()).route is TABLE.routes[0]
    assert list(snapshot.seen) == [b"/a/%d" % number for number in (MOST_SEEN, MOST_SEEN + 1)]
    decide(snapshot, head("/b" + "x" * LONGEST_SEEN), View())
    assert len(snapshot.seen) == 2


def test_a_path_that_the_guard_closes_is_not_remembered() -> None:
    snapshot = Snapshot.build(TABLE)
    for _ in range(2):
        assert isinstance(decide(snapshot, head("/_synapse/admin/x"), View()), Refuse)
    assert not snapshot.seen


def test_what_was_seen_is_still_known_when_upstreams_change() -> None:
    before = Snapshot.build(TABLE)
    decide(before, head("/c/1"), View())
    after = before.with_upstreams({**TABLE.upstreams, "turns": upstream("turns", 3, 4)})
    assert after.seen == {b"/c/1": (2,)}
    decision = decide(after, head("/c/1"), View())
    assert isinstance(decision, Forward)
    assert ports(decision.candidates) == [3, 4]
