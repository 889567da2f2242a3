"""What is measured: which requests, over what kind of connections, against whom, and the targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from benchmarks.load import CONNECTIONS
from benchmarks.mix import DOWNLOADS, LARGE_ANSWERS, LARGE_BODIES, UPLOADS, requests
from benchmarks.proxies import CADDY, HANDLER, HAPROXY, ROUTER, SHIPPED, TUNED

ALL = (ROUTER, SHIPPED, TUNED, HAPROXY, CADDY, HANDLER)
MAIN = (ROUTER, TUNED, HAPROXY)
"""Those that a quick run looks at, except for small JSON, where it takes all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`targets` are at most so much of another contender's CPU per request.

    `mebibytes` are those of one request's large body, either way, where CPU per byte is told; 0 elsewhere.
    `polls` idle long polls wait at each contender meanwhile.
    """

    name: str
    title: str
    requests: Callable[[], list[bytes]]
    contenders: tuple[str, ...] = ALL
    targets: Mapping[str, float] = field(default_factory=dict)
    connections: int = CONNECTIONS
    mebibytes: float = 0
    tls: bool = False
    sockets: bool = False
    polls: int = 0
    weight: int = 1
    """How many times as many rounds as the others it gets."""


SMALL = Scenario(
    name="small",
    title="small JSON",
    requests=requests,
    targets={SHIPPED: 0.6, TUNED: 1.0, HAPROXY: 1.6, CADDY: 0.15, HANDLER: 0.15},
    weight=2,
)

SCENARIOS = (
    SMALL,
    Scenario(
        name="json-64k",
        title="64 KiB of JSON, chunked",
        requests=lambda: requests(LARGE_ANSWERS),
        mebibytes=1 / 16,
    ),
    Scenario(
        name="bodies-64k",
        title="request bodies of 64 KiB",
        requests=lambda: requests(LARGE_BODIES),
        mebibytes=1 / 16,
    ),
    Scenario(
        name="media-down",
        title="media down, 1 MiB",
        requests=lambda: requests(DOWNLOADS),
        targets={TUNED: 1.3},
        connections=16,
        mebibytes=1,
    ),
    Scenario(
        name="media-up",
        title="media up, 1 MiB",
        requests=lambda: requests(UPLOADS, users=4),
        targets={TUNED: 1.3},
        connections=16,
        mebibytes=1,
    ),
    Scenario(
        name="new-connections",
        title="a new connection each time",
        requests=lambda: requests(close=True),
        contenders=(ROUTER, SHIPPED, TUNED, HAPROXY, CADDY),
    ),
    Scenario(
        name="tls",
        title="TLS towards clients",
        requests=requests,
        contenders=(ROUTER, TUNED, HAPROXY, CADDY),
        tls=True,
    ),
    Scenario(
        name="unix",
        title="workers on unix sockets",
        requests=requests,
        contenders=(ROUTER, TUNED, HAPROXY, CADDY),
        sockets=True,
    ),
    Scenario(
        name="long-polls",
        title="beside 1,000 long polls",
        requests=requests,
        contenders=(ROUTER, TUNED, HAPROXY, CADDY, HANDLER),
        polls=1000,
    ),
)
