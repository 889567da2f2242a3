"""Caddy with the rules as regular expressions of its `map`, which takes the first match as nginx's does.

One process with one thread that runs Go (GOMAXPROCS=1), as the others have one; no certificates of its own
and no admin listener.
"""

from __future__ import annotations

from benchmarks.contenders.place import Place, find
from benchmarks.reference import DEFAULT, HOST, UPSTREAMS, rules
from router.local.processes import Program

NAME = "caddy"

_BALANCING = {
    "generic-worker": "lb_policy ip_hash",
    "generic-worker-user": "lb_policy header Authorization",
}


def start(place: Place) -> Program:
    """What it would store goes to the folder."""
    file = place.file("Caddyfile", configuration(place))
    return place.program(
        *(NAME, "/usr/bin/env", "GOMAXPROCS=1", f"XDG_CONFIG_HOME={place.folder}"),
        *(f"XDG_DATA_HOME={place.folder}", find("caddy") or "caddy"),
        *("run", "--config", str(file), "--adapter", "caddyfile"),
    )


def configuration(place: Place) -> str:
    """A connection pool of each upstream that is large enough for the load."""
    mapping = "\n".join(f"\t\t`~{rule.pattern}` {rule.upstream}" for rule in rules())
    upstreams = "\n".join(_upstream(upstream, place) for upstream in UPSTREAMS)
    scheme = "http" if place.certificate is None else "https"
    tls = "" if place.certificate is None else f"\ttls {place.certificate} {place.certificate}\n"
    return f"""\
{{
	admin off
	auto_https off
	grace_period 1s
	servers {{
		protocols h1
	}}
}}
{scheme}://:{place.port} {{
	bind {HOST}
{tls}	log {{
		output file {place.access_log(NAME)} {{
			roll_disabled
		}}
	}}
	map {{path}} {{upstream}} {{
{mapping}
		default {DEFAULT}
	}}
	@others not path_regexp ^(?i:/health|/_matrix|/_synapse/client)
	respond @others 404
{upstreams}
}}
"""


def _upstream(upstream: str, place: Place) -> str:
    endpoints = " ".join(place.endpoints(upstream, unix="unix/"))
    return f"""\
	@{upstream} vars {{upstream}} {upstream}
	handle @{upstream} {{
		reverse_proxy {endpoints} {{
			{_BALANCING.get(upstream, "lb_policy round_robin")}
			transport http {{
				keepalive_idle_conns 256
				keepalive_idle_conns_per_host 128
			}}
		}}
	}}"""
