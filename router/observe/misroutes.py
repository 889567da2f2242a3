"""Misroutes noticed in production: requests whose answer says that they came to the wrong process.

A new release of Synapse shows itself so, as does a route that is too wide. The kinds:

* `unrecognized`: 404 or 405 M_UNRECOGNIZED to what Synapse serves elsewhere.
* `unknown`: the same, to what no process of Synapse serves by default: a feature that is off, a client's
  mistake, or new in Synapse. Where the table's fallback answers so, nobody knows the request: no misroute.
* `stream`: 500 M_UNKNOWN to what only the writer of a stream can do. The writer itself may fail so too.
* `no_resource`: Twisted's HTML page for a Matrix path, where every client listener answers JSON: the
  endpoint is another listener, of health checks for one.

Nothing of a request is kept but its method and the shape of its path.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from router.observe.metrics import METHODS, OTHER
from router.proxy.record import ExchangeRecord
from router.request import RequestHead
from router.routing.decision import Forward
from router.table import RouteTable

UNRECOGNIZED, UNKNOWN, STREAM, NO_RESOURCE = "unrecognized", "unknown", "stream", "no_resource"

LAST = 20
"""How many different misroutes are kept for the status page."""

_MATRIX = b"/_matrix/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Misroute:
    """What is the same about repeated ones. `source` is the route's line, `stream` empty for the other kinds.

    `shape` is the path with `*` for every part that is no word of the table's or Synapse's own, `served_by`
    has the kinds of process that Synapse serves it on by default, as far as is known.
    """

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


class Sightings:
    """How often a misroute was seen, and when first and last, in wall-clock seconds."""

    __slots__ = ("count", "first", "last")

    def __init__(self, now: float) -> None:
        self.count = 0
        self.first = now
        self.last = now


class Misroutes:
    """Reads each exchange that has ended with an `opening`; the others are none of its business.

    `table` is the one that is served. `stream_of` names the stream whose writer alone can serve a method
    and raw path, empty for none; `shape_of` gives the shape of a raw path, `served_by` the kinds of process
    that serve a method and a shape by default, empty for none.

    `unrecognized` counts every M_UNRECOGNIZED by (route, upstream, endpoint), `counts` misroutes by
    (route, upstream, endpoint, kind); `last` holds the different ones that were seen last, newest last.
    """

    __slots__ = (
        "_served_by",
        "_shape_of",
        "_stream_of",
        "_table",
        "_wall_clock",
        "counts",
        "last",
        "unrecognized",
    )

    def __init__(
        self,
        *,
        table: Callable[[], RouteTable],
        stream_of: Callable[[str, bytes], str],
        shape_of: Callable[[bytes], str],
        served_by: Callable[[str, str], frozenset[str]],
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._table = table
        self._stream_of = stream_of
        self._shape_of = shape_of
        self._served_by = served_by
        self._wall_clock = wall_clock
        self.unrecognized: dict[tuple[str, str, str], int] = {}
        self.counts: dict[tuple[str, str, str, str], int] = {}
        self.last: dict[Misroute, Sightings] = {}

    def finish(self, exchange: ExchangeRecord) -> None:
        """The exchange has ended."""
        decision, endpoint, head = exchange.decision, exchange.endpoint, exchange.head
        if not isinstance(decision, Forward) or endpoint is None or head is None:
            return
        labels = (decision.route.name, decision.upstream.name, endpoint.name)
        kind, stream = self._kind(exchange, head, labels)
        if not kind:
            return
        shape = self._shape_of(head.path)
        served_by = self._served_by(head.method, shape)
        if kind == UNRECOGNIZED and not served_by:
            kind = UNKNOWN
        self.counts[*labels, kind] = self.counts.get((*labels, kind), 0) + 1
        self._keep(
            Misroute(
                kind=kind,
                route=decision.route.name,
                source=str(decision.route.source) if decision.route.source else None,
                upstream=decision.upstream.name,
                endpoint=endpoint.name,
                instance=endpoint.instance,
                method=METHODS.get(head.method, OTHER),
                shape=shape,
                status=exchange.status,
                stream=stream,
                served_by=tuple(sorted(served_by)),
            )
        )

    def keep(self, endpoints: AbstractSet[str]) -> None:
        """Ends the series of all other endpoints; what was seen last stays, until others push it out."""
        self.unrecognized = {each: n for each, n in self.unrecognized.items() if each[2] in endpoints}
        self.counts = {each: n for each, n in self.counts.items() if each[2] in endpoints}

    def _kind(
        self, exchange: ExchangeRecord, head: RequestHead, labels: tuple[str, str, str]
    ) -> tuple[str, str]:
        """The kind of misroute, empty for none, and the stream."""
        opening = exchange.opening
        if opening is None:
            return "", ""
        errcode = opening.errcode
        if exchange.status == 500:
            stream = self._stream_of(head.method, head.path) if errcode == "M_UNKNOWN" else ""
            return (STREAM if stream else ""), stream
        if errcode == "M_UNRECOGNIZED":
            self.unrecognized[labels] = self.unrecognized.get(labels, 0) + 1
            return ("" if self._is_fallback(labels[2]) else UNRECOGNIZED), ""
        if exchange.status == 404 and head.path.startswith(_MATRIX) and opening.no_resource:
            return NO_RESOURCE, ""
        return "", ""

    def _is_fallback(self, endpoint: str) -> bool:
        fallback = self._table().fallback
        return fallback is not None and any(each.name == endpoint for each in fallback.endpoints)

    def _keep(self, misroute: Misroute) -> None:
        now = self._wall_clock()
        seen = self.last.pop(misroute, None) or Sightings(now)
        seen.count += 1
        seen.last = now
        self.last[misroute] = seen
        if len(self.last) > LAST:
            # Of the route that has most: whoever makes up paths below one pushes nothing else out.
            ((route, _),) = Counter(each.route for each in self.last).most_common(1)
            del self.last[next(each for each in self.last if each.route == route)]
