"""A process to look at: its snapshot, endpoint states and metrics are real, its clock stands still."""

from __future__ import annotations

from router.admin.state import AdminState
from router.errors import Source
from router.observe.listeners import CertificateState, ListenerState
from router.observe.metrics import Metrics
from router.observe.misroutes import Misroutes
from router.proxy.opening import Opening
from router.request import RequestHead
from router.routing.decision import decide
from router.routing.snapshot import Snapshot
from router.settings import Config, Settings
from router.synapse.shapes import Shapes
from router.table import (
    Endpoint,
    HashKey,
    Pattern,
    Policy,
    PolicyKind,
    Presence,
    QueryPredicate,
    Refusal,
    Route,
    RouteTable,
    TcpAddress,
    Upstream,
)
from router.upstream.state import EndpointStates
from tests.observe.records import ended

NOON = 1_719_057_600.0
"""2024-06-22T12:00:00Z, when the process is looked at; it was started an hour before."""


LISTENER = "127.0.0.1:8080"


def endpoint(port: int, instance: str | None = None) -> Endpoint:
    return Endpoint(address=TcpAddress(host="127.0.0.1", port=port), instance=instance)


MAIN = endpoint(8008)
GENERIC1 = endpoint(8101, "generic1")
GENERIC2 = endpoint(8102, "generic2")


def source(line: int) -> Source:
    return Source(file="routes.yaml", line=line)


TABLE = RouteTable(
    routes=(
        Route(
            name="initial_sync",
            pattern=Pattern(text="^/_matrix/client/(r0|v3)/sync$"),
            methods=frozenset({"GET"}),
            query=(QueryPredicate(name="since", presence=Presence.ABSENT),),
            upstream="generic-worker",
            source=source(12),
        ),
        Route(
            name="sync",
            pattern=Pattern(text="^/_matrix/client/(r0|v3)/sync$"),
            upstream="generic-worker-user",
            first_byte=120.0,
            source=source(13),
        ),
        Route(name="media", pattern=Pattern(text="^/_matrix/media/"), upstream="main", source=source(14)),
        Route(
            name="gone",
            pattern=Pattern(text="^/gone"),
            refusal=Refusal(status=410, errcode="M_GONE", error="<gone>"),
            source=source(15),
        ),
        Route(name="media", pattern=Pattern(text="^/media2/"), upstream="main", source=source(16)),
    ),
    upstreams={
        "main": Upstream(name="main", endpoints=(MAIN,)),
        "generic-worker": Upstream(name="generic-worker", endpoints=(GENERIC1, GENERIC2)),
        "generic-worker-user": Upstream(
            name="generic-worker-user",
            endpoints=(GENERIC1, GENERIC2),
            policy=Policy(kind=PolicyKind.CONSISTENT_HASH, keys=(HashKey(kind="user"),)),
        ),
    },
)


class Process:
    """What an AdminState looks at; a test may change it at any time."""

    def __init__(self, *, public: bool = False, table: RouteTable = TABLE) -> None:
        self.now = NOON
        self.states = EndpointStates(lambda: self.now)
        self.metrics = Metrics(lambda: self.now)
        self.misroutes = Misroutes(
            table=lambda: self.snapshot.table,
            stream_of=lambda method, path: "receipts" if method == "POST" and b"/receipt/" in path else "",
            shape_of=Shapes((), ["^/_matrix/(client|media)/v3/rooms/(?P<room_id>[^/]*)/receipt/"]).of,
            served_by=lambda method, _: frozenset({"GET": ["main"], "DELETE": ["media"]}.get(method, [])),
            wall_clock=lambda: self.now,
        )
        self.connections = 5
        self.certificates: tuple[CertificateState, ...] = ()
        self.dropped = 0
        self.draining = False
        self.snapshot = Snapshot.build(table, generation=3)
        self.config = Config(table=table, settings=Settings(admin_public=public), digest="3f9c1a")
        self.state = AdminState(
            version="0.1.0",
            modules="pure",
            started=NOON - 3600,
            config=lambda: self.config,
            snapshot=lambda: self.snapshot,
            states=self.states,
            metrics=self.metrics,
            misroutes=self.misroutes,
            listeners=lambda: (
                ListenerState(
                    listener=LISTENER, connections=self.connections, certificates=self.certificates
                ),
            ),
            log_dropped=lambda: self.dropped,
            draining=lambda: self.draining,
            wall_clock=lambda: self.now,
        )

    def serve(
        self,
        target: bytes,
        *headers: tuple[bytes, bytes],
        method: str = "GET",
        status: int = 200,
        reason: str = "",
        opening: Opening | None = None,
        ends: bool = True,
    ) -> None:
        """One request through decide and metrics, as the proxy does it, with a made-up end."""
        head = RequestHead(method=method, target=target, headers=headers, client="192.0.2.1")
        decision = decide(self.snapshot, head, self.states)
        exchange = ended(line=b"%b %b HTTP/1.1" % (method.encode(), target), head=head, decision=decision)
        candidates = getattr(decision, "candidates", ())
        exchange.endpoint = candidates[0] if candidates else None
        exchange.status, exchange.reason, exchange.ended = status, reason, 100.5
        exchange.opening = opening
        self.metrics.begin(exchange)
        if ends:
            self.metrics.finish(exchange)
            self.misroutes.finish(exchange)
