"""The contenders of the memory benchmark: one process each, everything that could hide a body on disk off."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import trustme

from benchmarks.contenders.place import find
from benchmarks.memory.worker import LARGE
from benchmarks.reference import HOST, free_ports
from router.local.loopback import answers
from router.local.processes import Program

Make = Callable[[Path, int, int], Program]
"""Writes the configuration to a folder; the ports are its own and the worker's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """`needs` is the program that has to be installed, empty for none; `tls` tells how it is spoken to."""

    name: str
    title: str
    make: Make
    needs: str = ""
    tls: bool = False

    @property
    def installed(self) -> bool:
        """Whether it can be run here."""
        return not self.needs or find(self.needs) is not None


def _program(name: str, folder: Path, ready: Callable[[], bool], *command: str) -> Program:
    return Program(
        name=name,
        command=command,
        log=folder / f"{name}.log",
        pid_file=folder / f"{name}.pid",
        ready=ready,
        death_signal=signal.SIGTERM,
    )


def stand_in(folder: Path, port: int) -> Program:
    """The worker behind all of them."""
    command = (sys.executable, "-m", "benchmarks.memory.worker", str(port))
    return _program("worker", folder, lambda: answers(port), *command)


def router(folder: Path, port: int, worker: int) -> Program:
    """Ours, with everything on: metrics, deadlines, limits, health checks, access log to a file."""
    return _serve("router", folder, {"listen": f"{HOST}:{port}"}, worker)


def router_tls(folder: Path, port: int, worker: int) -> Program:
    """The same behind TLS."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    issued = trustme.CA().issue_cert(HOST)
    certificate.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    tls = {"certificate": str(certificate), "key": str(key)}
    return _serve("router-tls", folder, {"listen": [{"address": f"{HOST}:{port}", "tls": tls}]}, worker)


def _serve(name: str, folder: Path, listen: dict[str, object], worker: int) -> Program:
    (admin,) = free_ports(1)
    settings: dict[str, object] = {
        **listen,
        "admin": f"{HOST}:{admin}",
        "access_log": str(folder / f"{name}.access.log"),
        "limits": {"media_body": str(2 * LARGE)},
        "upstreams": {"main": {"endpoints": [f"{HOST}:{worker}"]}},
        "routes": [{"path": "^/", "upstream": "main"}],
    }
    file = folder / f"{name}.yaml"
    file.write_text(json.dumps(settings), encoding="utf-8")
    command = (sys.executable, "-m", "router", "serve", "-c", str(file))
    return _program(name, folder, lambda: answers(admin, "/ready"), *command)


def nginx(folder: Path, port: int, worker: int) -> Program:
    """HTTP/1.1 to the worker, kept alive; bodies pass through memory, as ours do."""
    file = folder / "nginx.conf"
    temporary = "".join(
        f"{kind}_temp_path {folder}/nginx.{kind}; "
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file.write_text(
        f"""\
{"user root;" if os.geteuid() == 0 else ""}
daemon off; worker_processes 1; worker_rlimit_nofile 20000;
pid {folder}/nginx.nginx-pid; error_log {folder}/nginx.error.log warn;
events {{ worker_connections 16000; }}
http {{
  access_log {folder}/nginx.access.log combined buffer=16k flush=2m;
  keepalive_timeout 600; keepalive_requests 1000000; client_max_body_size 0;
  {temporary}
  upstream main {{ server {HOST}:{worker}; keepalive 64; }}
  server {{
    listen {HOST}:{port} backlog=4096;
    location / {{
      proxy_pass http://main; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_request_buffering off; proxy_max_temp_file_size 0; proxy_read_timeout 600s;
    }}
  }}
}}
""",
        encoding="ascii",
    )
    command = (find("nginx") or "nginx", "-p", str(folder), "-c", str(file))
    return _program("nginx", folder, lambda: answers(port), *command)


def haproxy(folder: Path, port: int, worker: int) -> Program:
    """Debian's buffer sizes, one thread."""
    file = folder / "haproxy.cfg"
    file.write_text(
        f"""\
global
  maxconn 9000
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  http-reuse always
frontend clients
  bind {HOST}:{port} backlog 4096
  default_backend main
backend main
  server main {HOST}:{worker}
""",
        encoding="ascii",
    )
    command = (find("haproxy") or "haproxy", "-db", "-q", "-f", str(file))
    return _program("haproxy", folder, lambda: answers(port), *command)


def aiohttp_handler(folder: Path, port: int, worker: int) -> Program:
    """`benchmarks.handler_proxy`: uploads are read whole before they are sent on."""
    command = (sys.executable, "-m", "benchmarks.handler_proxy", str(port))
    log = str(folder / "aiohttp.access.log")
    return _program(
        "aiohttp", folder, lambda: answers(port), *command, log, *(f"{name}={worker}" for name in _UPSTREAMS)
    )


_UPSTREAMS = ("synapse", "generic-worker", "generic-worker-user", "receipts")

CONTENDERS = (
    Contender(name="router", title="router", make=router),
    Contender(name="router-tls", title="router, TLS", make=router_tls, tls=True),
    Contender(name="nginx", title="nginx", make=nginx, needs="nginx"),
    Contender(name="haproxy", title="HAProxy", make=haproxy, needs="haproxy"),
    Contender(name="aiohttp", title="aiohttp handler proxy", make=aiohttp_handler),
)
