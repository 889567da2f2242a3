"""HAProxy with the rules as a regex map; one thread.

HAProxy opens no log file: it logs to syslog, or to a file descriptor that it was started with. Here its
standard output is the file, one write for each request, as under systemd with `StandardOutput=append:`.
"""

from __future__ import annotations

from benchmarks.contenders.place import Place, find
from benchmarks.reference import DEFAULT, HOST, UPSTREAMS, rules
from router.local.processes import Program

NAME = "haproxy"

_BALANCING = {
    "generic-worker": "balance source",
    "generic-worker-user": "balance hdr(Authorization)\n  hash-type consistent",
}


def start(place: Place) -> Program:
    """In the foreground and not quiet: a quiet one closes its standard output."""
    place.file(f"{NAME}.map", "".join(f"{rule.pattern} {rule.upstream}\n" for rule in rules()))
    file = place.file(f"{NAME}.cfg", configuration(place))
    command = (find("haproxy") or "haproxy", "-db", "-f", str(file))
    return place.program(NAME, *command, log=place.access_log(NAME))


def configuration(place: Place) -> str:
    """Debian's sizes; connections to the workers are shared by all clients.

    By default it keeps no idle connection once a fifth of its descriptors are used, as by 1,000 long polls.
    """
    tls = "" if place.certificate is None else f" ssl crt {place.certificate} alpn http/1.1"
    backends = "\n".join(_backend(upstream, place) for upstream in UPSTREAMS)
    return f"""\
global
  maxconn 4096
  nbthread 1
  log stdout format raw local0
  tune.pool-low-fd-ratio 80
  tune.pool-high-fd-ratio 90
defaults
  mode http
  log global
  option httplog
  option forwardfor
  http-reuse always
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout http-keep-alive 65s
frontend clients
  bind {HOST}:{place.port} backlog 1024{tls}
  http-request return status 404 unless {{ path_reg -i ^(/health|/_matrix|/_synapse/client) }}
  http-request set-header X-Forwarded-Proto {"http" if place.certificate is None else "https"}
  use_backend %[path,map_reg({place.folder}/{NAME}.map,{DEFAULT})]
{backends}
"""


def _backend(upstream: str, place: Place) -> str:
    servers = "\n".join(
        f"  server {upstream}{number} {each}"
        for number, each in enumerate(place.endpoints(upstream, unix="unix@"))
    )
    return f"backend {upstream}\n  {_BALANCING.get(upstream, 'balance roundrobin')}\n{servers}"
