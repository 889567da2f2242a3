"""Route, RouteTable, Upstream, Endpoint and addresses: frozen values that check themselves.

The waist of the hourglass: whatever reads text ends in a `RouteTable`, whatever serves starts from one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from router.answers import Redirect, Response
from router.errors import ConfigError, Source, UnknownUpstream


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpAddress:
    """A host as written (a name, or an address in any form that inet_aton takes) and a port."""

    host: str
    port: int

    def __post_init__(self) -> None:
        if not self.host:
            raise ValueError("an address needs a host")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port {self.port} is not in 0-65535")

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnixAddress:
    """An absolute path of a unix socket."""

    path: str

    def __post_init__(self) -> None:
        if not self.path.startswith("/"):
            raise ValueError(f"unix:{self.path} is not an absolute path")

    def __str__(self) -> str:
        return f"unix:{self.path}"


Address = TcpAddress | UnixAddress

_LABELS = re.compile(
    r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?"
)
_SERVICE = re.compile(r"_[A-Za-z0-9-]+\._[A-Za-z0-9-]+\..+")


def is_host_name(text: str) -> bool:
    """Whether DNS can be asked for it (RFC 1123 section 2.1, with the underscore of Docker's names)."""
    labels = text.rstrip(".").split(".")
    return _LABELS.fullmatch(text) is not None and len(text) <= 253 and max(map(len, labels)) <= 63


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsAddress:
    """Whatever DNS finds under a name: A and AAAA records with `port`, or SRV records, which bring theirs.

    An endpoint that is written so stands for as many as are found; nothing is found before it is served.
    """

    name: str
    port: int | None = None

    def __post_init__(self) -> None:
        if not is_host_name(self.name):
            raise ValueError(f"{self.name!r} is not a name that DNS can be asked for")
        if self.name.rstrip(".").rpartition(".")[2].isdigit():
            raise ValueError(f"{self.name} is an address, not a name: write it without `dns:`")
        if self.port is None and not _SERVICE.fullmatch(self.name):
            raise ValueError(
                f"dns:{self.name} has no port, and is not `_service._proto.name` as SRV records are"
            )
        if self.port is not None and _SERVICE.fullmatch(self.name):
            raise ValueError(f"SRV records bring their own ports: write dns:{self.name} without one")
        if self.port is not None and not 1 <= self.port <= 65535:
            raise ValueError(f"port {self.port} is not in 1-65535")

    def __str__(self) -> str:
        return f"dns:{self.name}" if self.port is None else f"dns:{self.name}:{self.port}"


def parse_endpoint_address(text: str) -> Address | DnsAddress:
    """Reads what an endpoint may be: `dns:NAME:PORT`, `dns:_service._proto.NAME`, or a plain address."""
    if not text.startswith("dns:"):
        return parse_address(text)
    name, colon, port = text.removeprefix("dns:").partition(":")
    if not colon:
        return DnsAddress(name=name)
    if not port.isascii() or not port.isdigit() or len(port) > 5:
        raise ValueError(f"{text!r} is not dns:NAME:PORT or dns:_service._proto.NAME")
    return DnsAddress(name=name, port=int(port))


def parse_address(text: str) -> Address:
    """Reads `host:port`, `[v6]:port` or `unix:/path`; raises ValueError that says what is wrong."""
    if text.startswith("unix:"):
        return UnixAddress(path=text.removeprefix("unix:"))
    if text.startswith("dns:") and not text.removeprefix("dns:").isdigit():
        raise ValueError(f"{text!r}: only an endpoint can be written with `dns:`")
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or len(port) > 5:
        raise ValueError(f"{text!r} is not host:port, [v6]:port or unix:/path")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: write an IPv6 address in brackets, as [::1]:8008")
    return TcpAddress(host=host, port=int(port))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTls:
    """How TLS is spoken to an endpoint; its certificate is always verified.

    `ca` is a file of those that may have signed it, or of the certificate itself; None for the system's.
    `server_name` is what it must name, and what SNI asks for; None for the endpoint's host. `certificate` and
    `key` are files to show in return, where the endpoint wants to know who connects.
    """

    ca: str | None = None
    server_name: str | None = None
    certificate: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a certificate has a key, and a key a certificate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One client listener of one Synapse process, or as many as DNS finds.

    `name` is what metrics, logs and `explain` call it: the address as written.
    """

    address: Address | DnsAddress
    weight: int = 1
    instance: str | None = None
    max_requests: int | None = None
    """Requests at once; more of them wait. None for any number (nginx `max_conns`, HAProxy `maxconn`)."""

    max_fails: int = 1
    """Requests that fail within `fail_timeout` before it is out, 0 for never: as nginx `max_fails`."""

    fail_timeout: float = 10.0
    """Seconds that it is out then, before one request tries it: as nginx `fail_timeout`."""

    tls: ClientTls | None = None
    """None for plain HTTP."""

    down: bool = False
    """Never asked, and keeps its place: what hashes to it goes on to the next (nginx `down`)."""

    backup: bool = False
    """Asked only where none of the others can be (nginx `backup`)."""

    source: Source | None = field(default=None, compare=False)
    name: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if self.weight < 1:
            raise ValueError(f"weight {self.weight} is not a positive number")
        if self.max_requests is not None and self.max_requests < 1:
            raise ValueError(f"max_requests {self.max_requests} is not a positive number")
        if self.max_fails < 0 or self.fail_timeout <= 0:
            raise ValueError("max_fails is not below 0, and fail_timeout above it")
        object.__setattr__(self, "name", str(self.address))


class PolicyKind(Enum):
    """How an upstream orders its endpoints for one request, in nginx's words."""

    ROUND_ROBIN = "round_robin"
    LEAST_CONN = "least_conn"
    IP_HASH = "ip_hash"
    HASH = "hash"
    """nginx `hash KEY`: by the key's crc32, modulo the weights."""

    CONSISTENT_HASH = "consistent_hash"
    """nginx `hash KEY consistent`: ketama."""

    @property
    def hashes_key(self) -> bool:
        """Whether it needs a key."""
        return self in (PolicyKind.HASH, PolicyKind.CONSISTENT_HASH)


NAMED_FACTS = frozenset({"header", "cookie", "argument", "capture"})
"""Facts that there are many of, each with a name. What they are, `HashKey` tells."""

REQUEST_FACTS = frozenset({"method", "target", "path", "normalised", "query", "host", "port", "client"})
"""Facts that every request has one of."""

MATRIX_FACTS = frozenset({"user", "room", "origin"})
"""Facts that only Matrix requests have."""


def _check_fact(kind: str, name: str) -> None:
    if (kind in NAMED_FACTS) != bool(name):
        raise ValueError(f"`{kind}` {'needs a name' if not name else 'has no name'}")
    if kind != "capture" and name != name.lower():
        raise ValueError(f"the name of a {kind} is kept in lower case, not {name!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HashKey:
    """One fact of a request that a hash can hash, or a part of it.

    `kind` is one of:

    - `header`, `cookie`, `argument` with a `name` in lower case: as nginx's `$http_NAME`, `$cookie_NAME` and
      `$arg_NAME`, empty where there is none; an argument is a parameter of the query, undecoded;
    - `capture`: the group of that `name` in the pattern of the request's route, decoded once;
    - `method`, `target` (path and query as received, `$request_uri`), `path` (as received), `normalised`
      (`$uri`), `query` (`$args`), `host` (`$host`), `port` (of the listener, `$server_port`), `client`
      (`$remote_addr`);
    - `user` (of the token), `room` (in the path), `origin` (of a server's signature).

    Where there is a `pattern` (RE2, searched for), its first group is taken instead of the whole fact.
    """

    kind: str
    name: str = ""
    pattern: str = ""

    def __post_init__(self) -> None:
        if self.kind not in NAMED_FACTS | REQUEST_FACTS | MATRIX_FACTS:
            raise ValueError(f"{self.kind!r} is nothing that a hash can hash")
        _check_fact(self.kind, self.name)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" if self.name else self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What a route asks of one fact of a request: that a pattern (RE2) is found in it, or is not.

    The facts are those of a `HashKey`, but for `capture`; one that a request does not have is empty.
    """

    kind: str
    name: str = ""
    pattern: str
    negated: bool = False

    def __post_init__(self) -> None:
        if self.kind not in (NAMED_FACTS | REQUEST_FACTS | MATRIX_FACTS) - {"capture"}:
            raise ValueError(f"{self.kind!r} is nothing that a route can ask for")
        _check_fact(self.kind, self.name)

    def __str__(self) -> str:
        name = f" {self.name}" if self.name else ""
        return f"{self.kind}{name} {'lacks' if self.negated else 'has'} {self.pattern}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A kind, with keys where the kind hashes one.

    The key of a request is what the first of `keys` that applies gives: one with a pattern applies where the
    pattern is found, though its group be empty; one without where the fact is not empty. Where none does, or
    the key is empty, the request goes by round robin, as in nginx.
    """

    kind: PolicyKind = PolicyKind.ROUND_ROBIN
    keys: tuple[HashKey, ...] = ()

    def __post_init__(self) -> None:
        if self.kind.hashes_key != bool(self.keys):
            raise ValueError("hash and consistent_hash need a key, and only they have one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A named group of endpoints that can serve the same requests (nginx upstream, Envoy cluster)."""

    name: str
    endpoints: tuple[Endpoint, ...]
    policy: Policy = Policy()
    queue_size: int | None = None
    """Requests that may wait for an endpoint; None means what `limits.queue` says."""

    queue_timeout: float | None = None
    """Seconds that one waits for an endpoint with room; None means what `timeouts.queue` says."""

    source: Source | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not self.endpoints:
            raise ConfigError(f"upstream `{self.name}` has no endpoints", source=self.source)
        if self.policy.kind not in (PolicyKind.ROUND_ROBIN, PolicyKind.LEAST_CONN) and any(
            endpoint.backup for endpoint in self.endpoints
        ):
            raise ConfigError(
                f"upstream `{self.name}` hashes, and has a backup, which nginx does not take either",
                source=self.source,
            )


class PathForm(Enum):
    """Which reading of the path a pattern is held against."""

    RAW = "raw"
    """The path as received, up to the `?`: what Synapse's own patterns see."""

    NORMALISED = "normalised"
    """Decoded once, slashes merged, dot segments resolved: what nginx's `$uri` holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """An RE2 pattern over bytes (text as Latin-1), searched for anywhere in one form of the path."""

    text: str
    form: PathForm = PathForm.RAW


class Presence(Enum):
    """What a query predicate asks of a parameter."""

    PRESENT = "present"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryPredicate:
    """A query parameter, by its decoded name, that must be there or must not."""

    name: str
    presence: Presence

    def __str__(self) -> str:
        return f"`{self.name}` is {self.presence.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer that the router gives itself, as Matrix JSON."""

    status: int = 404
    errcode: str = "M_UNRECOGNIZED"
    error: str = "Unrecognized request"

    def __post_init__(self) -> None:
        if not 400 <= self.status <= 599:
            raise ValueError(f"a refusal has a status in 400-599, not {self.status}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One line of the table: what a request must look like, and where it goes.

    Several routes may share a `name` (a group written as a list of paths); `name` is what metrics
    and logs say, `source` tells the lines apart. Exactly one of `upstream`, `refusal`, `response` and
    `redirect` is set: all but the first are answered here.
    `methods` is None for all; a route for GET takes HEAD too and OPTIONS ignores methods.
    `first_byte` is in seconds, `max_body` in bytes; None means what `settings` says. `upgrade` has the
    protocols that a request may go on in (RFC 9110 section 7.8), none by default, as in nginx.
    `wait_for_worker` is how many seconds a request may wait while no endpoint is up; None for not at all.
    """

    name: str
    pattern: Pattern
    methods: frozenset[str] | None = None
    query: tuple[QueryPredicate, ...] = ()
    conditions: tuple[Condition, ...] = ()
    upstream: str | None = None
    refusal: Refusal | None = None
    response: Response | None = None
    redirect: Redirect | None = None
    first_byte: float | None = None
    max_body: int | None = None
    wait_for_worker: float | None = None
    upgrade: tuple[str, ...] = ()
    source: Source | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.upstream, *self._answers)) != 1:
            raise ValueError(f"route `{self.name}` needs an upstream or one answer")

    @property
    def _answers(self) -> tuple[Refusal | Response | Redirect | None, ...]:
        return (self.refusal, self.response, self.redirect)

    @property
    def answer(self) -> Refusal | Response | Redirect | None:
        """What the router answers by itself, None where the route has an upstream."""
        return next((each for each in self._answers if each is not None), None)

    def takes_method(self, method: str) -> bool:
        """Whether the route is for that method."""
        if self.methods is None or method == "OPTIONS" or method in self.methods:
            return True
        return method == "HEAD" and "GET" in self.methods


UNMATCHED = Route(name="unmatched", pattern=Pattern(text=""), refusal=Refusal())
"""The last route of every table: 404 M_UNRECOGNIZED for whatever no other route takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTable:
    """The ordered routes, first match wins, and the upstreams they name.

    `routes` always ends with `UNMATCHED`, which is appended here and cannot be written.
    Raises UnknownUpstream for a route to nowhere.
    """

    routes: tuple[Route, ...]
    upstreams: Mapping[str, Upstream]

    def __post_init__(self) -> None:
        object.__setattr__(self, "upstreams", MappingProxyType(dict(self.upstreams)))
        if not self.routes or self.routes[-1] is not UNMATCHED:
            object.__setattr__(self, "routes", (*self.routes, UNMATCHED))
        for route in self.routes[:-1]:
            if route.name == UNMATCHED.name:
                raise ConfigError("the name `unmatched` is taken by the last route", source=route.source)
            if route.upstream is not None and route.upstream not in self.upstreams:
                known = ", ".join(self.upstreams) or "none"
                raise UnknownUpstream(
                    f"route `{route.name}` goes to `{route.upstream}`, which is not an upstream here",
                    source=route.source,
                    hint=f"the file defines: {known}",
                )

    @property
    def fallback(self) -> Upstream | None:
        """The upstream of the last route that has one: main, where it gets what no other route takes."""
        last = next((route.upstream for route in reversed(self.routes) if route.upstream is not None), None)
        return self.upstreams[last] if last is not None else None
