"""How long the rest of a body is waited for, and who has asked for it."""

from __future__ import annotations

import pytest

from router.proxy.awaited import CONTINUE_AFTER, AwaitedBody

PAUSE = 30.0


def test_a_body_that_is_held_back_is_asked_for_before_its_time_is_over() -> None:
    body = AwaitedBody(held_back=True)
    assert (body.is_held_back, body.begin(0.0, PAUSE), body.begin(0.0, 0.5)) == (True, CONTINUE_AFTER, 0.5)
    body.ask()
    assert (body.is_held_back, body.is_asked_for, body.begin(0.0, PAUSE)) == (False, True, PAUSE)
    body.flows()
    assert body.is_asked_for, "the worker's own 100 is too much, however much of the body has come"


@pytest.mark.parametrize("held_back", [True, False])
def test_a_body_that_flows_has_not_been_asked_for_here(held_back: bool) -> None:
    body = AwaitedBody(held_back=held_back)
    body.flows()
    assert (body.is_held_back, body.is_asked_for, body.begin(0.0, PAUSE)) == (False, False, PAUSE)


@pytest.mark.parametrize(
    ("pieces", "lags"),
    [
        ([(29.0, 1)], [False]),
        ([(30.0, 0)], [False]),
        ([(30.5, 1)], [True]),
        ([(30.0, 100), (31.0, 100), (41.0, 100)], [False, False, False]),
        ([(29.0, 10), (30.0, 10), (33.0, 10)], [False, False, False]),
        ([(29.0, 10), (30.0, 10), (34.0, 10)], [False, False, True]),
        ([(1.0, 1_000_000), (33.0, 10)], [False, True]),
    ],
    ids=["in time", "just", "late", "at the rate", "on credit", "a trickle", "no credit beyond one pause"],
)
def test_each_byte_moves_the_time_that_is_left(pieces: list[tuple[float, int]], lags: list[bool]) -> None:
    body = AwaitedBody(held_back=False)
    body.begin(0.0, PAUSE)
    assert [body.lags(size, now, rate=10, pause=PAUSE) for now, size in pieces] == lags


def test_who_was_not_read_from_begins_anew() -> None:
    body = AwaitedBody(held_back=False)
    body.begin(0.0, PAUSE)
    body.begin(100.0, PAUSE)
    assert not body.lags(1, 130.0, rate=10, pause=PAUSE)
    assert body.lags(1, 131.0, rate=10, pause=PAUSE)
