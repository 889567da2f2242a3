"""The two that are compared: the router and tuned nginx, with any rules and room for very many clients."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders.place import find
from benchmarks.proxies import routes_yaml
from benchmarks.reference import DEFAULT, HOST, UPSTREAMS, Ports, Rule
from router.local.loopback import answers
from router.local.processes import Program
from router.server.process import descriptor_limit

IDLE = 600
"""Seconds for which a client may be idle: longer than any run."""

SPARE = 200
"""Descriptors for all but the clients."""

Make = Callable[[Path, Ports, int, Sequence[Rule]], Program]
"""Writes the configuration to a folder that only it uses; the port is its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """`needs` is the program that has to be installed, empty for none."""

    name: str
    title: str
    make: Make
    needs: str = ""

    @property
    def installed(self) -> bool:
        """Whether it can be run here."""
        return not self.needs or find(self.needs) is not None


def room() -> int:
    """Clients that one process may have, by what this one may: the descriptor limit is inherited."""
    return descriptor_limit() - SPARE


def _program(name: str, folder: Path, port: int, *command: str) -> Program:
    return Program(
        name=name,
        command=command,
        log=folder / f"{name}.log",
        pid_file=folder / f"{name}.pid",
        ready=lambda: answers(port),
        death_signal=signal.SIGTERM,
    )


def router(folder: Path, ports: Ports, port: int, rules: Sequence[Rule]) -> Program:
    """Ours, with everything on that `make bench` has on."""
    settings = json.loads(routes_yaml(folder, ports, port))
    settings["routes"] = [{"path": rule.pattern, "upstream": rule.upstream} for rule in rules]
    settings["routes"].append({"path": "^/", "upstream": DEFAULT})
    settings["timeouts"] = {"idle": f"{IDLE}s"}
    settings["limits"] = {
        "connections": room(),
        "connections_per_client": room(),
        "requests_per_connection": 1_000_000,
    }
    file = folder / "routes.yaml"
    file.write_text(json.dumps(settings, indent=1), encoding="utf-8")
    return _program("router", folder, port, sys.executable, "-m", "router", "serve", "-c", str(file))


def nginx(folder: Path, ports: Ports, port: int, rules: Sequence[Rule]) -> Program:
    """HTTP/1.1 and connections kept alive on both sides, compiled expressions, one worker process."""
    file = folder / "nginx.conf"
    file.write_text(nginx_conf(folder, ports, port, rules), encoding="ascii")
    return _program("nginx", folder, port, find("nginx") or "nginx", "-p", str(folder), "-c", str(file))


def nginx_conf(folder: Path, ports: Ports, port: int, rules: Sequence[Rule]) -> str:
    """The reference's map and location around those rules."""
    balancing = {
        "generic-worker": "ip_hash; ",
        "generic-worker-user": "hash $http_authorization consistent; ",
    }
    upstreams = "\n".join(
        f"  upstream {upstream} {{ {balancing.get(upstream, '')}"
        + "".join(f"server {HOST}:{each}; " for each in ports.of(upstream))
        + "keepalive 64; keepalive_requests 1000000; }"
        for upstream in UPSTREAMS
    )
    mapping = "\n".join(f'    "~{rule.pattern}" {rule.upstream};' for rule in rules)
    temporary = "\n".join(
        f"  {kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""\
{"user root;" if os.geteuid() == 0 else ""}
daemon off; worker_processes 1; worker_rlimit_nofile {descriptor_limit()}; pcre_jit on;
pid {folder}/nginx.nginx-pid; error_log {folder}/nginx.error.log warn;
events {{ worker_connections {room()}; }}
http {{
  server_tokens off; tcp_nopush on;
  keepalive_timeout {IDLE}; keepalive_requests 1000000;
  log_format main '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent" "$http_x_forwarded_for"';
  access_log {folder}/nginx.access.log main buffer=16k flush=2m;
{temporary}
{upstreams}
  map $uri $matrix_worker_upstream {{
    default {DEFAULT};
{mapping}
  }}
  server {{
    listen {HOST}:{port} backlog=4096;
    location ~* ^(\\/health|\\/_matrix|\\/_synapse\\/client) {{
      proxy_pass http://$matrix_worker_upstream$request_uri;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Host $host;
      proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_read_timeout 600s;
    }}
  }}
}}
"""


ROUTER = "router"

CONTENDERS = (
    Contender(name=ROUTER, title="router", make=router),
    Contender(name="nginx", title="nginx tuned", make=nginx, needs="nginx"),
)
