"""EndpointView: the little that a decision may know of live endpoints; and one for when nobody watches."""

from __future__ import annotations

from typing import Protocol

from router.table import Endpoint, Upstream


class EndpointView(Protocol):
    """What a decision may know of live endpoints: it reads, and commits nothing."""

    def all_up(self) -> bool:
        """Whether every endpoint is up, so that none need be asked about."""

    def is_up(self, endpoint: Endpoint) -> bool:
        """Whether requests may be sent to the endpoint now."""

    def passes_checks(self, endpoint: Endpoint) -> bool:
        """Whether requests may be sent to it as the only endpoint of its upstream."""

    def in_flight(self, endpoint: Endpoint) -> int:
        """How many requests are under way to the endpoint's address."""

    def rotation(self, upstream: Upstream) -> tuple[int, ...]:
        """What round robin remembers of the upstream: see `rotation.py`."""


class EveryEndpointUp:
    """An EndpointView for when nobody watches the endpoints: all are up, and no rotation has begun."""

    def all_up(self) -> bool:
        """Always."""
        return True

    def is_up(self, endpoint: Endpoint) -> bool:  # noqa: ARG002 - the protocol's name for it
        """Always."""
        return True

    def passes_checks(self, endpoint: Endpoint) -> bool:  # noqa: ARG002 - the protocol's name for it
        """Always."""
        return True

    def in_flight(self, endpoint: Endpoint) -> int:  # noqa: ARG002 - the protocol's name for it
        """None."""
        return 0

    def rotation(self, upstream: Upstream) -> tuple[int, ...]:
        """As before the first request."""
        return (0,) * len(upstream.endpoints)
