"""The misroutes of the status: what was seen, what it means and what to do, in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from router.admin.state import AdminState
from router.observe.misroutes import NO_RESOURCE, STREAM, UNRECOGNIZED, Misroute

RECENT = 900.0
"""Seconds after which a misroute that has not come again is no longer in the verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MisrouteStatus:
    """One misroute, `count` times from `first` to `time` (seconds since 1970); the rest as in `Misroute`.

    `served_by` has the kinds of process that Synapse serves it on; it is empty where the Synapse that this
    router was made for has no such request, which is then a client's mistake, or new.
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
        kinds = tuple(sorted(state.served_by(misroute.method, misroute.shape)))
        statuses.append(
            MisrouteStatus(
                time=seen.last,
                first=seen.first,
                count=seen.count,
                served_by=kinds,
                meaning=_meaning(misroute, kinds, fallback.name if fallback is not None else "main"),
                **asdict(misroute),
            )
        )
    return tuple(statuses)


def alarming(misroutes: Iterable[MisrouteStatus], now: float) -> list[MisrouteStatus]:
    """Those that the verdict speaks of: recent, and no mistake of a client.

    Anybody can ask a worker for what nobody serves: that alone must not look like a fault.
    """
    return [
        each
        for each in misroutes
        if now - each.time < RECENT and (each.served_by or each.kind != UNRECOGNIZED)
    ]


def _meaning(misroute: Misroute, kinds: tuple[str, ...], fallback: str) -> str:
    who = misroute.instance or misroute.endpoint
    if misroute.kind == STREAM:
        return (
            f"Only the writer of the stream {misroute.stream} can do this: send it there. "
            f"If {who} is that writer, its log says what failed."
        )
    if misroute.kind == NO_RESOURCE:
        return f"{misroute.endpoint} is no client listener, since those answer in JSON: is it the right port?"
    if kinds:
        return f"{who} does not know this, which Synapse serves on: {', '.join(kinds)}. Send it there."
    return (
        f"{who} does not know this, nor does the Synapse that this router was made for: new in yours, or a "
        f"client's mistake. If {fallback} knows it, give it a route there."
    )
