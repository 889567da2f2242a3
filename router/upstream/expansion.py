"""From endpoints as they are written to endpoints as DNS finds them: pure, and the same for every order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from router.table import ClientTls, DnsAddress, Endpoint, TcpAddress, Upstream
from router.upstream.resolver import Service

MOST_FOUND = 100
"""Endpoints that one `dns:` stands for at most: each is asked for its health."""

MOST_WEIGHT = 100
"""What a weight of an SRV record is scaled down to; a consistent hash keeps 160 points for each unit."""

MOST_IN_ALL = 400
"""What all weights of one service are scaled down to, as far as each stays 1 or more.

A ring of 64,000 points takes about 50 ms to make, in which nothing is served; a round of round robin has
as many turns to remember.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One endpoint that a `dns:` stands for."""

    address: TcpAddress
    weight: int = 1


def of_addresses(addresses: Iterable[str], port: int) -> tuple[Found, ...]:
    """One for each A and AAAA record."""
    return tuple(Found(address=TcpAddress(host=address, port=port)) for address in addresses)


def of_services(services: Iterable[Service]) -> tuple[Found, ...]:
    """One for each target and port of the SRV records that are to be used first (RFC 2782).

    Those of a higher priority value are spares for when none of the first can be reached, and left out.
    Weights are divided by what they have in common, since CoreDNS gives 100 divided by the number of
    records to each; a weight of 0 is the least there is, 1.
    """
    services = [each for each in services if each.port and each.target]
    first = min((each.priority for each in services), default=0)
    chosen: dict[TcpAddress, int] = {}
    for each in sorted(services):
        if each.priority == first:
            chosen.setdefault(TcpAddress(host=each.target.lower(), port=each.port), max(each.weight, 1))
    shared = math.gcd(*chosen.values()) or 1
    largest, in_all = max(chosen.values(), default=1), sum(chosen.values())
    scale = max(largest / shared / MOST_WEIGHT, in_all / shared / MOST_IN_ALL, 1)
    return tuple(
        Found(address=address, weight=max(round(weight / shared / scale), 1))
        for address, weight in chosen.items()
    )


def expand(
    upstreams: Mapping[str, Upstream], found: Mapping[DnsAddress, tuple[Found, ...]]
) -> dict[str, Upstream]:
    """The upstreams with each `dns:` replaced by what it stands for, where it stands for anything.

    A `dns:` with nothing found stays as it is, so that somebody can see it and say that it is down. An
    upstream without any is the same object. What is found twice, or is written too, counts once.
    """
    return {
        name: _expanded(upstream, found)
        if any(isinstance(endpoint.address, DnsAddress) for endpoint in upstream.endpoints)
        else upstream
        for name, upstream in upstreams.items()
    }


def _expanded(upstream: Upstream, found: Mapping[DnsAddress, tuple[Found, ...]]) -> Upstream:
    written = {each.name for each in upstream.endpoints}
    endpoints: dict[str, Endpoint] = {}
    for endpoint in upstream.endpoints:
        address = endpoint.address
        if not isinstance(address, DnsAddress):
            endpoints[endpoint.name] = endpoint
            continue
        several = found.get(address, ())
        if not several:
            endpoints[endpoint.name] = endpoint
        for each in several:
            if str(each.address) not in written:
                weight = endpoint.weight * each.weight
                tls = _by_name(endpoint.tls, address)
                made = replace(endpoint, address=each.address, weight=weight, tls=tls)
                endpoints.setdefault(made.name, made)
    return replace(upstream, endpoints=tuple(endpoints.values()))


def _by_name(tls: ClientTls | None, address: DnsAddress) -> ClientTls | None:
    """A certificate names the name, not the addresses found for it; an SRV record's target is one itself."""
    if tls is None or tls.server_name is not None or address.port is None:
        return tls
    return replace(tls, server_name=address.name.rstrip("."))
