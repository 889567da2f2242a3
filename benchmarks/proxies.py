"""The contenders: how each is configured with the reference's rules and started, as one process.

All listen on 127.0.0.1, ask the same stand-ins, know all 71 rules and write an access log to a file.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.reference import DEFAULT, HOST, UPSTREAMS, Ports, free_ports, rules
from router.local.loopback import answers
from router.local.processes import Program

ROUTER, SHIPPED, TUNED, HANDLER = "router", "nginx-reference", "nginx-tuned", "aiohttp-handler"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """`make` writes the configuration to a folder and gives the program that listens on a port."""

    name: str
    title: str
    needs: str
    """The program that has to be installed, empty for none."""

    make: Callable[[Path, Ports, int], Program]

    @property
    def installed(self) -> bool:
        """Whether it can be run here."""
        return not self.needs or find(self.needs) is not None


def find(program: str) -> str | None:
    """Where a program is; Debian keeps servers where ordinary users do not look."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")


def _program(name: str, folder: Path, port: int, *command: str) -> Program:
    return Program(
        name=name,
        command=command,
        log=folder / f"{name}.log",
        pid_file=folder / f"{name}.pid",
        ready=lambda: answers(port),
        death_signal=signal.SIGTERM,
    )


def router(folder: Path, ports: Ports, port: int) -> Program:
    """Ours."""
    file = folder / "routes.yaml"
    file.write_text(routes_yaml(folder, ports, port), encoding="utf-8")
    return _program(ROUTER, folder, port, sys.executable, "-m", "router", "serve", "-c", str(file))


def routes_yaml(folder: Path, ports: Ports, port: int) -> str:
    """The reference's rules as our configuration; JSON strings are YAML strings too."""
    policies = {
        "generic-worker": {"policy": "ip_hash"},
        "generic-worker-user": {"policy": "consistent_hash", "key": "user"},
    }
    upstreams = {
        name: {**policies.get(name, {}), "endpoints": [f"{HOST}:{each}" for each in ports.of(name)]}
        for name in UPSTREAMS
    }
    routes = [{"path": rule.pattern, "upstream": rule.upstream} for rule in rules()]
    routes.append({"path": "^/", "upstream": DEFAULT})
    (admin,) = free_ports(1)
    settings = {
        "listen": f"{HOST}:{port}",
        "admin": f"{HOST}:{admin}",
        "access_log": str(folder / f"{ROUTER}.access.log"),
        "health": {"path": "/health"},
        "upstreams": upstreams,
        "routes": routes,
    }
    return json.dumps(settings, indent=1)


def nginx_as_shipped(folder: Path, ports: Ports, port: int) -> Program:
    """The reference's own settings: HTTP/1.0 and a new connection to the worker for each request."""
    return _nginx(SHIPPED, folder, ports, port, tuned=False)


def nginx_tuned(folder: Path, ports: Ports, port: int) -> Program:
    """The same with connections to the workers kept alive over HTTP/1.1, and compiled expressions."""
    return _nginx(TUNED, folder, ports, port, tuned=True)


def _nginx(name: str, folder: Path, ports: Ports, port: int, *, tuned: bool) -> Program:
    file = folder / f"{name}.conf"
    file.write_text(nginx_conf(name, folder, ports, port, tuned=tuned), encoding="ascii")
    program = find("nginx") or "nginx"
    return _program(name, folder, port, program, "-p", str(folder), "-c", str(file))


def nginx_conf(name: str, folder: Path, ports: Ports, port: int, *, tuned: bool) -> str:
    """One worker process, the reference's log format, map and location."""
    balancing = {
        "generic-worker": "ip_hash; ",
        "generic-worker-user": "hash $http_authorization consistent; ",
    }
    keep = "keepalive 64; keepalive_requests 1000000; " if tuned else ""
    upstreams = "\n".join(
        f"  upstream {upstream} {{ {balancing.get(upstream, '')}"
        + "".join(f"server {HOST}:{each}; " for each in ports.of(upstream))
        + keep
        + "}"
        for upstream in UPSTREAMS
    )
    mapping = "\n".join(f'    "~{rule.pattern}" {rule.upstream};' for rule in rules())
    temporary = "\n".join(
        f"  {kind}_temp_path {folder}/{name}.{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    http_1_1 = '      proxy_http_version 1.1; proxy_set_header Connection "";\n' if tuned else ""
    return f"""\
{"user root;" if os.geteuid() == 0 else ""}
daemon off; worker_processes 1; pid {folder}/{name}.nginx-pid; error_log {folder}/{name}.error.log warn;
{"pcre_jit on;" if tuned else ""}
events {{ worker_connections 4096; }}
http {{
  server_tokens off; sendfile on; tcp_nopush on; types_hash_max_size 2048;
  keepalive_timeout 65; keepalive_requests {1000000 if tuned else 100}; client_max_body_size 64m;
  log_format main '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent" "$http_x_forwarded_for"';
  access_log {folder}/{name}.access.log main buffer=16k flush=2m;
{temporary}
{upstreams}
  map $uri $matrix_worker_upstream {{
    default {DEFAULT};
{mapping}
  }}
  server {{
    listen {HOST}:{port};
    location ~* ^(\\/health|\\/_matrix|\\/_synapse\\/client) {{
      proxy_pass http://$matrix_worker_upstream$request_uri;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Host $host;
{http_1_1}      proxy_read_timeout 600s;
      client_max_body_size 10M;
    }}
  }}
}}
"""


def aiohttp_handler(folder: Path, ports: Ports, port: int) -> Program:
    """`benchmarks.handler_proxy`."""
    return _program(
        *(HANDLER, folder, port, sys.executable, "-m", "benchmarks.handler_proxy", str(port)),
        str(folder / f"{HANDLER}.access.log"),
        *(f"{name}={','.join(map(str, ports.of(name)))}" for name in UPSTREAMS),
    )


CONTENDERS = (
    Contender(name=ROUTER, title="router", needs="", make=router),
    Contender(name=SHIPPED, title="nginx as the reference ships it", needs="nginx", make=nginx_as_shipped),
    Contender(name=TUNED, title="nginx tuned", needs="nginx", make=nginx_tuned),
    Contender(name=HANDLER, title="aiohttp handler proxy", needs="", make=aiohttp_handler),
)
