"""The balancer that the policy of an upstream asks for."""

from __future__ import annotations

from router.routing import key as keys
from router.routing.balancer import Balancer
from router.routing.hashing import ConsistentHash, Hash, IpHash
from router.routing.turns import LeastConn, RoundRobin, Single
from router.table import PathForm, Pattern, PolicyKind, Upstream

NO_PATTERN = Pattern(text="", form=PathForm.RAW)


def balancer_for(upstream: Upstream, pattern: Pattern = NO_PATTERN) -> Balancer:
    """One for requests whose route has that pattern: only a `capture` of it makes a difference."""
    kind, hashed = upstream.policy.kind, upstream.policy.keys
    if len(upstream.endpoints) == 1:
        return Single(upstream)
    if kind is PolicyKind.IP_HASH:
        return IpHash(upstream)
    if kind is PolicyKind.LEAST_CONN:
        return LeastConn(upstream)
    if kind is PolicyKind.HASH:
        return Hash(upstream, keys.reader(hashed, pattern))
    if kind is PolicyKind.CONSISTENT_HASH:
        return ConsistentHash(upstream, keys.reader(hashed, pattern))
    return RoundRobin(upstream)
