"""An `upstream` block of nginx as an `Upstream`."""

from __future__ import annotations

import re
from collections.abc import Callable

from router.config.findings import Findings
from router.errors import ConfigError
from router.nginx.directives import Directive
from router.nginx.pcre import NotCarried
from router.table import Address, Endpoint, HashKey, Policy, PolicyKind, Upstream, parse_address

KeysOf = Callable[[str], tuple[HashKey, ...]]
"""The keys that a text of nginx stands for; raises NotCarried."""

WITHOUT_EFFECT = frozenset(
    {
        "keepalive",
        "keepalive_requests",
        "keepalive_time",
        "keepalive_timeout",
        "zone",
        "server",
        "ip_hash",
        "hash",
        "least_conn",
    }
)
_TIME = re.compile(r"(?:(\d+)(ms|[smhdwMy]?))+")
_PART = re.compile(r"(\d+)(ms|[smhdwMy]?)")
_SECONDS = {
    "ms": 0.001,
    "": 1,
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86400,
    "w": 604800,
    "M": 2592000,
    "y": 31536000,
}


def seconds(text: str) -> float:
    """A time of nginx's (`1m30s`, `500ms`, `10`) in seconds; raises ValueError for what is none."""
    if not _TIME.fullmatch(text):
        raise ValueError(f"`{text}` is no time")
    return sum(int(count) * _SECONDS[unit] for count, unit in _PART.findall(text))


def size(text: str) -> int:
    """A size of nginx's (`10M`, `64k`, `1g`) in bytes; raises ValueError for what is none."""
    found = re.fullmatch(r"(\d+)([kKmMgG]?)", text)
    if found is None:
        raise ValueError(f"`{text}` is no size")
    return int(found[1]) * {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}[found[2].lower()]


def address_of(text: str, *, port: int = 80) -> Address:
    """Where a server is, by nginx's default on port 80; raises ValueError."""
    if text.startswith("unix:"):
        return parse_address(text.rstrip(":"))
    has_port = re.search(r":\d+\Z", text) and (not text.startswith("[") or re.search(r"\]:\d+\Z", text))
    return parse_address(text if has_port else f"{text}:{port}")


def read_upstream(directive: Directive, findings: Findings, keys: KeysOf) -> Upstream | None:
    """The upstream; None, with findings, where requests would go elsewhere than nginx sends them."""
    before = findings.errors
    policy = Policy()
    for each in directive.block or ():
        if each.name == "ip_hash":
            policy = Policy(kind=PolicyKind.IP_HASH)
        elif each.name == "least_conn":
            policy = Policy(kind=PolicyKind.LEAST_CONN)
        elif each.name == "hash":
            policy = _hash(each, findings, keys) or policy
        elif each.name not in WITHOUT_EFFECT:
            findings.add(
                "N404",
                f"`{each.name}` in an upstream is not carried over",
                each.source,
                fix="choose one of round_robin, least_conn, ip_hash, hash and consistent_hash in its place",
            )
    read = [_server(each, findings) for each in directive.all("server")]
    endpoints = tuple(each for each in read if each is not None)
    if findings.errors > before or not endpoints:
        return None
    try:
        return Upstream(name=directive.args[0], endpoints=endpoints, policy=policy, source=directive.source)
    except ConfigError as error:
        findings.add("N404", error.message, directive.source, fix="nginx -t refuses it too")
        return None


def _hash(directive: Directive, findings: Findings, keys: KeysOf) -> Policy | None:
    kind = PolicyKind.CONSISTENT_HASH if directive.args[1:] == ("consistent",) else PolicyKind.HASH
    try:
        return Policy(kind=kind, keys=keys(directive.args[0]))
    except NotCarried as error:
        findings.add(
            "N403",
            f"the key `{directive.args[0]}` is not carried over: {error}",
            directive.source,
            fix="write a `key:` for the upstream by hand",
        )
        return None


def _server(directive: Directive, findings: Findings) -> Endpoint | None:
    values: dict[str, str] = {}
    for word in directive.args[1:]:
        name, _, value = word.partition("=")
        values[name] = value
    known = {"weight", "max_conns", "max_fails", "fail_timeout", "down", "backup"}
    for name in values.keys() - known:
        findings.add(
            "N402",
            f"`{name}` of a server is not carried over",
            directive.source,
            fix="the server is asked as without it",
        )
    most = int(values.get("max_conns", "0"))
    try:
        return Endpoint(
            address=address_of(directive.args[0]),
            weight=int(values.get("weight", "1")),
            max_requests=most or None,
            max_fails=int(values.get("max_fails", "1")),
            fail_timeout=seconds(values.get("fail_timeout", "10")),
            down="down" in values,
            backup="backup" in values,
            source=directive.source,
        )
    except ValueError as error:
        findings.add(
            "N404", f"the server cannot be read: {error}", directive.source, fix="nginx -t tells more"
        )
        return None
