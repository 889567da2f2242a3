"""What every policy has: a balancer orders the endpoints of one upstream for one request."""

from __future__ import annotations

from abc import ABC, abstractmethod

from router.request import RequestHead
from router.routing.view import EndpointView
from router.table import Endpoint

Choice = tuple[tuple[Endpoint, ...], bytes, tuple[int, ...] | None]
"""The candidates, the key that was hashed, the rotation if the first one takes its turn (None: no turn)."""


class Balancer(ABC):
    """Orders the endpoints of one upstream."""

    __slots__ = ()

    @abstractmethod
    def choose(self, head: RequestHead, view: EndpointView) -> Choice:
        """Pure: the same head and view give the same choice."""
