"""Holds a table against the catalogue of Synapse's endpoints: is each one sent to where it can be served?

Pure: a snapshot, a catalogue and what each instance is go in, a judgement of every request comes out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import product
from types import MappingProxyType

from router.config.automaton import readable
from router.config.regex import Bytes, Choice, Repeat, Sequence, Tree, parse
from router.errors import ConfigError, ProxyError
from router.request import RequestHead
from router.routing.decision import Forward, decide
from router.routing.snapshot import Snapshot
from router.routing.view import EveryEndpointUp
from router.synapse.catalogue import Catalogue, CataloguedEndpoint
from router.table import UNMATCHED, Endpoint, Route

_BARE_DOT = re.compile(r"(?<!\\)\.(?![*+?{])")
"""Synapse leaves the dots of some names unescaped; nobody means any other byte by them."""

RESOURCES = MappingProxyType(
    {"/_matrix/federation/": "federation", "/_matrix/key/": "federation", "/_matrix/media/": "media"}
)
"""Which of a listener's `resources` serves what begins so; the others are `client`'s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """Of which of the catalogue's kinds an instance is, what its listener serves, which streams it writes."""

    kinds: frozenset[str]
    resources: frozenset[str]
    writes: frozenset[str] = frozenset()

    def serves(self, endpoint: CataloguedEndpoint) -> bool:
        """Whether the instance can serve it."""
        wanted = (resource for path, resource in RESOURCES.items() if endpoint.target.startswith(path))
        if next(wanted, "client") not in self.resources:
            return False
        return bool(self.kinds & endpoint.served_by) or (
            "writer" in endpoint.served_by and endpoint.stream in self.writes
        )


ROLES: Mapping[str, Role] = MappingProxyType(
    {
        "main": Role(
            kinds=frozenset({"main", "media"}),
            resources=frozenset({"client", "federation", "media"}),
            writes=frozenset(
                {
                    "account_data",
                    "device_lists",
                    "presence",
                    "push_rules",
                    "quarantined_media_changes",
                    "thread_subscriptions",
                    "to_device",
                }
            ),
        ),
        **{
            name: Role(kinds=frozenset({"worker", "media"}), resources=frozenset({"client", "federation"}))
            for name in ("generic1", "generic2", "generic3")
        },
        "receipts_writer": Role(
            kinds=frozenset({"worker", "media"}),
            resources=frozenset({"client"}),
            writes=frozenset({"receipts", "typing"}),
        ),
    }
)
"""The reference deployment (deploy/synapse), but for the instances without a client listener.

Every process there has a media repository, which `enable_media_repo` would end, in one folder. On a
listener with `client` or `federation` main serves `media` too, and a worker does not.
"""


class Verdict(Enum):
    """Where the table sends a request, against who can serve it."""

    WORKER = "on a worker"
    ONLY = "on main, which alone can serve it"
    CHOICE = "on main by choice"
    CLOSED = "closed by choice"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One request for one endpoint. `upstream` is empty where the router answers by itself."""

    endpoint: CataloguedEndpoint
    path: str
    route: Route | None
    upstream: str
    verdict: Verdict

    def __str__(self) -> str:
        where = (
            f"to {self.upstream} by {self.route.name}" if self.route and self.upstream else "answered here"
        )
        able = ", ".join(sorted(self.endpoint.served_by)) or "nobody"
        stream = f" of {self.endpoint.stream}" if self.endpoint.stream else ""
        return f"{self.endpoint.method} {self.path}: {where}; served by {able}{stream}"


def judge(snapshot: Snapshot, catalogue: Catalogue, roles: Mapping[str, Role] = ROLES) -> Iterator[Judged]:
    """All requests that `paths` makes of the endpoints; raises ConfigError for an instance without a role."""
    for endpoint in catalogue.endpoints:
        for path in paths(endpoint):
            yield _judge(snapshot, endpoint, path, roles)


def paths(endpoint: CataloguedEndpoint) -> tuple[str, ...]:
    """The catalogued path, and all that Synapse's pattern takes with `xx` for every id, and with none."""
    tree = parse(_BARE_DOT.sub(r"\\.", endpoint.pattern))
    spelled = (path.decode("latin-1") for id_ in (b"xx", b"") for path in _spelled(tree, id_))
    found = dict.fromkeys((endpoint.target.partition("?")[0], *spelled))
    return tuple(path for path in found if _can_be_sent(path))


def _spelled(tree: Tree, id_: bytes) -> list[bytes]:
    """Each of the alternatives with and without each of the options."""
    if isinstance(tree, Bytes):
        return [bytes([readable(tree.mask)])]
    if isinstance(tree, Sequence):
        pieces = (_spelled(item, id_) for item in tree.items)
        return [b"".join(chosen) for chosen in product(*pieces)]
    if isinstance(tree, Choice):
        return [text for item in tree.items for text in _spelled(item, id_)]
    if isinstance(tree, Repeat):
        once = _spelled(tree.item, id_)
        if tree.most is None:
            return [id_ or once[0] * tree.least]
        return [text * times for times in range(tree.least, tree.most + 1) for text in once]
    return [b""]


def _can_be_sent(path: str) -> bool:
    try:
        RequestHead(method="GET", target=path.encode("latin-1"))
    except ProxyError:
        return False
    return True


def _judge(snapshot: Snapshot, endpoint: CataloguedEndpoint, path: str, roles: Mapping[str, Role]) -> Judged:
    head = RequestHead(method=endpoint.method, target=path.encode("latin-1"), client="192.0.2.7")
    decision = decide(snapshot, head, EveryEndpointUp())
    if not isinstance(decision, Forward):
        route = None if decision.route is UNMATCHED else decision.route
        return Judged(endpoint=endpoint, path=path, route=route, upstream="", verdict=Verdict.CLOSED)
    chosen = [_role(each, roles) for each in decision.upstream.endpoints]
    return Judged(
        endpoint=endpoint,
        path=path,
        route=decision.route,
        upstream=decision.upstream.name,
        verdict=_verdict(endpoint, chosen, roles),
    )


def _role(endpoint: Endpoint, roles: Mapping[str, Role]) -> Role:
    role = roles.get(endpoint.instance or "")
    if role is None:
        raise ConfigError(
            f"nobody says what the instance behind {endpoint.name} can serve",
            source=endpoint.source,
            hint=f"name its instance, which is one of {', '.join(roles)}",
        )
    return role


def _verdict(endpoint: CataloguedEndpoint, chosen: list[Role], roles: Mapping[str, Role]) -> Verdict:
    if not all(role.serves(endpoint) for role in chosen):
        return Verdict.WRONG
    if not any("main" in role.kinds for role in chosen):
        return Verdict.WORKER
    able = [role for role in roles.values() if role.serves(endpoint)]
    return Verdict.ONLY if all("main" in role.kinds for role in able) else Verdict.CHOICE
