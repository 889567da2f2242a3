from __future__ import annotations

from dataclasses import replace

import pytest

from router.routing.limits import body_limit, body_too_large, first_byte_limit
from router.settings import Limits, Timeouts
from tests.routing.tables import route

ANY = route("^/")
LIMITS = Limits(body=10, media_body=20)


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        (b"/_matrix/media/v3/upload", 20),
        (b"/_matrix/media/", 20),
        (b"/_matrix/media", 10),
        (b"/x/_matrix/media/", 10),
        (b"/_matrix/client/v3/sync", 10),
    ],
)
def test_media_may_be_larger_and_a_route_s_own_limit_wins(path: bytes, limit: int) -> None:
    assert body_limit(ANY, path, LIMITS) == limit
    assert body_limit(replace(ANY, max_body=5), path, LIMITS) == 5


def test_a_route_s_own_first_byte_wins() -> None:
    timeouts = Timeouts(first_byte=7.0)
    assert first_byte_limit(ANY, timeouts) == 7.0
    assert first_byte_limit(replace(ANY, first_byte=90.0), timeouts) == 90.0


def test_what_is_too_large_says_both_numbers() -> None:
    assert str(body_too_large(11, 10)) == "the body has 11 bytes, more than 10"
