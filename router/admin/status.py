"""The process's state as one value: what /status answers, and what the page and its plain text show."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, dataclass

from router.admin.certificates import CertificateStatus, certificates_of, expired
from router.admin.misroutes import MisrouteStatus, alarming, misroutes_of
from router.admin.shadow import ShadowStatus, shadow_of
from router.admin.state import AdminState
from router.table import Endpoint, Route, Upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointStatus:
    """One endpoint of one upstream; its numbers count all upstreams that it is in.

    `up` tells whether it gets its part of the upstream's requests, `state` is `up`, `failing`, `out` (of
    requests that failed) or `down` (says a health check). `since` and `checked` are seconds since 1970 of the
    last change of it and of the last health check, `checked` None where none has ended; `reason` says why it
    is out or down. `fails` count against `max_fails` now, `tried_in` is in how many seconds a request may try
    one that is out, None where one may be sent; `brought_back` is who brought it back last: `check`,
    `request` or empty. The other numbers count since the start, `failures` those of requests.
    """

    endpoint: str
    instance: str | None
    tls: bool
    up: bool
    state: str
    since: float
    checked: float | None
    reason: str
    fails: int
    max_fails: int
    tried_in: float | None
    brought_back: str
    changes: int
    checks_passed: int
    checks_failed: int
    in_flight: int
    requests: int
    failures: int
    max_requests: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamStatus:
    """One upstream and its endpoints, in the file's order; `waiting` requests wait for one of them."""

    upstream: str
    policy: str
    waiting: int
    endpoints: tuple[EndpointStatus, ...]

    @property
    def down(self) -> tuple[EndpointStatus, ...]:
        """Those that get no requests."""
        return tuple(each for each in self.endpoints if not each.up)


