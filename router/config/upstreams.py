"""The `upstreams:` of the file: named groups of endpoints, each with a policy."""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingType
from pathlib import Path
from types import MappingProxyType

from router.config.fields import Fields, mapping
from router.config.findings import Findings, Related
from router.config.nodes import Entry, Mapping, Node, Scalar
from router.config.tls import client_tls
from router.config.values import choice, endpoint_address, kind_of, seconds, short, whole, word
from router.table import (
    Address,
    DnsAddress,
    Endpoint,
    HashKey,
    Policy,
    PolicyKind,
    TcpAddress,
    UnixAddress,
    Upstream,
)

POLICIES = MappingProxyType({kind.value: kind.name for kind in PolicyKind})

KEYS = MappingProxyType(
    {
        "user": "the user in the token",
        "room": "the room id in the path",
        "origin": "the server that signed the request",
        "header": "a header field",
    }
)

NGINX_FAILS = (1, 10.0)
"""`max_fails` and `fail_timeout` of an endpoint that says neither: nginx's defaults."""

MOST_WEIGHT = 256
"""HAProxy's bound; a consistent hash keeps 160 points for each unit of weight."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110 section 5.6.2, token."""


def is_name(text: str) -> bool:
    """Whether an upstream, a route or an instance can have that name."""
    return len(text) <= 64 and _NAME.fullmatch(text) is not None


def name(scalar: Scalar, findings: Findings, what: str) -> str | None:
    """A name of an upstream or a route: one word for metrics, logs and `explain --batch`."""
    if is_name(scalar.text):
        return scalar.text
    findings.add(
        "S014",
        f"`{short(scalar.text)}` cannot name {what}",
        scalar.source,
        fix="use at most 64 letters, digits, `_`, `-` and `.`, and begin with a letter, a digit or `_`",
    )
    return None


class UpstreamReader:
    """Reads upstreams; remembers what was written, even where it cannot be served."""

    __slots__ = ("_findings", "_folder", "endpoints", "names")

    def __init__(self, findings: Findings, folder: Path) -> None:
        """Paths of certificates are relative to `folder`."""
        self._findings = findings
        self._folder = folder
        self.endpoints: list[Endpoint] = []
        self.names: set[str] = set()

    def read(self, node: Node | None) -> dict[str, Upstream]:
        """The upstreams that can be served."""
        if node is None:
            return {}
        if not isinstance(node, Mapping):
            self._findings.add(
                "S009",
                f"`upstreams:` is a mapping of names to upstreams, not {kind_of(node)}",
                node.source,
                fix="write `main: {endpoints: [127.0.0.1:8008]}` below it",
            )
            return {}
        if not node.entries:
            self._findings.add(
                "S010", "`upstreams:` defines none", node.source, fix="define one for the main process"
            )
        self.names = {entry.key.text for entry in node.entries}
        read = [self._upstream(entry) for entry in node.entries]
        return {upstream.name: upstream for upstream in read if upstream is not None}

    def _upstream(self, entry: Entry) -> Upstream | None:
        findings, key = self._findings, entry.key
        known = name(key, findings, "an upstream")
        where = f"upstream `{short(key.text)}`"
        if isinstance(entry.value, Scalar) and entry.value.is_null:
            _no_endpoints(key, findings)
            return None
        fields = mapping(
            entry.value,
            ("policy", "key", "endpoints", "queue"),
            findings,
            where,
            fix="write `{endpoints: [127.0.0.1:8008]}`",
        )
        if fields is None:
            return None
        policy = _policy(fields, findings, where)
        endpoints = _endpoints(fields, key, self._folder, findings)
        self.endpoints += endpoints
        if known is None or policy is None or not endpoints:
            return None
        size, timeout = _queue(fields.get("queue"), findings)
        return Upstream(
            name=known,
            endpoints=endpoints,
            policy=policy,
            queue_size=size,
            queue_timeout=timeout,
            source=key.source,
        )


def _no_endpoints(key: Scalar, findings: Findings) -> None:
    findings.add(
        "W201",
        f"upstream `{short(key.text)}` has no endpoints",
        key.source,
        fix="list the client listeners of its workers, as `endpoints: [127.0.0.1:8101]`",
    )


def _policy(fields: Fields, findings: Findings, where: str) -> Policy | None:
    written = fields.get("policy")
    chosen = choice(written, findings, "`policy`", POLICIES) if written else PolicyKind.ROUND_ROBIN.value
    node = fields.get("key")
    key = _hash_key(node, findings) if node else None
    if chosen is None or (node and key is None):
        return None
    kind = PolicyKind(chosen)
    if kind is PolicyKind.CONSISTENT_HASH and key is None:
        findings.add(
            "W204",
            f"{where} is consistent_hash and has no `key:`",
            fields.place("policy"),
            fix="write `key: user`, `key: room`, `key: origin`, or `key: {header: Authorization}`",
        )
        return None
    if kind is not PolicyKind.CONSISTENT_HASH and key is not None:
        findings.add(
            "W204",
            f"{where} has a key, and {kind.value} hashes none",
            fields.place("key"),
            fix="write `policy: consistent_hash`, or remove the key",
        )
        return None
    return Policy(kind=kind, keys=(key,) if key else ())


def _queue(node: Node | None, findings: Findings) -> tuple[int | None, float | None]:
    """How many requests may wait for an endpoint, and for how long; None for what is not written."""
    fields = mapping(node, ("size", "timeout"), findings, "`queue`", fix="write `{size: 100, timeout: 5s}`")
    if fields is None:
        return None, None
    size, timeout = fields.get("size"), fields.get("timeout")
    return (
        whole(size, findings, "`size`", least=0) if size else None,
        seconds(timeout, findings, "`timeout`") if timeout else None,
    )


