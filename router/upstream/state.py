"""What we know of each endpoint: live state keyed by address, which outlives reloads."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet

from router.table import Endpoint, Upstream


class EndpointState:
    """One endpoint as it is now.

    `since` and `checked` are wall-clock seconds of the last change and of the last health check,
    `reason` says why it is down (empty while it is up). `failures` counts attempts that failed.
    """

    __slots__ = ("checked", "failures", "in_flight", "name", "reason", "requests", "since", "up")

    def __init__(self, name: str, since: float) -> None:
        self.name = name
        self.up = True
        self.since = since
        self.reason = ""
        self.checked = 0.0
        self.in_flight = 0
        self.requests = 0
        self.failures = 0


OnChange = Callable[[EndpointState], None]
"""Told of an endpoint that has just gone up or down."""


class EndpointStates:
    """All endpoints' states and round robin's current weights: the `EndpointView` of a decision.

    An endpoint counts as up until a connection to it fails or a health check says otherwise.
    """

    __slots__ = ("_on_change", "_rotations", "_states", "_wall_clock")

    def __init__(self, wall_clock: Callable[[], float], on_change: OnChange | None = None) -> None:
        self._wall_clock = wall_clock
        self._on_change = on_change
        self._states: dict[str, EndpointState] = {}
        self._rotations: dict[str, tuple[int, ...]] = {}

    def state(self, endpoint: Endpoint) -> EndpointState:
        """The state of that address, made where it is new."""
        name = endpoint.name
        state = self._states.get(name)
        if state is None:
            state = self._states[name] = EndpointState(name, self._wall_clock())
        return state

    def is_up(self, endpoint: Endpoint) -> bool:
        """Whether requests may be sent to the endpoint now."""
        state = self._states.get(endpoint.name)
        return True if state is None else state.up

    def rotation(self, upstream: Upstream) -> tuple[int, ...]:
        """Round robin's current weights of that upstream, all 0 at first."""
        weights = self._rotations.get(upstream.name, ())
        if len(weights) == len(upstream.endpoints):
            return weights
        return (0,) * len(upstream.endpoints)

    def rotate(self, upstream: Upstream, rotation: tuple[int, ...]) -> None:
        """Commits the step of a decision that was acted on."""
        self._rotations[upstream.name] = rotation

    def begin_anew(self, upstream: str) -> None:
        """Forgets round robin's weights of that upstream: they are of other endpoints."""
        self._rotations.pop(upstream, None)

    def keep(self, names: AbstractSet[str]) -> None:
        """Forgets every other endpoint, once its last request has ended."""
        for name in self._states.keys() - names:
            if not self._states[name].in_flight:
                del self._states[name]

    def mark_down(self, endpoint: Endpoint, reason: str) -> bool:
        """Takes the endpoint out of every choice; tells whether that is news."""
        state = self.state(endpoint)
        news = state.up
        if news:
            state.up = False
            state.since = self._wall_clock()
        state.reason = reason
        if news and self._on_change is not None:
            self._on_change(state)
        return news

    def mark_up(self, endpoint: Endpoint) -> bool:
        """Lets the endpoint be chosen again; tells whether that is news."""
        state = self.state(endpoint)
        news = not state.up
        if news:
            state.up = True
            state.since = self._wall_clock()
            state.reason = ""
            if self._on_change is not None:
                self._on_change(state)
        return news

    def mark_checked(self, endpoint: Endpoint) -> None:
        """Notes that a health check has just ended."""
        self.state(endpoint).checked = self._wall_clock()
