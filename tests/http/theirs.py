"""The cases on a real nginx and a real HAProxy, configured as well as people do, a server for each."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests import real_haproxy, real_nginx
from tests.http.cases import Case
from tests.http.stage import Outcome, Stage
from tests.real_haproxy import haproxy
from tests.real_nginx import free_ports, nginx

BREATH = 0.2
"""Seconds without a byte after which nothing more is waited for."""

AT_ONCE = 48
"""Cases that are played at the same time."""

NGINX_HTTP = """\
map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
proxy_http_version 1.1;
proxy_read_timeout 600s;
keepalive_timeout 65s;
client_header_buffer_size 1k;
large_client_header_buffers 4 8k;
server_tokens off;
"""

NGINX_SERVER = """\
upstream w{number} {{ server 127.0.0.1:{worker}; keepalive 16; }}
server {{
  listen 127.0.0.1:{port} {listen};
  client_max_body_size 13107200;
  proxy_set_header Connection "";
  proxy_set_header Host $host;
  proxy_set_header X-Forwarded-For $remote_addr;
  proxy_set_header X-Forwarded-Proto $scheme;
  {server}
  location / {{ proxy_pass http://w{number}; {location} }}
}}
"""

HAPROXY_LISTEN = """\
listen c{number}
  bind 127.0.0.1:{port} {bind}
  http-request deny deny_status 413 if {{ req.body_size gt 13107200 }}
  http-request set-header X-Forwarded-Proto http
  {listen}
  server w 127.0.0.1:{worker} {server}
"""

NGINX_WORDS = ("listen", "server", "location")
HAPROXY_WORDS = ("bind", "listen", "server")


def nginx_version() -> str:
    return _version([real_nginx.program(), "-v"], r"nginx/(\S+)")


def haproxy_version() -> str:
    return _version([real_haproxy.program(), "-v"], r"[Vv]ersion (\d[\d.]*)")


def _version(command: list[str], pattern: str) -> str:
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(pattern, said.stdout + said.stderr)
    assert found is not None, said
    return found[1]


def by_nginx(cases: Sequence[Case], folder: Path) -> dict[str, Outcome]:
    """The outcome of each case, by its id."""
    return asyncio.run(_by_nginx(cases, folder))


def by_haproxy(cases: Sequence[Case], folder: Path) -> dict[str, Outcome]:
    """The outcome of each case, by its id."""
    return asyncio.run(_by_haproxy(cases, folder))


async def _by_nginx(cases: Sequence[Case], folder: Path) -> dict[str, Outcome]:
    stages, ports = _stages(cases)
    servers = [
        NGINX_SERVER.format(
            number=number, port=port, worker=stage.port, **_words(NGINX_WORDS, stage.case.nginx)
        )
        for number, (stage, port) in enumerate(zip(stages, ports, strict=True))
    ]
    with nginx(folder, NGINX_HTTP + "".join(servers)):
        return await _play(stages, ports)


async def _by_haproxy(cases: Sequence[Case], folder: Path) -> dict[str, Outcome]:
    stages, ports = _stages(cases)
    listens = [
        HAPROXY_LISTEN.format(
            number=number, port=port, worker=stage.port, **_words(HAPROXY_WORDS, stage.case.haproxy)
        )
        for number, (stage, port) in enumerate(zip(stages, ports, strict=True))
    ]
    with haproxy(folder, "".join(listens), listens_on=ports[-1]):
        return await _play(stages, ports)


def _words(names: tuple[str, ...], given: object) -> dict[str, str]:
    """What a case adds to a configuration, and nothing for the rest."""
    assert isinstance(given, dict)
    assert given.keys() <= set(names), f"{sorted(given)} are not all of {names}"
    return {name: given.get(name, "") for name in names}


def _stages(cases: Sequence[Case]) -> tuple[list[Stage], list[int]]:
    async def breathe() -> None:
        await asyncio.sleep(BREATH)

    async def let_pass(seconds: float) -> None:
        await asyncio.sleep(seconds)

    return [Stage(case, breathe, let_pass) for case in cases], free_ports(len(cases))


async def _play(stages: list[Stage], ports: list[int]) -> dict[str, Outcome]:
    at_once = asyncio.Semaphore(AT_ONCE)

    async def play(stage: Stage, port: int) -> Outcome:
        async with at_once:
            try:
                return await stage.play(("127.0.0.1", port))
            finally:
                await stage.stop()

    outcomes = await asyncio.gather(*map(play, stages, ports))
    return {stage.case.id: outcome for stage, outcome in zip(stages, outcomes, strict=True)}
