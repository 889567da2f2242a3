"""deploy/nginx/alongside.conf: a real nginx serves, the router on its mirror decides and compares."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.real_nginx import Client, free_ports, nginx

pytestmark = [pytest.mark.nginx, pytest.mark.xdist_group("nginx")]

SNIPPET = Path(__file__).parents[2] / "deploy" / "nginx" / "alongside.conf"
PATIENCE = 15.0

TABLE = """\
listen: [{{address: '127.0.0.1:{shadow}', role: shadow}}, '127.0.0.1:{proxy}']
admin: '127.0.0.1:{admin}'
access_log: off
match: normalised
upstreams:
  main: {{endpoints: ['127.0.0.1:1']}}
  sync: {{endpoints: ['127.0.0.1:2']}}
routes:
  - {{name: sync, path: '^/_matrix/client/(r0|v3)/sync$', upstream: sync}}
  - {{name: rest, path: '^/_matrix/', upstream: main}}
"""
FRONT = """\
map $uri $chosen {{ default main; ~^/_matrix/client/(r0|v3)/sync$ sync; {wrong} }}
upstream main {{ server 127.0.0.1:{backend}; }}
upstream sync {{ server 127.0.0.1:{backend}; }}
server {{
  listen 127.0.0.1:{backend};
  location / {{ return 200 "$http_x_chosen $request_method $content_length"; }}
}}
server {{
  listen 127.0.0.1:{front};
  include {snippet};
  location /_matrix/ {{
    set $router_upstream $chosen;
    mirror /_router_alongside;
    mirror_request_body off;
    proxy_set_header X-Chosen $chosen;
    proxy_pass http://$chosen$request_uri;
  }}
  location / {{ return 404 no; }}
}}
"""
ASKED = [
    (b"GET", b"/_matrix/client/v3/sync?since=s1&access_token=syt_secret", b"sync GET "),
    (b"GET", b"/_matrix/client/r0/sync", b"sync GET "),
    (b"PUT", b"/_matrix/client/v3/rooms/!r:hs/send/m/1", b"main PUT 4"),
    (b"GET", b"/_matrix/client/versions", b"main GET "),
    (b"GET", b"/_matrix/client/v3/%73ync", b"sync GET "),
]


@contextmanager
def router(folder: Path, ports: dict[str, int]) -> Iterator[None]:
    file = folder / "routes.yaml"
    file.write_text(TABLE.format(**ports))
    command = [sys.executable, "-m", "router", "serve", "-c", str(file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as child:
        try:
            assert child.stderr is not None
            assert any(line.startswith("ready ") for line in child.stderr)
            yield
        finally:
            child.terminate()
            child.communicate(timeout=PATIENCE)


def status(port: int, requests: int) -> dict[str, object]:
    """What /status says of mirrored requests, once so many have come: nginx answers before its mirror has."""
    until = time.monotonic() + PATIENCE
    while True:
        with urlopen(f"http://127.0.0.1:{port}/status") as answer:
            shadow: dict[str, object] = json.load(answer)["shadow"]
        if shadow["requests"] == requests or time.monotonic() > until:
            return shadow
        time.sleep(0.02)


@contextmanager
def front(folder: Path, ports: dict[str, int], wrong: str = "") -> Iterator[Client]:
    snippet = folder / "alongside.conf"
    snippet.write_text(SNIPPET.read_text().replace("127.0.0.1:8083", f"127.0.0.1:{ports['shadow']}"))
    text = FRONT.format(**ports, snippet=snippet, wrong=wrong)
    with nginx(folder, text), Client(ports["front"]) as client:
        yield client


def ask(client: Client, method: bytes, target: bytes) -> tuple[int, bytes]:
    return client.ask(target, method, [(b"Content-Length", b"4")] if method == b"PUT" else [], b"body")


@pytest.fixture
def ports() -> dict[str, int]:
    return dict(zip(("shadow", "proxy", "admin", "front", "backend"), free_ports(5), strict=True))


def test_both_decide_alike_and_clients_notice_nothing(tmp_path: Path, ports: dict[str, int]) -> None:
    with router(tmp_path, ports), front(tmp_path, ports) as client:
        for _ in range(20):
            for method, target, answer in ASKED:
                assert ask(client, method, target) == (200, answer)
        assert client.ask(b"/elsewhere") == (404, b"no")
        told = status(ports["admin"], 20 * len(ASKED))
        assert {
            name: told[name] for name in ("requests", "agreed", "disagreed", "refused", "unlabelled")
        } == {
            "requests": 100,
            "agreed": 100,
            "disagreed": 0,
            "refused": 0,
            "unlabelled": 0,
        }


def test_a_wrong_row_is_found_with_its_reason(tmp_path: Path, ports: dict[str, int]) -> None:
    wrong = "~^/_matrix/client/versions sync;"
    with router(tmp_path, ports), front(tmp_path, ports, wrong) as client:
        for method, target, _ in ASKED:
            assert ask(client, method, target)[0] == 200
        told = status(ports["admin"], len(ASKED))
        assert (told["agreed"], told["disagreed"], told["by_route"]) == (4, 1, {"rest": 1})
        assert isinstance(told["last"], list)
        (last,) = told["last"]
        assert (last["method"], last["shape"], last["ours"], last["theirs"]) == (
            "GET", "/_matrix/client/versions", "main", "sync",
        )  # fmt: skip
        as_html = Request(f"http://127.0.0.1:{ports['admin']}/", headers={"Accept": "text/html"})
        with urlopen(as_html) as page:
            text = page.read().decode()
        assert "5 mirrored, 4 agree, 1 disagree" in text
        assert "syt_secret" not in text
        with urlopen(f"http://127.0.0.1:{ports['admin']}/metrics") as metrics:
            assert (
                'router_shadow_requests_total{result="disagreed",route="rest"} 1.0' in metrics.read().decode()
            )


def test_a_router_that_is_down_changes_nothing_for_clients(tmp_path: Path, ports: dict[str, int]) -> None:
    with front(tmp_path, ports) as client:
        for method, target, answer in ASKED:
            assert ask(client, method, target) == (200, answer)
