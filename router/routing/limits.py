"""The limits that hold for a request: its route's own, else those of the file."""

from __future__ import annotations

from router.errors import BodyTooLarge
from router.settings import Limits, Timeouts
from router.table import Route


def body_limit(route: Route, path: bytes, limits: Limits) -> int:
    """Bytes that the request's body may have: the route's `max_body`, else that of its kind of path."""
    if route.max_body is not None:
        return route.max_body
    return limits.media_body if path.startswith(b"/_matrix/media/") else limits.body


def first_byte_limit(route: Route, timeouts: Timeouts) -> float:
    """Seconds that a worker has for the first byte of its answer."""
    return timeouts.first_byte if route.first_byte is None else route.first_byte


def body_too_large(length: int, limit: int) -> BodyTooLarge:
    """What a client is told whose Content-Length is above the limit."""
    return BodyTooLarge(f"the body has {length} bytes, more than {limit}")
