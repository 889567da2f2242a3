"""The limits that hold for a request: its route's own, else those of the file."""

from __future__ import annotations

from router.errors import BodyTooLarge
from router.settings import Limits, Timeouts
from router.table import Route, Upstream


def body_limit(route: Route, path: bytes, limits: Limits) -> int:
    """Bytes that the request's body may have: the route's `max_body`, else that of its kind of path."""
    if route.max_body is not None:
        return route.max_body
    return limits.media_body if path.startswith(b"/_matrix/media/") else limits.body


def queue_size(upstream: Upstream, limits: Limits) -> int:
    """How many requests may wait for an endpoint of the upstream."""
    return limits.queue if upstream.queue_size is None else upstream.queue_size


def queue_limit(upstream: Upstream, timeouts: Timeouts) -> float:
    """Seconds that a request waits for an endpoint of the upstream to have room."""
    return timeouts.queue if upstream.queue_timeout is None else upstream.queue_timeout


def is_from_server(path: bytes) -> bool:
    """Whether it is another homeserver's request, which costs ten minutes of its patience where it fails.

    Synapse backs off from a destination after 5xx, 401 and 429 (`destination_min_retry_interval`).
    """
    return path.startswith((b"/_matrix/federation/", b"/_matrix/key/"))


def first_byte_limit(route: Route, timeouts: Timeouts) -> float:
    """Seconds that a worker has for the first byte of its answer."""
    return timeouts.first_byte if route.first_byte is None else route.first_byte


def body_too_large(length: int, limit: int) -> BodyTooLarge:
    """What a client is told whose Content-Length is above the limit."""
    return BodyTooLarge(f"the body has {length} bytes, more than {limit}")
