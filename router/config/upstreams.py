"""The `upstreams:` of the file: named groups of endpoints, each with a policy."""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingType
from pathlib import Path
from types import MappingProxyType

from router.config.facts import read_key
from router.config.fields import Fields, mapping, one_or_more
from router.config.findings import Findings, Related
from router.config.nodes import Entry, Items, Mapping, Node, Scalar
from router.config.tls import client_tls
from router.config.values import choice, endpoint_address, kind_of, seconds, short, whole, word, yes_or_no
from router.table import (
    Address,
    DnsAddress,
    Endpoint,
    Policy,
    PolicyKind,
    TcpAddress,
    UnixAddress,
    Upstream,
)

POLICIES = MappingProxyType({kind.value: kind.name for kind in PolicyKind})

NGINX_FAILS = (1, 10.0)
"""`max_fails` and `fail_timeout` of an endpoint that says neither: nginx's defaults."""

MOST_WEIGHT = 256
"""HAProxy's bound; a consistent hash keeps 160 points for each unit of weight."""

_ENDPOINT_KEYS = (
    "address", "weight", "instance", "max_requests", "max_fails", "fail_timeout", "tls", "down", "backup",
)  # fmt: skip

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


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
        if known is None or policy is None or not endpoints or not _usable(endpoints, policy, key, findings):
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
    keys = tuple(read_key(item, findings) for item in one_or_more(node))
    known = tuple(key for key in keys if key is not None)
    if isinstance(node, Items) and not node.items:
        findings.add("S010", "`key:` lists none", node.source, fix="list a key")
        return None
    if chosen is None or len(known) < len(keys) or (node is None and "key" in fields.keys):
        return None
    kind = PolicyKind(chosen)
    if kind.hashes_key and not known:
        findings.add(
            "W204",
            f"{where} is {kind.value} and has no `key:`",
            fields.place("policy"),
            fix="write `key: user`, `key: room`, `key: origin`, or `key: {header: Authorization}`",
        )
        return None
    if known and not kind.hashes_key:
        findings.add(
            "W204",
            f"{where} has a key, and {kind.value} hashes none",
            fields.place("key"),
            fix="write `policy: consistent_hash`, or remove the key",
        )
        return None
    return Policy(kind=kind, keys=known)


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
    down = backup = False
    place: Node | None = node
    fields: Fields | None = None
    if not isinstance(node, Scalar):
        fields = mapping(
            node,
            _ENDPOINT_KEYS,
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
        said, spare = fields.get("down"), fields.get("backup")
        down = bool(said and yes_or_no(said, findings, "`down`"))
        backup = bool(spare and yes_or_no(spare, findings, "`backup`"))
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
        down=down,
        backup=backup,
        source=place.source,
    )


def _usable(endpoints: tuple[Endpoint, ...], policy: Policy, key: Scalar, findings: Findings) -> bool:
    """Whether some endpoint may be asked, and none is a backup where nginx takes none."""
    spare = next((each for each in endpoints if each.backup), None)
    if all(each.down for each in endpoints):
        message, fix = "are down", "remove `down` from one that is to be asked"
    elif all(each.backup for each in endpoints):
        message, fix = "are backups", "remove `backup` from those that are to be asked first"
    elif spare is not None and policy.kind not in (PolicyKind.ROUND_ROBIN, PolicyKind.LEAST_CONN):
        findings.add(
            "W223",
            f"{spare.name} is a backup, and {policy.kind.value} takes none",
            spare.source,
            fix="remove `backup`: where a hash leads to an endpoint that is down, it goes on to the next",
        )
        return False
    else:
        return True
    findings.add("W222", f"all endpoints of upstream `{short(key.text)}` {message}", key.source, fix=fix)
    return False


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
