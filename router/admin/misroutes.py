"""The misroutes of the status: what was seen, what it means and what to do, in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from router.observe.misroutes import NO_RESOURCE, STREAM, Misroute, Misroutes
from router.table import RouteTable

RECENT = 900.0
"""Seconds after which a misroute that has not come again is no longer in the verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MisrouteStatus:
    """One misroute, `count` times from `first` to `time` (seconds since 1970); the rest as in `Misroute`."""

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


def misroutes_of(misroutes: Misroutes, table: RouteTable) -> tuple[MisrouteStatus, ...]:
    """Those seen last, newest first."""
    fallback = table.fallback.name if table.fallback is not None else "main"
    return tuple(
        MisrouteStatus(
            time=seen.last,
            first=seen.first,
            count=seen.count,
            meaning=_meaning(misroute, fallback),
            **asdict(misroute),
        )
        for misroute, seen in reversed(misroutes.last.items())
    )


def recent(misroutes: Iterable[MisrouteStatus], now: float) -> list[MisrouteStatus]:
    """Those that the verdict speaks of."""
    return [each for each in misroutes if now - each.time < RECENT]


def _meaning(misroute: Misroute, fallback: str) -> str:
    who = misroute.instance or misroute.endpoint
    if misroute.kind == STREAM:
        return (
            f"Only the writer of the stream {misroute.stream} can do this: send it there. "
            f"If {who} is that writer, its log says what failed."
        )
    if misroute.kind == NO_RESOURCE:
        return f"{misroute.endpoint} is no client listener, since those answer in JSON: is it the right port?"
    return (
        f"{who} does not know this: it is new in Synapse, or the route is too wide. "
        f"If {fallback} knows it, give it a route there."
    )
