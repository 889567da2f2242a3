"""Keys and policies that are imported lead to the worker that a real nginx chooses with the same file."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.nginx.importer import import_nginx
from router.request import RequestHead
from router.routing.decision import Forward, decide
from router.routing.snapshot import Snapshot
from router.routing.view import EveryEndpointUp
from tests.real_nginx import Client, free_ports, nginx

pytestmark = [pytest.mark.nginx, pytest.mark.xdist_group("nginx")]

MAPS = r"""
map $arg_access_token $from_query { default $arg_access_token; "~syt_(?<username>.*?)_.*" $username; }
map $http_authorization $mxid {
  default $http_authorization; "~Bearer syt_(?<username>.*?)_.*" $username; "" $from_query;
}
map $uri $room { default ""; "~^/rooms/(?<id>[^/]+)/" $id; }
map $cookie_sid $sid { default $cookie_sid; "" $arg_sid; }
"""
KEYS = {
    "user": "hash $mxid consistent",
    "user_plain": "hash $mxid",
    "room": "hash $room consistent",
    "cookie": "hash $sid",
    "target": "hash $request_uri consistent",
    "path": "hash $uri",
    "query": "hash $args consistent",
    "host": "hash $host consistent",
    "header": "hash $http_x_forwarded_host",
    "address": "ip_hash",
}
REQUESTS = 400


def asked(chance: random.Random, kind: str) -> RequestHead:
    """A request in which every fact is there or not, in more than one form."""
    word = "".join(chance.choices("abcXYZ0189", k=chance.randrange(1, 12)))
    token = chance.choice([f"syt_{word}_x_y", f"syt__{word}", f"mat_{word}", f"xsyt_{word}_{word}_z"])
    room = chance.choice([f"!{word}:hs", f"%21{word}%3Ahs", f"!{word}", f"%21{word}"])
    query = chance.choice(
        ["", f"?access_token={token}", f"?a=1&Access_Token={token}&sid={word}", f"?sid={word}"]
    )
    fields = [(b"host", chance.choice([b"h", b"Matrix.Example.org:8448", f"{word}.org".encode()]))]
    fields += [
        (name, value.encode())
        for name, value in (
            (b"authorization", f"{chance.choice(['Bearer', 'bearer'])} {token}"),
            (b"cookie", f"a=b; {chance.choice(['sid', 'SID', 'xsid'])}={word}"),
            (b"x-forwarded-host", word),
        )
        if chance.random() < 0.7
    ]
    return RequestHead(
        method="GET",
        target=f"/{kind}/rooms/{room}/messages{query}".encode(),
        headers=fields,
        client=".".join(str(chance.randrange(256)) for _ in range(4)),
    )


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Client]]:
    folder = tmp_path_factory.mktemp("nginx")
    listen, *backends = free_ports(4)
    servers = "".join(f"server 127.0.0.1:{port} weight={place};" for place, port in enumerate(backends, 1))
    upstreams = "".join(f"upstream {kind} {{ {policy}; {servers} }}\n" for kind, policy in KEYS.items())
    locations = "".join(
        f"location /{kind}/ {{ proxy_pass http://{kind}; proxy_set_header Host h; }}\n" for kind in KEYS
    )
    text = f"{MAPS}{upstreams}server {{ listen 127.0.0.1:{listen};\n{locations}}}\n".replace(
        "^/rooms/", "^/room/rooms/"
    )
    live = "".join(
        f"server {{ listen 127.0.0.1:{port}; return 200 127.0.0.1:{port}; }}\n" for port in backends
    )
    file = folder / "imported.conf"
    file.write_text(text)
    real_ip = "set_real_ip_from 127.0.0.1; real_ip_header X-Client;\n"
    with nginx(folder, real_ip + text + live), Client(listen) as client:
        yield file, client


@pytest.mark.parametrize("kind", KEYS)
def test_the_same_worker(front: tuple[Path, Client], kind: str) -> None:
    file, client = front
    imported = import_nginx(file)
    assert imported.config is not None
    assert imported.unresolved == ()
    snapshot = Snapshot.build(imported.config.table, imported.config.settings.guard)
    chance = random.Random(f"{kind}-20261124")
    different, chosen = [], set()
    states = EveryEndpointUp()
    for _ in range(REQUESTS):
        head = asked(chance, kind)
        decision = decide(snapshot, head, states)
        assert isinstance(decision, Forward)
        if not decision.key:
            continue  # round robin, whose turn depends on all requests before
        fields = [*head.headers, (b"X-Client", head.client.encode())]
        status, body = client.ask(head.target, headers=fields)
        assert status == 200
        chosen.add(body.decode())
        if decision.candidates[0].name != body.decode():
            different.append((head.target, head.headers, decision.key, body))
    assert different == []
    assert len(chosen) == 3
