"""What is kept of a body, for how long, and which requests a worker may see twice."""

from __future__ import annotations

import pytest

from router.errors import BadResponse, ConnectFailed, UpstreamAborted, UpstreamError, UpstreamTimeout
from router.proxy.replay import REPLAY_LIMIT, HeldBody, is_repeatable

LOST = UpstreamAborted("lost")


def held(*sizes: int) -> HeldBody:
    body = HeldBody()
    for size in sizes:
        body.add(b"x" * size)
    return body


def test_what_is_at_hand_follows_the_head() -> None:
    body = HeldBody()
    assert body.behind(b"head") == b"head"
    body.add(b"a")
    body.add(b"bc")
    assert (body.behind(b"head"), body.size, body.whole) == (b"headabc", 3, True)


@pytest.mark.parametrize(
    ("method", "sizes", "kept"),
    [
        ("PUT", (REPLAY_LIMIT,), True),
        ("PUT", (REPLAY_LIMIT, 1), False),
        ("DELETE", (1,), True),
        ("POST", (1,), False),
        ("PATCH", (1,), False),
    ],
)
def test_what_stays_at_hand_once_it_is_sent(method: str, sizes: tuple[int, ...], kept: bool) -> None:
    body = held(*sizes)
    body.sent(method)
    assert (body.whole, body.behind(b"") != b"", body.size) == (kept, kept, sum(sizes))


def test_what_is_let_go_is_not_at_hand() -> None:
    body = held(1)
    body.drop()
    assert (body.whole, body.behind(b"head")) == (False, b"head")


@pytest.mark.parametrize(
    ("error", "method", "body", "repeatable"),
    [
        (LOST, "GET", None, True),
        (LOST, "HEAD", None, True),
        (LOST, "OPTIONS", None, True),
        (LOST, "PUT", held(1), True),
        (LOST, "PUT", held(REPLAY_LIMIT), True),
        (UpstreamTimeout("late"), "GET", None, True),
        (LOST, "POST", None, False),
        (LOST, "PATCH", held(1), False),
        (BadResponse("malformed"), "GET", None, False),
        (ConnectFailed("refused"), "GET", None, False),
    ],
)
def test_what_may_be_sent_again(
    error: UpstreamError, method: str, body: HeldBody | None, repeatable: bool
) -> None:
    assert is_repeatable(error, method, body) is repeatable


def test_what_is_not_all_at_hand_is_not_sent_again() -> None:
    body = held(REPLAY_LIMIT + 1)
    body.sent("PUT")
    assert not is_repeatable(LOST, "PUT", body)
