from __future__ import annotations

from dataclasses import replace

import pytest

from router.routing.limits import (
    body_limit,
    body_too_large,
    first_byte_limit,
    is_from_server,
    queue_limit,
    queue_size,
)
from router.settings import Limits, Timeouts
from router.table import Endpoint, TcpAddress, Upstream
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


def test_an_upstream_s_own_queue_wins() -> None:
    upstream = Upstream(name="u", endpoints=(Endpoint(address=TcpAddress(host="h", port=1)),))
    limits, timeouts = Limits(queue=7), Timeouts(queue=8.0)
    assert (queue_size(upstream, limits), queue_limit(upstream, timeouts)) == (7, 8.0)
    own = replace(upstream, queue_size=0, queue_timeout=1.5)
    assert (queue_size(own, limits), queue_limit(own, timeouts)) == (0, 1.5)


@pytest.mark.parametrize(
    ("path", "server"),
    [
        (b"/_matrix/federation/v1/send/1", True),
        (b"/_matrix/key/v2/server", True),
        (b"/_matrix/client/v3/keys/query", False),
        (b"/_matrix/keys/", False),
        (b"/x/_matrix/federation/", False),
    ],
)
def test_who_takes_a_429_for_a_failure(path: bytes, server: bool) -> None:
    assert is_from_server(path) is server
