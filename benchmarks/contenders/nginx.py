"""nginx as the reference deployment ships it, and the same with what a tuned one has; one worker process."""

from __future__ import annotations

import os

from benchmarks.contenders.place import Place, find
from benchmarks.reference import DEFAULT, HOST, UPSTREAMS, rules
from router.local.processes import Program

SHIPPED, TUNED = "nginx-reference", "nginx-tuned"

_BALANCING = {
    "generic-worker": "ip_hash; ",
    "generic-worker-user": "hash $http_authorization consistent; ",
}
_TUNED = """\
proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_request_buffering off; client_body_buffer_size 128k; proxy_max_temp_file_size 0;
      proxy_buffer_size 16k; proxy_buffers 8 64k; proxy_busy_buffers_size 128k;"""


def start_as_shipped(place: Place) -> Program:
    """The reference's own settings: HTTP/1.0 and a new connection to the worker for each request."""
    return _start(SHIPPED, place)


def start_tuned(place: Place) -> Program:
    """HTTP/1.1 to the workers, kept alive; compiled expressions; bodies in large pieces, never on disk."""
    return _start(TUNED, place)


def _start(name: str, place: Place) -> Program:
    file = place.file(f"{name}.conf", configuration(name, place))
    return place.program(name, find("nginx") or "nginx", "-p", str(place.folder), "-c", str(file))


def configuration(name: str, place: Place) -> str:
    """The reference's log format, map and location; `name` is `SHIPPED` or `TUNED`."""
    tuned, folder = name == TUNED, place.folder
    mapping = "\n".join(f'    "~{rule.pattern}" {rule.upstream};' for rule in rules())
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
  access_log {place.access_log(name)} main buffer=16k flush=2m;
{_temporary(name, place)}
{_upstreams(place, tuned=tuned)}
  map $uri $matrix_worker_upstream {{
    default {DEFAULT};
{mapping}
  }}
  server {{
    {_listener(place)}
    location ~* ^(\\/health|\\/_matrix|\\/_synapse\\/client) {{
      proxy_pass http://$matrix_worker_upstream$request_uri;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Host $host;
      {_TUNED if tuned else ""}
      proxy_read_timeout 600s;
      client_max_body_size 10M;
    }}
  }}
}}
"""


def _upstreams(place: Place, *, tuned: bool) -> str:
    keep = "keepalive 64; keepalive_requests 1000000; " if tuned else ""
    return "\n".join(
        f"  upstream {upstream} {{ {_BALANCING.get(upstream, '')}"
        + "".join(f"server {each}; " for each in place.endpoints(upstream))
        + keep
        + "}"
        for upstream in UPSTREAMS
    )


def _temporary(name: str, place: Place) -> str:
    return "\n".join(
        f"  {kind}_temp_path {place.folder}/{name}.{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )


def _listener(place: Place) -> str:
    plain = f"listen {HOST}:{place.port}"
    if place.certificate is None:
        return f"{plain};"
    return (
        f"{plain} ssl; ssl_certificate {place.certificate}; ssl_certificate_key {place.certificate};"
        " ssl_session_cache shared:tls:10m;"
    )