@dataclass(frozen=True, slots=True, kw_only=True)
class NameStatus:
    """One name that endpoints are written with, and the addresses, or targets and ports, that it stands for.

    `closed` has what of it the guard refuses, with the reason. `error` is why the last question failed;
    `found` is then what was known before. `answered` and `next` are seconds since 1970, of the last answer
    (None before the first) and of the next question.
    """

    name: str
    found: tuple[str, ...]
    closed: tuple[str, ...]
    error: str
    answered: float | None
    next: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteStatus:
    """What was counted for one route since the start, all its lines together.

    `source` is its first line in the file; `upstream` is None where the router answers by itself.
    `requests` have ended, `statuses` has them by class; `errors` has those that the router answered
    itself or broke off, by reason.
    """

    route: str
    source: str | None
    upstream: str | None
    in_flight: int
    requests: int
    statuses: dict[str, int]
    errors: dict[str, int]
    client_aborts: int
    retries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureStatus:
    """A request that ended badly through a worker's fault or ours; no path, no token.

    `upstream` and `endpoint` are `none` where there is none; `reason` is empty where the worker itself
    answered with that status.
    """

    time: float
    route: str
    upstream: str
    endpoint: str
    reason: str
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One process at `time`; times are seconds since 1970, `uptime` is in seconds.

    Newest failure and newest misroute come first.
    """

    verdict: str
    ready: bool
    draining: bool
    version: str
    modules: str
    time: float
    started: float
    uptime: float
    generation: int
    config: dict[str, str]
    listeners: dict[str, tuple[str, ...]]
    connections: int
    certificates: tuple[CertificateStatus, ...]
    in_flight: int
    log_dropped: int
    upstreams: tuple[UpstreamStatus, ...]
    names: tuple[NameStatus, ...]
    routes: tuple[RouteStatus, ...]
    failures: tuple[FailureStatus, ...]
    misroutes: tuple[MisrouteStatus, ...]
    shadow: ShadowStatus | None = None

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def status_of(state: AdminState) -> Status:
    """Gathers it all, now."""
    snapshot, config = state.snapshot(), state.config()
    now = state.wall_clock()
    upstreams = tuple(_upstream(state, upstream) for upstream in snapshot.table.upstreams.values())
    misroutes, listeners = misroutes_of(state), state.listeners()
    certificates = certificates_of(listeners)
    in_flight = sum(counters.in_flight for counters in state.metrics.routes.values())
    return Status(
        verdict=_verdict(
            upstreams, misroutes, certificates, now=now, in_flight=in_flight, draining=state.draining()
        ),
        ready=is_ready(state),
        draining=state.draining(),
        version=state.version,
        modules=state.modules,
        time=now,
        started=state.started,
        uptime=now - state.started,
        generation=snapshot.generation,
        config={"file": config.file, "digest": config.digest},
        listeners={
            "listen": tuple(map(str, config.settings.listen)),
            "admin": tuple(map(str, config.settings.admin)),
        },
        connections=sum(each.connections for each in listeners),
        certificates=certificates,
        in_flight=in_flight,
        log_dropped=state.log_dropped(),
        upstreams=upstreams,
        names=_names(state, now),
        routes=_routes(state),
        failures=tuple(FailureStatus(**each._asdict()) for each in reversed(state.metrics.failures)),
        misroutes=misroutes,
        shadow=shadow_of(state),
    )


def is_ready(state: AdminState) -> bool:
    """Whether requests for every upstream can be served, and new ones are welcome."""
    return not state.draining() and not state.upstreams_down()


def live_state(state: AdminState, endpoint: Endpoint, upstream: Upstream) -> EndpointStatus:
    """What is known of one endpoint of that upstream now."""
    live = state.states.state(endpoint)
    return EndpointStatus(
        endpoint=endpoint.name,
        instance=endpoint.instance,
        tls=endpoint.tls is not None,
        up=state.states.serves(endpoint, upstream),
        state=live.word,
        since=live.since,
        checked=live.checked or None,
        reason=live.reason,
        fails=live.fails,
        max_fails=endpoint.max_fails,
        tried_in=state.states.out_for(endpoint),
        brought_back=live.brought_back,
        changes=live.changes,
        checks_passed=live.checks_passed,
        checks_failed=live.checks_failed,
        in_flight=live.in_flight,
        requests=live.requests,
        failures=live.failures,
        max_requests=endpoint.max_requests,
    )


def _upstream(state: AdminState, upstream: Upstream) -> UpstreamStatus:
    return UpstreamStatus(
        upstream=upstream.name,
        policy=upstream.policy.kind.value,
        waiting=state.waiting(upstream.name),
        endpoints=tuple(live_state(state, endpoint, upstream) for endpoint in upstream.endpoints),
    )


def _names(state: AdminState, now: float) -> tuple[NameStatus, ...]:
    return tuple(
        NameStatus(
            name=each.name,
            found=each.found,
            closed=each.closed,
            error=each.error,
            answered=None if each.age is None else now - each.age,
            next=now + each.due,
        )
        for each in state.names()
    )


def _routes(state: AdminState) -> tuple[RouteStatus, ...]:
    """Every route of the table once, in its order, then what was counted under no route."""
    lines: dict[str, Route] = {}
    for line in state.snapshot().table.routes:
        lines.setdefault(line.name, line)
    statuses: dict[str, Counter[str]] = {}
    for (route, _, _, _, status), count in state.metrics.requests.items():
        statuses.setdefault(route, Counter())[status] += count
    for (route, status), count in state.metrics.gone.items():
        statuses.setdefault(route, Counter())[status] += count
    counted = state.metrics.routes
    routes = []
    for name in dict.fromkeys((*lines, *counted)):
        first, counters = lines.get(name), counted.get(name)
        classes = statuses.get(name, Counter())
        routes.append(
            RouteStatus(
                route=name,
                source=str(first.source) if first and first.source else None,
                upstream=first.upstream if first else None,
                in_flight=counters.in_flight if counters else 0,
                requests=classes.total(),
                statuses=dict(sorted(classes.items())),
                errors=dict(counters.errors) if counters else {},
                client_aborts=counters.client_aborts if counters else 0,
                retries=counters.retries if counters else 0,
            )
        )
    return tuple(routes)


def _verdict(
    upstreams: tuple[UpstreamStatus, ...],
    misroutes: tuple[MisrouteStatus, ...],
    certificates: tuple[CertificateStatus, ...],
    *,
    now: float,
    in_flight: int,
    draining: bool,
) -> str:
    """One sentence on what matters most now."""
    if draining:
        return f"Stopping: no new connections, {count(in_flight, 'request')} still under way."
    down = {each.endpoint: each for upstream in upstreams for each in upstream.down}
    misrouted = _misrouted(alarming(misroutes, now), now)
    more = " ".join(filter(None, (misrouted, expired(certificates, now))))
    if not down and more:
        return more
    if not down:
        endpoints = len({each.endpoint for upstream in upstreams for each in upstream.endpoints})
        return f"All well: {count(endpoints, 'endpoint')} up, {count(in_flight, 'request')} in flight."
    dead = [each for each in upstreams if len(each.down) == len(each.endpoints)]
    first = {each.endpoint: each for upstream in dead for each in upstream.down}
    reasons = "; ".join(why_down(each) for each in (first | down).values())
    if dead:
        since = utc(min(max(each.since for each in upstream.down) for upstream in dead))
        names = ", ".join(each.upstream for each in dead)
        them = "it" if len(dead) == 1 else "them"
        return f"Down since {since}: no endpoint of {names} is up, requests for {them} get 503. {reasons}."
    since = utc(min(each.since for each in down.values()))
    degraded = f"Degraded since {since}: every upstream still has an endpoint up. {reasons}."
    return f"{degraded} {more}".rstrip()


def _misrouted(alarms: list[MisrouteStatus], now: float) -> str:
    """A sentence on the newest of them; empty where there is none."""
    if not alarms:
        return ""
    newest, others = alarms[0], len(alarms) - 1
    times = f"{count(newest.count, 'time')}, the last {age(now - newest.time)} ago"
    more = f"; {count(others, 'more misroute')} below" if others else ""
    return f"Misrouted: {newest.sentence}; {times}{more}."


def why_down(endpoint: EndpointStatus) -> str:
    """The endpoint's name and why it is down; some reasons begin with the name."""
    reason = endpoint.reason or "down"
    return reason if reason.startswith(endpoint.endpoint) else f"{endpoint.endpoint}: {reason}"


def count(number: int, thing: str) -> str:
    """As `1 request`, `2 requests`."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def utc(seconds: float) -> str:
    """As `2024-06-22 12:00:00 UTC`."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def age(seconds: float) -> str:
    """The largest unit or two of a time span, as `3d 2h`, `4m 10s` or `0s`."""
    rest = max(0, int(seconds))
    parts: list[str] = []
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        number, rest = divmod(rest, size)
        if number or (unit == "s" and not parts):
            parts.append(f"{number}{unit}")
    return " ".join(parts[:2])
