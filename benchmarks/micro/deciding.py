"""Deciding: an ordered loop of `re` beside the matcher and `decide`, over two tables; and each policy."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import partial

from benchmarks.micro import bed
from benchmarks.micro.cases import Call, Case, each_of
from benchmarks.mix import MIX, Request
from benchmarks.reference import HOST
from router.request import RequestHead
from router.routing.decision import decide
from router.routing.policy import balancer_for
from router.routing.query import find_parameter
from router.routing.snapshot import Snapshot
from router.settings import Config
from router.table import Endpoint, HashKey, Policy, PolicyKind, Presence, RouteTable, TcpAddress, Upstream
from router.upstream.state import EndpointStates

TABLES: dict[str, Callable[[], Config]] = {"shipped table": bed.shipped, "reference table": bed.reference}

MIXED = "the mix"
PATHS = {
    "the first routes (sync)": MIX[:1],
    "the last route (logout)": (Request("logout", "POST", "/_matrix/client/v3/logout"),),
    MIXED: MIX,
    "8 KiB, hostile": (Request("", "GET", "/_matrix/client/v3/rooms/" + "/x/context" * 800),),
}

LOOP, MATCH, DECIDE = "loop over re", "match", "decide"

POLICIES = {
    "single": Policy(),
    "round robin": Policy(),
    "ip_hash": Policy(kind=PolicyKind.IP_HASH),
    **{
        f"consistent hash by {each.kind}": Policy(kind=PolicyKind.CONSISTENT_HASH, keys=(each,))
        for each in (
            HashKey(kind="user"),
            HashKey(kind="room"),
            HashKey(kind="origin"),
            HashKey(kind="header", name="user-agent"),
        )
    },
}


class OrderedLoop:
    """What one writes first: every pattern compiled with `re`, asked one after another."""

    def __init__(self, table: RouteTable) -> None:
        self._routes = [
            (
                re.compile(route.pattern.text.encode("latin-1")).search,
                route.methods,
                [(each.name.encode(), each.presence is Presence.PRESENT) for each in route.query],
            )
            for route in table.routes
        ]

    def first(self, head: RequestHead) -> int:
        """The index of the first route that takes the request; the mix has no OPTIONS and no HEAD."""
        for index, (search, methods, query) in enumerate(self._routes):
            if search(head.path) and (methods is None or head.method in methods):
                for name, present in query:
                    if (find_parameter(head.query, name) is not None) is not present:
                        break
                else:
                    return index
        raise RuntimeError("the last route takes everything")


def ask(table: str, path: str, way: str) -> Call:
    """Asks for the route of each request, in that way."""
    config = TABLES[table]()
    snapshot = Snapshot.build(config.table)
    loop = OrderedLoop(config.table)
    heads = [bed.head_of(request) for request in PATHS[path]]
    for head in heads:
        if loop.first(head) != snapshot.matcher.first(head):
            raise RuntimeError(f"loop and matcher differ over {head.path!r}")
    if way == DECIDE:
        view = EndpointStates(time.time)
        return each_of(lambda head: decide(snapshot, head, view), heads)
    return each_of(loop.first if way == LOOP else snapshot.matcher.first, heads)


def choose(policy: str) -> Call:
    """Orders three endpoints that are up, one for `single`."""
    ports = (8101,) if policy == "single" else (8101, 8102, 8103)
    upstream = Upstream(
        name="generic-worker",
        endpoints=tuple(Endpoint(address=TcpAddress(host=HOST, port=port)) for port in ports),
        policy=POLICIES[policy],
    )
    balancer, view = balancer_for(upstream), EndpointStates(time.time)
    signature = 'X-Matrix origin="other.example.org",destination="example.org",key="ed25519:1",sig="c2ln"'
    signed = {"Authorization": signature} if policy.endswith("origin") else {}
    head = bed.head_of(MIX[1], **signed)
    if "hash" in policy and not balancer.choose(head, view)[1]:
        raise RuntimeError(f"{policy}: the request has no key")
    return lambda: balancer.choose(head, view)


def cases() -> list[Case]:
    """Every table, path and way, but `decide` for the mix only; then the policies."""
    found = [
        Case(name(table, path, way), partial(ask, table, path, way), len(PATHS[path]))
        for table in TABLES
        for path in PATHS
        for way in (LOOP, MATCH, *([DECIDE] if path == MIXED else ()))
    ]
    return [*found, *(Case(f"policy: {policy}", partial(choose, policy)) for policy in POLICIES)]


def name(table: str, path: str, way: str) -> str:
    """Of its case."""
    return f"{table}: {path}: {way}"
