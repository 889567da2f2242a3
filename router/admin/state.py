"""What the admin application is handed: the live process, as functions that tell its present state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from router.observe.listeners import ListenerState
from router.observe.metrics import Metrics
from router.observe.misroutes import Misroutes
from router.routing.snapshot import Snapshot
from router.settings import Config
from router.shadow.compare import Comparison
from router.upstream.discovery import NameState
from router.upstream.state import EndpointState, EndpointStates


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminState:
    """One process to look at. `started` and what `wall_clock` tells are seconds since 1970.

    `config` tells what is served now, `snapshot` the generation that decides.
    """

    version: str
    modules: str
    started: float
    config: Callable[[], Config]
    snapshot: Callable[[], Snapshot]
    states: EndpointStates
    metrics: Metrics
    misroutes: Misroutes
    listeners: Callable[[], tuple[ListenerState, ...]]
    log_dropped: Callable[[], int]
    draining: Callable[[], bool]
    wall_clock: Callable[[], float]
    names: Callable[[], tuple[NameState, ...]] = tuple
    waiting: Callable[[str], int] = lambda _: 0
    comparison: Comparison | None = None
    closed_connections: Callable[[], Mapping[str, int]] = dict

    def endpoints_up(self) -> list[tuple[str, str, bool]]:
        """Upstream, endpoint and whether it is up, for every endpoint of every upstream."""
        return [
            (upstream.name, endpoint.name, self.states.serves(endpoint, upstream))
            for upstream in self.snapshot().table.upstreams.values()
            for endpoint in upstream.endpoints
        ]

    def queues(self) -> list[tuple[str, int]]:
        """How many requests wait for each upstream."""
        return [(name, self.waiting(name)) for name in self.snapshot().table.upstreams]

    def resolutions(self) -> list[tuple[str, str, int]]:
        """Name, how its questions ended, and how many did."""
        return [
            (each.name, result, count)
            for each in self.names()
            for result, count in (("ok", each.ok), ("failed", each.failed))
        ]

    def upstreams_down(self) -> list[str]:
        """The upstreams without an endpoint that is up."""
        return [
            upstream.name
            for upstream in self.snapshot().table.upstreams.values()
            if not any(self.states.serves(endpoint, upstream) for endpoint in upstream.endpoints)
        ]

    def endpoints_watched(self) -> list[EndpointState]:
        """The state of every endpoint once, however many upstreams it is in."""
        endpoints = (
            endpoint
            for upstream in self.snapshot().table.upstreams.values()
            for endpoint in upstream.endpoints
        )
        return [self.states.state(each) for each in {each.name: each for each in endpoints}.values()]
