"""Which peers are trusted proxies, and what they say of the client behind them.

`X-Forwarded-For` is a list to which each proxy adds the address that it was asked from. It is walked
from the right, as by nginx `real_ip_recursive on`: entries that are trusted proxies are passed over, and
the first that is not is the client. Whatever stands further left may have been written by that client.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Network, IPv6Network, ip_address

from router.http1.requests import RequestMessage, is_host
from router.settings import TrustedProxies

MOST_HOPS = 32
"""Entries that are looked at: no chain of proxies is that long."""

LOOPBACK = "127.0.0.1"
"""What workers are told of a peer on a unix socket: it has no address, and is on this machine."""

_SCHEMES = (b"http", b"https")
_MAPPED = b"\0" * 10 + b"\xff\xff"


class Trust:
    """Whom `trusted_proxies` names, ready to be asked for each connection and each hop."""

    __slots__ = ("_unix", "_v4", "_v6")

    def __init__(self, trusted: TrustedProxies) -> None:
        self._unix = trusted.unix
        self._v4 = [_bits(each) for each in trusted.networks if isinstance(each, IPv4Network)]
        self._v6 = [_bits(each) for each in trusted.networks if isinstance(each, IPv6Network)]

    def covers(self, peer: str) -> bool:
        """Whether that peer's word is taken; `''` is a peer on a unix socket.

        Raises ValueError for what is no address.
        """
        if not peer:
            return self._unix
        return bool(self._v4 or self._v6) and self._names(ip_address(peer.partition("%")[0]).packed)

    def client(self, peer: str, chain: bytes) -> str:
        """Who the client is by what a trusted `peer` says; `chain` is the whole X-Forwarded-For.

        An entry that is no address (`unknown`, an obfuscated name, anything malformed) ends the walk, and so
        does the `MOST_HOPS`th: the client is then the last proxy that was passed over.
        """
        hops = chain.rsplit(b",", MOST_HOPS)[-MOST_HOPS:]
        found = peer
        for hop in reversed(hops):
            entry = hop.strip(b" \t")
            if not entry:
                continue  # RFC 9110 section 5.6.1: empty members of a list count for nothing
            address = read_hop(entry)
            if address is None:
                break
            found = as_text(address)
            if not self._names(address):
                break
        return found

    def _names(self, address: bytes) -> bool:
        address = address.removeprefix(_MAPPED) if len(address) == 16 else address
        number = int.from_bytes(address)
        networks = self._v4 if len(address) == 4 else self._v6
        return any(number & mask == network for network, mask in networks)


def _bits(network: IPv4Network | IPv6Network) -> tuple[int, int]:
    return int(network.network_address), int(network.netmask)


def read_hop(entry: bytes) -> bytes | None:
    """The address of one entry, packed: IPv4 or IPv6, bare, with a port, or in brackets; None for all else.

    An IPv4 address in IPv6's form is that IPv4 address.
    """
    host, port = entry, b"0"
    if entry.startswith(b"["):
        host, bracket, rest = entry[1:].partition(b"]")
        if not bracket or b":" not in host or (rest and not rest.startswith(b":")):
            return None
        port = rest[1:] if rest else port
    elif entry.count(b":") == 1:
        host, _, port = entry.partition(b":")
    if not port.isdigit() or len(port) > 5 or int(port) > 65_535:
        return None
    try:
        text = host.decode("ascii")
        if b":" not in host:
            return socket.inet_pton(socket.AF_INET, text)
        packed = socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        return None
    return packed.removeprefix(_MAPPED)


def as_text(address: bytes) -> str:
    """A packed address as everybody writes it (RFC 5952 for IPv6)."""
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


def told_client(message: RequestMessage, peer: str, trust: Trust) -> str:
    """The client of a request from a trusted proxy: the proxy itself where it names nobody."""
    if b"x-forwarded-for" not in message.fields:
        return peer
    return trust.client(
        peer, b",".join(value for name, value in message.headers if name == b"x-forwarded-for")
    )


def told_scheme(message: RequestMessage) -> bytes | None:
    """What a trusted proxy says it was asked by: `http` or `https`; None for anything else."""
    said = _only(message, b"x-forwarded-proto").lower()
    return said if said in _SCHEMES else None


def told_host(message: RequestMessage) -> bytes | None:
    """The Host that a trusted proxy says it was asked for; None where that is not one host."""
    said = _only(message, b"x-forwarded-host")
    return said if said and b"," not in said and is_host(said) else None


def _only(message: RequestMessage, name: bytes) -> bytes:
    """The field's value; empty where there is none, or more than one, which might be another's."""
    value = message.fields.get(name, b"")
    if value and len(message.fields) != len(message.headers):
        return value if sum(each == name for each, _ in message.headers) == 1 else b""
    return value