def _hash_key(node: Node, findings: Findings) -> HashKey | None:
    if isinstance(node, Scalar):
        kind = choice(node, findings, "`key`", KEYS)
        if kind == "header":
            findings.add(
                "S010",
                "`key: header` names no header",
                node.source,
                fix="write `key: {header: Authorization}`",
            )
            return None
        return HashKey(kind=kind) if kind else None
    fix = "write `user`, `room`, `origin` or `{header: Authorization}`"
    fields = mapping(node, ("header",), findings, "`key`", fix=fix)
    written = fields.need("header", "write `{header: Authorization}`") if fields else None
    scalar = word(written, findings, "`header`") if written else None
    if scalar is None:
        return None
    if not _FIELD_NAME.fullmatch(scalar.text):
        findings.add("S014", f"`{short(scalar.text)}` is not the name of a header field", scalar.source)
        return None
    return HashKey(kind="header", name=scalar.text.lower())


def _endpoints(fields: Fields, key: Scalar, folder: Path, findings: Findings) -> tuple[Endpoint, ...]:
    node = fields.get("endpoints")
    if node is None or isinstance(node, Mapping):
        if isinstance(node, Mapping):
            findings.add("S009", "`endpoints` is a list, not a mapping", node.source, fix="put it into `[ ]`")
        elif "endpoints" not in fields.keys and "endpoints" not in fields.meant:
            _no_endpoints(key, findings)
        return ()
    nodes = (node,) if isinstance(node, Scalar) else node.items
    if not nodes:
        _no_endpoints(key, findings)
    read = [_endpoint(item, folder, findings) for item in nodes]
    found: dict[Address | DnsAddress, Endpoint] = {}
    for endpoint in (one for one in read if one is not None):
        if endpoint.address in found:
            first = found[endpoint.address].source
            findings.add(
                "W203",
                f"{endpoint.name} stands twice in upstream `{short(key.text)}`",
                endpoint.source,
                fix="keep one of them, with `weight: 2` if it is to take twice the share",
                related=(Related(source=first, note="first listed here"),) if first else (),
            )
        found.setdefault(endpoint.address, endpoint)
    return tuple(found.values())


def _endpoint(node: Node, folder: Path, findings: Findings) -> Endpoint | None:
    weight: int | None = 1
    instance: str | None = None
    most: int | None = None
    fails, timeout = NGINX_FAILS
    place: Node | None = node
    fields: Fields | None = None
    if not isinstance(node, Scalar):
        fields = mapping(
            node,
            ("address", "weight", "instance", "max_requests", "max_fails", "fail_timeout", "tls"),
            findings,
            "an endpoint",
            fix="write `127.0.0.1:8101` or `{address: 127.0.0.1:8101, weight: 2}`",
        )
        if fields is None:
            return None
        place = fields.need("address", "write `address: 127.0.0.1:8101`")
        written = fields.get("weight")
        weight = whole(written, findings, "`weight`", least=1, most=MOST_WEIGHT) if written else 1
        bound = fields.get("max_requests")
        unbound = "leave it out for as many as come"
        most = whole(bound, findings, "`max_requests`", least=1, fix=unbound) if bound else None
        named = fields.get("instance")
        scalar = word(named, findings, "`instance`") if named else None
        instance = name(scalar, findings, "an instance") if scalar else None
        fails, timeout = _passive_health(fields, findings)
    where = endpoint_address(place, findings, "an endpoint") if place else None
    if where is None or weight is None or place is None:
        return None
    if isinstance(where, DnsAddress) and fields is not None and not _fits_dns(where, fields, findings):
        return None
    spoken = fields.get("tls") if fields is not None else None
    tls = client_tls(spoken, folder, findings, named=not isinstance(where, UnixAddress)) if spoken else None
    if isinstance(where, TcpAddress) and where.port == 0:
        findings.add("S013", "an endpoint has no port 0", place.source, fix="write the worker's port")
        return None
    return Endpoint(
        address=where,
        weight=weight,
        instance=instance,
        max_requests=most,
        max_fails=fails,
        fail_timeout=timeout,
        tls=tls,
        source=place.source,
    )


def _passive_health(fields: Fields, findings: Findings) -> tuple[int, float]:
    fails, timeout = NGINX_FAILS
    written = fields.get("max_fails")
    if written is not None:
        count = whole(written, findings, "`max_fails`", least=0)
        fails = fails if count is None else count
    written = fields.get("fail_timeout")
    if written is not None:
        timeout = seconds(written, findings, "`fail_timeout`") or timeout
    return fails, timeout


def _fits_dns(where: DnsAddress, fields: Fields, findings: Findings) -> bool:
    """Whether nothing stands beside a `dns:` that only one endpoint, or none, could have."""
    wrong = []
    if "instance" in fields.keys:
        wrong.append(("instance", "may stand for several endpoints, and one instance has one", "remove it"))
    if "weight" in fields.keys and where.port is None:
        wrong.append(("weight", "stands for SRV records, which bring their own weights", "remove it"))
    for key, why, fix in wrong:
        findings.add("W214", f"`{key}` beside {where}: it {why}", fields.place(key), fix=fix)
    return not wrong


def unused(upstreams: MappingType[str, Upstream], used: frozenset[str], findings: Findings) -> None:
    """Adds a finding for each upstream that no route names."""
    for upstream in upstreams.values():
        if upstream.name not in used:
            findings.add(
                "W202",
                f"no route uses upstream `{upstream.name}`",
                upstream.source,
                fix="send routes there, or remove it",
            )
