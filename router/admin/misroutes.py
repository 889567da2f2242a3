"""The misroutes of the status: what was seen, what it means and what to do, in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from types import MappingProxyType

from router.admin.state import AdminState
from router.observe.misroutes import NO_RESOURCE, STREAM, UNKNOWN, UNRECOGNIZED, Misroute

_SERVED_BY = MappingProxyType(
    {
        "worker": "every generic worker",
        "media": "the media repository (main, where no worker has it)",
        "writer": "the writer of the stream",
    }
)
RECENT = 900.0
"""Seconds after which a misroute that has not come again is no longer in the verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MisrouteStatus:
    """One misroute, `count` times from `first` to `time` (seconds since 1970); the rest as in `Misroute`.

    `served` counts the requests of the same route and method that the same endpoint has answered with 2xx.
    """

    time: float
    first: float
    count: int
    kind: str
    route: str
    source: str | None
    upstream: str
    endpoint: str
    instance: str | None
    method: str
    shape: str
    status: int
    stream: str
    served_by: tuple[str, ...]
    served: int
    meaning: str

    @property
    def request(self) -> str:
        """Method and shape."""
        return f"{self.method} {self.shape}"

    @property
    def sentence(self) -> str:
        """Who cannot serve what, and which route sends it there."""
        who = f"{self.instance} ({self.endpoint})" if self.instance else self.endpoint
        route = self.route + (f" ({self.source})" if self.source else "")
        fault = {
            STREAM: f"answers {self.status}, as all but the writer of {self.stream} do, to",
            NO_RESOURCE: "is no client listener and has no",
        }.get(self.kind, "does not know")
        return f"{who} {fault} {self.request}, which route {route} sends there"


def misroutes_of(state: AdminState) -> tuple[MisrouteStatus, ...]:
    """Those seen last, newest first."""
    fallback = state.snapshot().table.fallback
    statuses = []
    for misroute, seen in reversed(state.misroutes.last.items()):
        labels = (misroute.route, misroute.upstream, misroute.endpoint, misroute.method, "2xx")
        served = state.metrics.requests.get(labels, 0)
        statuses.append(
            MisrouteStatus(
                time=seen.last,
                first=seen.first,
                count=seen.count,
                served=served,
                meaning=_meaning(
                    misroute, served=served, fallback=fallback.name if fallback is not None else "main"
                ),
                **asdict(misroute),
            )
        )
    return tuple(statuses)


def alarming(misroutes: Iterable[MisrouteStatus], now: float) -> list[MisrouteStatus]:
    """Those that the verdict speaks of: recent, and neither a client's mistake nor a writer that fails.

    Anybody can ask a worker for what nobody serves, and without its database a writer answers 500 too:
    neither may send whoever is woken by it to the table.
    """
    return [each for each in misroutes if now - each.time < RECENT and _is_certain(each)]


def _is_certain(misroute: MisrouteStatus) -> bool:
    return not misroute.served if misroute.kind == STREAM else misroute.kind != UNKNOWN


def _meaning(misroute: Misroute, *, served: int, fallback: str) -> str:
    who = misroute.instance or misroute.endpoint
    if misroute.kind == STREAM:
        what = f"Only the writer of the stream {misroute.stream} can do this"
        if served:
            return f"{what}. {who} has served others of this route: if it is the writer, see its log."
        return f"{what}: send it there. If {who} is that writer, its log says what failed."
    if misroute.kind == NO_RESOURCE:
        return f"{misroute.endpoint} is no client listener, since those answer in JSON: is it the right port?"
    if misroute.kind == UNRECOGNIZED:
        kinds = ", ".join(_SERVED_BY.get(kind, kind) for kind in misroute.served_by)
        return f"{who} does not know this, which Synapse serves on: {kinds}. Send it there."
    return (
        f"{who} does not know this, nor does any process by default: a feature that is off, a client's "
        f"mistake, or new in Synapse. If {fallback} knows it, give it a route there."
    )
