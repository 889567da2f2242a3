"""The proxy as everyone writes it on aiohttp: `benchmarks.handler_proxy`."""

from __future__ import annotations

import sys

from benchmarks.contenders.place import Place
from benchmarks.reference import UPSTREAMS
from router.local.processes import Program

NAME = "aiohttp-handler"


def start(place: Place) -> Program:
    """It speaks no TLS and asks no unix sockets."""
    return place.program(
        *(NAME, sys.executable, "-m", "benchmarks.handler_proxy", str(place.port)),
        str(place.access_log(NAME)),
        *(f"{name}={','.join(map(str, place.ports.of(name)))}" for name in UPSTREAMS),
    )
