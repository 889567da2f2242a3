from __future__ import annotations

import pytest

from router.config.loader import load_bytes
from router.settings import Config
from router.shadow import replay as replay_module
from router.shadow.logs import plain
from router.shadow.replay import Outcome, Replay

UPSTREAMS = "upstreams: {main: {endpoints: [h:1]}, w: {endpoints: [h:2]}, other: {endpoints: [h:2]}}\n"


def config(routes: str) -> Config:
    loaded = load_bytes((UPSTREAMS + routes).encode())
    assert loaded.config is not None, loaded.findings
    return loaded.config


OLD = config(
    "routes: [{name: sync, path: '^/sync$', upstream: w}, {name: rest, path: '^/', upstream: main}]\n"
)
NEW = config(
    "routes: [{name: sync, path: '^/sync$', upstream: other}, "
    "{name: gone, path: '^/old', refuse: {status: 410}}, {name: rest, path: '^/', upstream: main}]\n"
)
LOG = [
    b"GET /sync?access_token=syt_secret\n",
    b"GET /sync?access_token=syt_secret\n",
    b"PUT /sync\n",
    b"GET /old/a\n",
    b"GET /rest\n",
    b"GET /_synapse/admin/x\n",
    b"BREW /sync\n",
    b"\n",
    b"what is this\n",
]


def test_changes_are_told_by_route_with_counts_and_examples() -> None:
    replay = Replay(OLD, NEW)
    replay.feed(LOG, plain)
    told = replay.told
    assert (told.lines, told.requests, told.refused, told.unread, told.first_unread) == (9, 8, 2, 0, [])
    assert {
        (f"{was.route} {was.does}", f"{is_.route} {is_.does}"): (group.count, group.examples)
        for (was, is_), group in told.changed.items()
    } == {
        ("sync w", "sync other"): (3, ["GET /sync?…", "PUT /sync"]),
        ("rest main", "gone refused 410"): (1, ["GET /old/a"]),
    }
    assert told.disagreements == 4


def test_lines_that_are_no_requests_are_counted_by_their_number() -> None:
    replay = Replay(OLD, NEW)
    replay.feed([b"GET /rest\n", b"%%\n", b"\n"], plain)
    assert (replay.told.requests, replay.told.unread, replay.told.first_unread) == (1, 1, [2])


def test_an_upstream_may_have_another_name() -> None:
    replay = Replay(OLD, NEW, names={"w": "other"})
    replay.feed(LOG, plain)
    assert list(replay.told.changed) == [(Outcome("rest", "main"), Outcome("gone", "refused 410"))]


def test_only_so_many_examples() -> None:
    replay = Replay(OLD, NEW, examples=2)
    replay.feed([b"GET /old/%d\n" % number for number in range(9)], plain)
    (group,) = replay.told.changed.values()
    assert (group.count, len(group.examples)) == (9, 2)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_module, "MOST_REMEMBERED", 8)
    replay = Replay(OLD, NEW)
    replay.feed([b"GET /old/%d\n" % (number % 20) for number in range(100)], plain)
    assert replay.told.disagreements == 100
    assert len(replay._remembered) <= 8


def test_a_line_that_is_too_long_is_refused_as_on_the_wire() -> None:
    replay = Replay(OLD, NEW)
    replay.feed([b"GET /old/" + b"a" * 8000 + b"\n", b"GET /old/" + b"a" * 9000 + b"\n"], plain)
    assert (replay.told.disagreements, replay.told.refused) == (1, 1)
