"""EndpointView: the little that a decision may know of live endpoints."""

from __future__ import annotations

from typing import Protocol

from router.table import Endpoint, Upstream


class EndpointView(Protocol):
    """What a decision may know of live endpoints: it reads, and commits nothing."""

    def is_up(self, endpoint: Endpoint) -> bool:
        """Whether requests may be sent to the endpoint now."""

    def rotation(self, upstream: Upstream) -> tuple[int, ...]:
        """Round robin's current weights, one for each endpoint of the upstream."""
