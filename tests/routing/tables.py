"""Tables, heads and endpoint views that the routing tests are written with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from router.errors import Source
from router.request import RequestHead
from router.table import (
    Endpoint,
    HashKey,
    PathForm,
    Pattern,
    Policy,
    PolicyKind,
    Presence,
    QueryPredicate,
    Route,
    RouteTable,
    TcpAddress,
    Upstream,
)

IP_HASH = Policy(kind=PolicyKind.IP_HASH)
BY_USER = Policy(kind=PolicyKind.CONSISTENT_HASH, keys=(HashKey(kind="user"),))
BY_ORIGIN = Policy(kind=PolicyKind.CONSISTENT_HASH, keys=(HashKey(kind="origin"),))
BY_ROOM = Policy(kind=PolicyKind.CONSISTENT_HASH, keys=(HashKey(kind="room"),))


def by_header(name: str) -> Policy:
    return Policy(kind=PolicyKind.CONSISTENT_HASH, keys=(HashKey(kind="header", name=name),))


def upstream(name: str, *ports: int, policy: Policy | None = None, weights: Sequence[int] = ()) -> Upstream:
    endpoints = tuple(
        Endpoint(address=TcpAddress(host="127.0.0.1", port=port), weight=weight)
        for port, weight in zip(ports, weights or (1,) * len(ports), strict=True)
    )
    return Upstream(name=name, endpoints=endpoints, policy=policy or Policy())


def route(
    path: str,
    to: str = "main",
    *,
    name: str = "",
    form: PathForm = PathForm.RAW,
    methods: Sequence[str] = (),
    absent: str = "",
    present: str = "",
    line: int = 1,
) -> Route:
    query = [QueryPredicate(name=absent, presence=Presence.ABSENT)] if absent else []
    query += [QueryPredicate(name=present, presence=Presence.PRESENT)] if present else []
    return Route(
        name=name or to,
        pattern=Pattern(text=path, form=form),
        methods=frozenset(methods) or None,
        query=tuple(query),
        upstream=to,
        source=Source(file="routes.yaml", line=line),
    )


def table(routes: Sequence[Route], upstreams: Mapping[str, Upstream] | None = None) -> RouteTable:
    named = upstreams or {name: upstream(name, 8008) for name in {each.upstream or "main" for each in routes}}
    return RouteTable(routes=tuple(routes), upstreams=named)


def head(
    target: str | bytes, method: str = "GET", *, client: str = "192.0.2.7", **headers: str
) -> RequestHead:
    return RequestHead(
        method=method,
        target=target if isinstance(target, bytes) else target.encode("ascii"),
        headers=[(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        client=client,
    )


@dataclass
class View:
    """Endpoints by port that are down, the rotations that are reached, and requests in flight by port."""

    down: frozenset[int] = frozenset()
    weights: dict[str, tuple[int, ...]] = field(default_factory=dict)
    load: dict[int, int] = field(default_factory=dict)

    def all_up(self) -> bool:
        return not self.down

    def is_up(self, endpoint: Endpoint) -> bool:
        return not (isinstance(endpoint.address, TcpAddress) and endpoint.address.port in self.down)

    def passes_checks(self, endpoint: Endpoint) -> bool:
        return self.is_up(endpoint)

    def in_flight(self, endpoint: Endpoint) -> int:
        return self.load.get(endpoint.address.port, 0) if isinstance(endpoint.address, TcpAddress) else 0

    def rotation(self, upstream: Upstream) -> tuple[int, ...]:
        return self.weights.get(upstream.name, (0,) * len(upstream.endpoints))


def ports(endpoints: Sequence[Endpoint]) -> list[int]:
    return [each.address.port for each in endpoints if isinstance(each.address, TcpAddress)]
