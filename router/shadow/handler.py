"""A listener for mirrored requests: each is answered 204, decided on, compared, and never forwarded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from router.answers import Response
from router.guard import Guard
from router.proxy.record import ExchangeRecord
from router.request import RequestHead
from router.routing.decision import decide
from router.routing.snapshot import Snapshot
from router.routing.view import EveryEndpointUp
from router.settings import Guard as GuardSettings
from router.shadow.compare import Comparison
from router.table import Pattern, Refusal, Route, RouteTable

CHOSEN: Final = b"x-router-upstream"
"""The field in which the other proxy names the upstream that it has chosen, `-` for none."""

PORT: Final = b"x-router-port"
"""The field in which it names the port that the request came to, where routes ask for one."""

LONGEST: Final = 64
"""Characters of an upstream's name, as in routes.yaml: whoever connects can write anything."""

_ANSWER = Route(name="mirrored", pattern=Pattern(text=""), response=Response(status=204))
_VIEW = EveryEndpointUp()


class _NothingBehind(Guard):
    """There is no worker behind a mirror: its requests are judged where they are compared."""

    def refuses(self, head: RequestHead) -> Refusal | None:  # noqa: ARG002 - the guard's
        """Nothing."""
        return None


def mirror_table() -> Snapshot:
    """A table without upstreams, so that nothing can be forwarded: 204 for every request."""
    table = RouteTable(routes=(_ANSWER,), upstreams={})
    return Snapshot(table=table, guard=_NothingBehind(GuardSettings()), generation=0)


class Mirrored:
    """The observer of a listener for mirrored requests; `snapshot` tells the table that is served."""

    __slots__ = ("_comparison", "_snapshot")

    def __init__(self, comparison: Comparison, snapshot: Callable[[], Snapshot]) -> None:
        self._comparison = comparison
        self._snapshot = snapshot

    def begin(self, exchange: ExchangeRecord) -> None:
        """Nothing is known of it yet."""

    def finish(self, exchange: ExchangeRecord) -> None:
        """Decides on it as the proxy would, and compares."""
        head = exchange.head
        if head is None:
            self._comparison.refused(exchange.reason)
            return
        port = head.header(PORT)
        if port.isdigit() and len(port) <= 5:
            head.port = int(port)
        theirs = head.header(CHOSEN).strip(b" \t").decode("latin-1")[:LONGEST]
        self._comparison.decided(head, decide(self._snapshot(), head, _VIEW), theirs)
