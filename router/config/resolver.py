"""The `resolver:` of the file: who is asked for names, and for how long an answer is kept."""

from __future__ import annotations

import dataclasses
import ipaddress

from router.config.fields import mapping, one_or_more
from router.config.findings import Findings
from router.config.nodes import Items, Node
from router.config.values import seconds, short, whole, word
from router.settings import Resolver
from router.table import TcpAddress, parse_address

_TIMES = ("timeout", "min_ttl", "max_ttl")
_KEYS = ("servers", "attempts", *_TIMES)


def resolver(node: Node | None, findings: Findings) -> Resolver:
    """What the file says; where it is wrong there is a finding, and the default stands in for it."""
    fields = mapping(node, _KEYS, findings, "`resolver`")
    default = Resolver()
    if fields is None:
        return default
    written = fields.get("servers")
    if isinstance(written, Items) and not written.items:
        findings.add(
            "S010", "`servers` lists none", written.source, fix="remove it for those of /etc/resolv.conf"
        )
    servers = [_server(item, findings) for item in one_or_more(written)]
    tries = fields.get("attempts")
    attempts = whole(tries, findings, "`attempts`", least=1, most=10) if tries else None
    times: dict[str, float] = {}
    for key in _TIMES:
        place = fields.get(key)
        value = seconds(place, findings, f"`{key}`") if place else None
        if value is not None:
            times[key] = value
    read = dataclasses.replace(
        default,
        servers=tuple(server for server in servers if server is not None),
        attempts=attempts or default.attempts,
        **times,
    )
    if read.min_ttl > read.max_ttl:
        findings.add(
            "S011",
            f"`min_ttl` ({read.min_ttl:g}s) is above `max_ttl` ({read.max_ttl:g}s)",
            fields.place("min_ttl" if "min_ttl" in fields.keys else "max_ttl"),
            fix="write the smaller one as `min_ttl`",
        )
    return read


def _server(node: Node, findings: Findings) -> str | None:
    """A name server as c-ares takes it: an address, with a port where it is not 53."""
    scalar = word(node, findings, "`servers`")
    if scalar is None:
        return None
    host, port = scalar.text, 53
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            parsed = parse_address(scalar.text)
            if not isinstance(parsed, TcpAddress) or parsed.port == 0:
                raise ValueError(scalar.text)
            address, port = ipaddress.ip_address(parsed.host), parsed.port
        except ValueError:
            findings.add(
                "S013",
                f"`{short(scalar.text)}` is not the address of a name server",
                scalar.source,
                fix="write its address, as `10.0.0.2`, `10.0.0.2:5353` or `[fd00::2]:53`",
            )
            return None
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
