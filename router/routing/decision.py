"""decide(): one pure function of (snapshot, request head, endpoint view), the same for every caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from router.table import Endpoint, Refusal, Route, Upstream


class EndpointView(Protocol):
    """What a decision may know of live endpoints: it reads, and commits nothing."""

    def is_up(self, endpoint: Endpoint) -> bool:
        """Whether requests may be sent to the endpoint now."""

    def rotation(self, upstream: Upstream) -> tuple[int, ...]:
        """Round robin's current weights, one for each endpoint of the upstream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """Send the request to the first of `candidates` that takes it.

    `candidates` are endpoints that are up, in order of preference; it may be empty.
    `key` is what was hashed, empty where nothing was. `rotation` is what round robin's current
    weights become once the first candidate is used, None where the choice did not rotate.
    """

    route: Route
    upstream: Upstream
    candidates: tuple[Endpoint, ...]
    key: bytes = b""
    rotation: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Answer the request here. `reason` is the word for metrics and logs: guard, unmatched or route."""

    route: Route | None
    refusal: Refusal
    reason: str


Decision = Forward | Refuse
