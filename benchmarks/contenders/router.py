"""Ours, with the defaults: metrics, deadlines, limits, health checks, access log to a file."""

from __future__ import annotations

import json
import sys

from benchmarks.contenders.place import Place
from benchmarks.reference import DEFAULT, HOST, UPSTREAMS, free_ports, rules
from router.local.processes import Program

NAME = "router"

_POLICIES: dict[str, dict[str, object]] = {
    "generic-worker": {"policy": "ip_hash"},
    "generic-worker-user": {"policy": "consistent_hash", "key": "user"},
}


def start(place: Place) -> Program:
    """`python -m router serve`."""
    file = place.file("routes.yaml", routes_yaml(place))
    return place.program(NAME, sys.executable, "-m", "router", "serve", "-c", str(file))


def routes_yaml(place: Place) -> str:
    """The reference's rules as our configuration; JSON strings are YAML strings too."""
    upstreams = {name: {**_POLICIES.get(name, {}), "endpoints": place.endpoints(name)} for name in UPSTREAMS}
    routes = [{"path": rule.pattern, "upstream": rule.upstream} for rule in rules()]
    routes.append({"path": "^/", "upstream": DEFAULT})
    (admin,) = free_ports(1)
    settings = {
        "listen": [_listener(place)],
        "admin": f"{HOST}:{admin}",
        "access_log": str(place.access_log(NAME)),
        "health": {"path": "/health"},
        "upstreams": upstreams,
        "routes": routes,
    }
    return json.dumps(settings, indent=1)


def _listener(place: Place) -> object:
    address = f"{HOST}:{place.port}"
    if place.certificate is None:
        return address
    return {"address": address, "tls": {"certificate": str(place.certificate), "key": str(place.certificate)}}
