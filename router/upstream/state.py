"""What we know of each endpoint: live state keyed by address, which outlives reloads.

            fails, n of max_fails               fails, max_fails of max_fails
    up ───────────────────────────> failing ───────────────────────────────────> out
    ^ ^                                │  answers, asked after fail_timeout       │ ^ │
    │ └────────────────────────────────┘                                          │ └─┘ fails again
    ├────────── answers the one request that tries after fail_timeout ────────────┤
    ├────────── passes `rise` checks in a row ────────────────────────────────────┤
    │                                                                             │
    └── passes `rise` checks in a row ── down <── refuses a check, or fails `fall` of them

Requests decide between up, failing and out (passive health, ngx_http_upstream_round_robin.c); health checks
decide who is down, and bring back whom they have seen working. Nothing happens by time alone: an endpoint
that has been out for `fail_timeout` stays out until one request, or the checks, have found it working.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

from router.routing.rotation import Rotation, lowered, take_turn
from router.settings import Health
from router.table import Endpoint, PolicyKind, Upstream

_NO_ROTATION: tuple[int, Rotation] = (0, ())

BY_CHECK, BY_REQUEST = "check", "request"
"""Who has brought an endpoint back."""


class EndpointState:
    """One endpoint as it is now.

    `up` is whether it is neither out nor down; `since` and `checked` are wall-clock seconds of the last
    change of that and of the last health check (0.0 for none), `reason` says why it is not up.
    `failures` counts all attempts that failed; `fails` those that count against `max_fails` now. `failed_at`
    and `tried_at` are monotonic seconds of the last of them, and of the last attempt that began a new
    `fail_timeout`. `passed` and `missed` count checks in a row, `checks_passed` and `checks_failed` all of
    them, `changes` how often `up` has changed. `brought_back` is who brought it back last, empty for nobody.
    `unreachable` tells that a connection has failed, and no check has passed since.
    """

    __slots__ = (
        "brought_back",
        "changes",
        "checked",
        "checks_failed",
        "checks_passed",
        "down",
        "failed_at",
        "fails",
        "failures",
        "in_flight",
        "missed",
        "name",
        "out",
        "passed",
        "reason",
        "requests",
        "since",
        "tried_at",
        "unreachable",
    )

    def __init__(self, name: str, since: float) -> None:
        self.name = name
        self.down = False
        self.out = False
        self.since = since
        self.reason = ""
        self.brought_back = ""
        self.changes = 0
        self.in_flight = 0
        self.requests = 0
        self.failures = 0
        self.fails = 0
        self.failed_at = 0.0
        self.tried_at = 0.0
        self.unreachable = False
        self.checked = 0.0
        self.passed = 0
        self.missed = 0
        self.checks_passed = 0
        self.checks_failed = 0

    @property
    def up(self) -> bool:
        """Whether it is neither out nor down."""
        return not (self.down or self.out)

    @property
    def word(self) -> str:
        """`up`, `failing`, `out` or `down`."""
        return "down" if self.down else "out" if self.out else "failing" if self.fails else "up"


OnChange = Callable[[EndpointState], None]
"""Told of an endpoint that was up and is out or down now, or the other way round."""


class EndpointStates:
    """All endpoints' states and round robin's current weights: the `EndpointView` of a decision.

    An endpoint counts as up until requests or a health check say otherwise. `max_fails` and `fail_timeout`
    are those of the endpoint that is asked about: an address may stand in several upstreams. `troubled` has
    the names of those that requests have failed at, so that for all others a request costs nothing here.
    """

    __slots__ = ("_clock", "_down", "_on_change", "_rotations", "_states", "_wall_clock", "troubled")

    def __init__(
        self,
        wall_clock: Callable[[], float],
        on_change: OnChange | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall_clock = wall_clock
        self._clock = clock
        self._on_change = on_change
        self._states: dict[str, EndpointState] = {}
        self._rotations: dict[str, tuple[int, Rotation]] = {}
        self._down: set[str] = set()
        self.troubled: set[str] = set()

    def state(self, endpoint: Endpoint) -> EndpointState:
        """The state of that address, made where it is new."""
        name = endpoint.name
        state = self._states.get(name)
        if state is None:
            state = self._states[name] = EndpointState(name, self._wall_clock())
        return state

    def all_up(self) -> bool:
        """Whether no endpoint is down, and requests have failed at none."""
        return not self.troubled and not self._down

    def is_up(self, endpoint: Endpoint) -> bool:
        """Whether requests may be sent to it now; one that was out for `fail_timeout` may be tried."""
        state = self._states.get(endpoint.name)
        if state is None or endpoint.down:
            return not endpoint.down
        return not state.down and (not state.fails or self.out_for(endpoint) is None)

    def passes_checks(self, endpoint: Endpoint) -> bool:
        """Whether no health check says that it is down: the only endpoint of an upstream is never out."""
        state = self._states.get(endpoint.name)
        return state is None or not state.down

    def serves(self, endpoint: Endpoint, upstream: Upstream) -> bool:
        """Whether it takes its part of the upstream's requests: one that may only be tried does not yet."""
        state = self._states.get(endpoint.name)
        if state is None or endpoint.down:
            return not endpoint.down
        return not state.down if len(upstream.endpoints) == 1 else state.up

    def out_for(self, endpoint: Endpoint) -> float | None:
        """Seconds until a request may try an endpoint that is out; None where one may be sent now."""
        state = self._states.get(endpoint.name)
        if state is None or not 0 < endpoint.max_fails <= state.fails:
            return None
        passed = self._clock() - state.tried_at
        return endpoint.fail_timeout - passed if passed <= endpoint.fail_timeout else None

    def has_room(self, endpoint: Endpoint) -> bool:
        """Whether it may get one more request: `max_requests` may be on their way to it at once."""
        most = endpoint.max_requests
        return most is None or self.state(endpoint).in_flight < most

    def in_flight(self, endpoint: Endpoint) -> int:
        """How many requests are under way to that address, whatever upstream sent them."""
        state = self._states.get(endpoint.name)
        return 0 if state is None else state.in_flight

    def rotation(self, upstream: Upstream) -> Rotation:
        """What round robin remembers of that upstream, all 0 at first."""
        count, rotation = self._rotations.get(upstream.name, _NO_ROTATION)
        if count == len(upstream.endpoints):
            return rotation
        return (0,) * len(upstream.endpoints)

    def rotate(self, upstream: Upstream, rotation: Rotation) -> None:
        """Commits the step of a decision that was acted on."""
        self._rotations[upstream.name] = (len(upstream.endpoints), rotation)

    def rotate_again(self, upstream: Upstream, untried: Sequence[Endpoint]) -> None:
        """Commits that a request which has failed takes another turn, among those that are left to it.

        nginx chooses anew then; here the order was chosen with the first, and this is the same order unless
        other requests have taken turns meanwhile.
        """
        weights = [each.weight for each in upstream.endpoints]
        best = untried[0]
        among = [
            index
            for index, each in enumerate(upstream.endpoints)
            if each.backup is best.backup and any(each is one for one in untried)
        ]
        if upstream.policy.kind is PolicyKind.LEAST_CONN:
            load = self.in_flight(best)
            loads = [self.in_flight(each) for each in upstream.endpoints]
            among = [index for index in among if loads[index] * best.weight == load * weights[index]]
            if len(among) < 2:
                return
        self.rotate(upstream, take_turn(self.rotation(upstream), weights, among)[1])

    def lower(self, upstream: Upstream, endpoint: Endpoint) -> None:
        """Notes for round robin that a request failed at an endpoint, where that counts."""
        if not endpoint.max_fails:
            return
        weights = [each.weight for each in upstream.endpoints]
        for index, each in enumerate(upstream.endpoints):
            if each is endpoint:
                before = self.rotation(upstream)
                self.rotate(upstream, lowered(before, weights, index, max_fails=endpoint.max_fails))

    def begin_anew(self, upstream: str) -> None:
        """Forgets round robin's weights of that upstream: they are of other endpoints."""
        self._rotations.pop(upstream, None)

    def keep(self, names: AbstractSet[str]) -> None:
        """Forgets every other endpoint, once its last request has ended."""
        for name in self._states.keys() - names:
            if not self._states[name].in_flight:
                del self._states[name]
                self.troubled.discard(name)
                self._down.discard(name)

    def begin_attempt(self, endpoint: Endpoint) -> None:
        """Commits that a request is sent: the one that tries an endpoint keeps others away from it."""
        state = self.state(endpoint)
        now = self._clock()
        if state.fails and now - state.tried_at > endpoint.fail_timeout:
            state.tried_at = now

    def attempt_failed(
        self, endpoint: Endpoint, reason: str, *, counts: bool = True, unreachable: bool = False
    ) -> None:
        """Notes a request that failed; `counts` where nginx would count it against `max_fails`."""
        state = self.state(endpoint)
        state.failures += 1
        state.unreachable = state.unreachable or unreachable
        if not counts or not endpoint.max_fails:
            return
        state.fails += 1
        state.failed_at = state.tried_at = self._clock()
        state.unreachable = unreachable
        state.passed = 0
        self.troubled.add(endpoint.name)
        if state.fails >= endpoint.max_fails:
            self._move(state, down=state.down, out=True, reason=reason)

    def attempt_answered(self, endpoint: Endpoint) -> None:
        """Notes an answer: it ends a trouble whose `fail_timeout` was over when the request was sent."""
        state = self.state(endpoint)
        if state.fails and state.failed_at < state.tried_at:
            self._bring_back(state, down=state.down, who=BY_REQUEST)

    def check_passed(self, endpoint: Endpoint, health: Health) -> None:
        """Notes a check that passed; `rise` of them in a row bring back what they show to work.

        A connect shows nothing of an endpoint that took connections all the time and failed to answer.
        """
        state = self._count_check(endpoint)
        state.checks_passed += 1
        state.missed = 0
        state.passed += 1
        shown = state.down or state.unreachable or health.path is not None
        if not state.up and shown and state.passed >= health.rise:
            self._bring_back(state, down=False, who=BY_CHECK)
        state.unreachable = state.unreachable and not state.up

    def check_failed(self, endpoint: Endpoint, reason: str, health: Health, *, at_once: bool) -> None:
        """Notes a check that failed: one takes the endpoint down `at_once`, else `fall` in a row do."""
        state = self._count_check(endpoint)
        state.checks_failed += 1
        state.passed = 0
        state.missed += 1
        if at_once or state.missed >= health.fall or state.down:
            self.mark_down(endpoint, reason)

    def _count_check(self, endpoint: Endpoint) -> EndpointState:
        state = self.state(endpoint)
        state.checked = self._wall_clock()
        return state

    def mark_down(self, endpoint: Endpoint, reason: str) -> None:
        """Takes the endpoint out of every choice, until checks bring it back."""
        state = self.state(endpoint)
        self._move(state, down=True, out=state.out, reason=reason)

    def mark_up(self, endpoint: Endpoint) -> None:
        """Lets the endpoint be chosen again at once."""
        self._bring_back(self.state(endpoint), down=False, who=BY_CHECK)

    def _bring_back(self, state: EndpointState, *, down: bool, who: str) -> None:
        state.fails = 0
        self.troubled.discard(state.name)
        self._move(state, down=down, out=False, who=who)

    def _move(self, state: EndpointState, *, down: bool, out: bool, reason: str = "", who: str = "") -> None:
        was_up = state.up
        state.down, state.out = down, out
        if down:
            self._down.add(state.name)
        else:
            self._down.discard(state.name)
        state.reason = "" if state.up else reason or state.reason
        if was_up == state.up:
            return
        state.since = self._wall_clock()
        state.changes += 1
        if state.up:
            state.brought_back = who
        if self._on_change is not None:
            self._on_change(state)
