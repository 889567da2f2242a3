"""The `trusted_proxies:` of the file: whose word on the client behind them is taken."""

from __future__ import annotations

import ipaddress

from router.config.fields import one_or_more
from router.config.findings import Findings
from router.config.nodes import Entry, Items, Mapping, Node
from router.config.values import short, word
from router.settings import Settings, TrustedProxies
from router.table import UnixAddress

_UNIX = "unix"
_MAPPED = 96
"""Bits before the IPv4 address in `::ffff:a.b.c.d`."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def trusted_proxies(node: Node | None, findings: Findings) -> TrustedProxies:
    """Addresses, networks as `10.0.0.0/8`, and `unix`; what is none of them has a finding."""
    if isinstance(node, Items) and not node.items:
        findings.add(
            "S010",
            "`trusted_proxies` lists none",
            node.source,
            fix="remove it: nobody is trusted by default",
        )
    networks: dict[Network, None] = {}
    unix = False
    for item in one_or_more(node):
        scalar = word(item, findings, "`trusted_proxies`")
        if scalar is None:
            continue
        if scalar.text == _UNIX:
            unix = True
            continue
        network = _network(scalar.text)
        if isinstance(network, str):
            findings.add(
                "S013", f"`{short(scalar.text)}` is not an address or a network", scalar.source, fix=network
            )
            continue
        networks[network] = None
        if not network.prefixlen:
            findings.add(
                "H331",
                f"`{short(scalar.text)}` trusts everybody",
                scalar.source,
                fix="write the addresses of your proxies",
            )
    return TrustedProxies(networks=tuple(networks), unix=unix)


def _network(text: str) -> Network | str:
    """The network, in IPv4's form where it is one; else what to write instead."""
    try:
        if "%" in text:
            raise ValueError(text)
        network = ipaddress.ip_network(text)
    except ValueError:
        return _hint(text)
    mapped = network.network_address.ipv4_mapped if network.version == 6 else None
    if mapped is None or network.prefixlen < _MAPPED:
        return network
    return ipaddress.IPv4Network((mapped, network.prefixlen - _MAPPED))


def _hint(text: str) -> str:
    bare, percent, _ = text.partition("%")
    if percent:
        return f"write `{short(bare)}`: a zone means nothing to others"
    try:
        return f"write `{ipaddress.ip_network(text, strict=False)}`: the bits behind the prefix are 0"
    except ValueError:
        if text.startswith("unix:"):
            return "write `unix`: a peer on a unix socket has no address, so all of them are meant"
        return "write an address as `10.0.0.2`, a network as `10.0.0.0/8` or `fd00::/8`, or `unix`"


def judge_clients(settings: Settings, root: Node | None, findings: Findings) -> None:
    """A peer on a unix socket has no address: it is a proxy, which should say whose request it is."""
    written = next((each for each in _entries(root) if each.key.text == "listen"), None)
    if written is None or settings.trusted_proxies.unix:
        return
    for listener in settings.listen:
        if isinstance(listener.address, UnixAddress) and not listener.proxy_protocol:
            findings.add(
                "H332",
                f"nobody says who the clients on {listener} are",
                written.value.source,
                fix="write `trusted_proxies: [unix]`, and let the proxy there set X-Forwarded-For",
            )


def _entries(root: Node | None) -> tuple[Entry, ...]:
    return root.entries if isinstance(root, Mapping) else ()
