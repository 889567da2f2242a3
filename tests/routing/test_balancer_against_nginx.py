from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from router.request import RequestHead
from router.routing.balancer import Balancer
from router.routing.hashing import ConsistentHash, Hash, IpHash, hashed_octets
from router.routing.policy import balancer_for
from router.table import Endpoint, HashKey, Policy, PolicyKind, TcpAddress, UnixAddress, Upstream
from tests.real_nginx import Client, free_ports, nginx
from tests.routing.tables import BY_ROOM, BY_USER, IP_HASH, View, by_header

pytestmark = [pytest.mark.nginx, pytest.mark.xdist_group("nginx")]

KEYS = 1500
BY_HASH = Policy(kind=PolicyKind.HASH, keys=(HashKey(kind="header", name="x-key"),))
DIRECTIVES = {
    "round_robin": (Policy(), ""),
    "ip_hash": (IP_HASH, "ip_hash;"),
    "hash": (BY_HASH, "hash $http_x_key;"),
    "header": (by_header("x-key"), "hash $http_x_key consistent;"),
    "user": (BY_USER, "hash $user consistent;"),
    "room": (BY_ROOM, "hash $room consistent;"),
}
MAPS = r"""
map $arg_access_token $user_of_query { "~^syt_([^_]+)_" $1; default $arg_access_token; }
map $http_authorization $user {
  "" $user_of_query; "~^Bearer syt_([^_ ]+)_[^ ]*$" $1; "~^Bearer ([^ ]*)$" $1; default "";
}
map $uri $room { "~/(![^/]*)" $1; default ""; }
"""
HASHES = ("ip_hash", "hash", "header", "user", "room")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One upstream as both sides have it; `down` are places of endpoints that nginx has marked `down`."""

    name: str
    ours: Upstream
    down: frozenset[int]

    def block(self) -> str:
        """nginx's upstream block: nothing is ever taken for failed, so that each request starts anew."""
        servers = "".join(
            f"server {each.name} weight={each.weight} max_fails=0{' down' * (place in self.down)};\n"
            for place, each in enumerate(self.ours.endpoints)
        )
        directive = DIRECTIVES[self.name.partition("-")[0]][1]
        return f"upstream {self.name} {{ {directive}\n{servers} }}\n"

    def balancer(self) -> tuple[Balancer, View]:
        ports = (each.address.port for each in self.listed_down() if isinstance(each.address, TcpAddress))
        return balancer_for(self.ours), View(down=frozenset(ports))

    def listed_down(self) -> list[Endpoint]:
        return [each for place, each in enumerate(self.ours.endpoints) if place in self.down]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A running nginx: `refusing` groups have no listener behind them and tell the order of all tries."""

    groups: dict[str, Group]
    client: Client
    unix: Path

    def order(self, group: str, head: RequestHead, client: Client | None = None) -> list[str]:
        """The servers that nginx tries for a request, in order."""
        fields = [*head.headers, *([(b"x-client", head.client.encode())] if head.client else [])]
        path = b"/" + group.encode() + head.path + b"?" + head.query
        status, body = (client or self.client).ask(path, headers=fields)
        assert status == 200, body
        return body.decode().split(", ")


def group(
    name: str, addresses: list[TcpAddress | UnixAddress], weights: tuple[int, ...], *down: int
) -> Group:
    endpoints = tuple(
        Endpoint(address=address, weight=weight) for address, weight in zip(addresses, weights, strict=True)
    )
    policy = DIRECTIVES[name.partition("-")[0]][0]
    return Group(
        name=name, ours=Upstream(name=name, endpoints=endpoints, policy=policy), down=frozenset(down)
    )


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("nginx")
    with ExitStack() as stack:
        refusing: list[TcpAddress | UnixAddress] = []
        for _ in range(7):
            held = stack.enter_context(socket.socket())
            held.bind(("127.0.0.1", 0))  # bound and never listening: nobody else can take the port
            refusing.append(TcpAddress(host="127.0.0.1", port=held.getsockname()[1]))
        front, *live = free_ports(4)
        answering: list[TcpAddress | UnixAddress] = [TcpAddress(host="127.0.0.1", port=port) for port in live]
        mixed = [refusing[0], UnixAddress(path=f"{folder}/none.sock"), TcpAddress(host="127.1", port=1)]
        groups = [
            group("round_robin-even", answering, (1, 1, 1)),
            group("round_robin-uneven", answering, (5, 1, 2)),
            group("round_robin-down", answering, (2, 3, 1), 1),
            *(group(f"{kind}-even", refusing[:3], (1, 1, 1)) for kind in HASHES),
            *(group(f"{kind}-uneven", refusing[:3], (3, 1, 2)) for kind in HASHES),
            *(group(f"{kind}-down", refusing[:4], (1, 1, 2, 1), 1) for kind in HASHES),
            *(group(f"{kind}-seven", refusing, (1,) * 7) for kind in HASHES),
            *(group(f"{kind}-tries", refusing[:5], (1, 40, 1, 2, 1), 1) for kind in HASHES),
            *(group(f"{kind}-mixed", mixed, (1, 2, 1)) for kind in HASHES),
        ]
        blocks = "".join(each.block() for each in groups)
        servers = "".join(
            f"server {{ listen {each}; location / {{ return 200 {each}; }} }}\n" for each in answering
        )
        locations = "".join(
            f"location /{each.name} {{ proxy_pass http://{each.name}; error_page 502 504 = @tried; }}\n"
            for each in groups
        )
        text = (
            f"{MAPS}{blocks}{servers}server {{ listen 127.0.0.1:{front}; listen unix:{folder}/front.sock;\n"
            "set_real_ip_from 127.0.0.1; real_ip_header X-Client; proxy_next_upstream error timeout;\n"
            f"{locations} location @tried {{ return 200 $upstream_addr; }} }}\n"
        )
        stack.enter_context(nginx(folder, text))
        client = stack.enter_context(Client(front))
        yield Deployment(
            groups={each.name: each for each in groups}, client=client, unix=folder / "front.sock"
        )


def asked(client: str = "192.0.2.7", query: str = "", path: str = "/", **headers: str) -> RequestHead:
    return RequestHead(
        method="GET",
        target=f"{path}?{query}".encode(),
        headers=[(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        client=client,
    )


def as_nginx_tells(endpoint: Endpoint) -> str:
    return endpoint.name.replace("127.1:", "127.0.0.1:")


def commit_all_tries(balancer: Balancer, head: RequestHead, view: View, name: str) -> None:
    """Moves round robin's weights as nginx does: a step for each endpoint that the hash did not come to."""
    assert isinstance(balancer, ConsistentHash | Hash | IpHash)
    peers = balancer._peers
    up = peers.up(view)
    if isinstance(balancer, IpHash):
        hashed = balancer._remembered[hashed_octets(head.client), up]
    elif isinstance(balancer, Hash):
        hashed = peers.walk(up, balancer._path(balancer._key(head)), stays=False)
    else:
        hashed = balancer._remembered[balancer._ring.position(balancer._key(head)), up]
    left = up & ~sum(bit for endpoint, bit in peers._bits if endpoint in hashed)
    while left:
        [first, *_], weights = peers._order(view.rotation(peers._upstream), left)
        assert weights is not None
        view.weights[name] = weights
        left &= ~sum(bit for endpoint, bit in peers._bits if endpoint is first)


def mismatches(deployment: Deployment, name: str, heads: list[RequestHead]) -> list[object]:
    """Requests for which nginx tries other servers than we, or in another order."""
    balancer, view = deployment.groups[name].balancer()
    different: list[object] = []
    for head in heads:
        ours = [as_nginx_tells(each) for each in balancer.choose(head, view)[0]]
        theirs = deployment.order(name, head)
        commit_all_tries(balancer, head, view, name)
        if ours != theirs:
            different.append((head.client, head.headers, head.query, ours, theirs))
    return different


def addresses(count: int) -> list[str]:
    """IPv4 and IPv6 addresses, mapped ones too; nginx reads no 255.255.255.255 off a field."""
    chance = random.Random(11)
    four = [".".join(str(chance.randrange(256)) for _ in range(4)) for _ in range(count // 2)]
    six = [":".join(f"{chance.randrange(65536):x}" for _ in range(8)) for _ in range(count // 3)]
    return [
        *four,
        *six,
        *(f"::ffff:{each}" for each in four[: count // 6]),
        "0.0.0.0",
        "::",
    ]


KINDS = ["even", "uneven", "down", "seven", "tries", "mixed"]


@pytest.mark.parametrize("kind", KINDS)
def test_ip_hash(deployment: Deployment, kind: str) -> None:
    heads = [asked(client=address) for address in addresses(KEYS)]
    assert mismatches(deployment, f"ip_hash-{kind}", heads) == []


@pytest.mark.parametrize("policy", ["header", "hash"])
@pytest.mark.parametrize("kind", KINDS)
def test_hashes_of_a_header(deployment: Deployment, kind: str, policy: str) -> None:
    chance = random.Random(12)
    letters = "abcXYZ0189 _-.:/+=%,;\"'"
    keys = ["k" + "".join(chance.choices(letters, k=chance.randrange(30))) + "k" for _ in range(KEYS)]
    assert mismatches(deployment, f"{policy}-{kind}", [asked(x_key=key) for key in keys]) == []


@pytest.mark.parametrize("kind", KINDS)
def test_consistent_hash_by_user(deployment: Deployment, kind: str) -> None:
    chance = random.Random(13)

    def word(most: int) -> str:
        return "".join(chance.choices("ABCabc0189+/", k=chance.randrange(most)))

    heads = []
    for _ in range(KEYS // 3):
        token = f"syt_{word(20)}a_{word(20)}_{word(6)}"
        opaque = f"{chance.choice(['mat', 'mct', 'syt'])}{chance.choice('_-')}x{word(20).replace('/', '')}"
        heads.append(asked(authorization=f"Bearer {token}"))
        heads.append(asked(authorization=f"Bearer {opaque}"))
        # `+` and escapes in a query mean other bytes to Synapse than to nginx, so none of them here.
        heads.append(asked(query=f"since=1&access_token={token.replace('+', '')}"))
    assert mismatches(deployment, f"user-{kind}", heads) == []


@pytest.mark.parametrize("kind", KINDS)
def test_consistent_hash_by_room(deployment: Deployment, kind: str) -> None:
    chance = random.Random(14)
    heads = []
    for _ in range(KEYS // 15):
        opaque = "".join(chance.choices("ABCabc0189-_", k=chance.randrange(1, 43)))
        for name in (f"!{opaque}", f"!{opaque}:hs.example"):
            heads.append(asked(path=f"/_matrix/client/v3/rooms/{name}/messages"))
        escaped = name.replace("!", "%21").replace(":", chance.choice([":", "%3A", "%3a"]))
        heads.append(asked(path=f"/_matrix/client/v3/rooms/{escaped}/messages"))
    assert mismatches(deployment, f"room-{kind}", heads) == []


def test_a_client_on_a_unix_socket(deployment: Deployment) -> None:
    group = deployment.groups["ip_hash-even"]
    balancer, view = group.balancer()
    head = asked(client="")
    with Client(deployment.unix) as client:
        theirs = deployment.order("ip_hash-even", head, client)
    assert [each.name for each in balancer.choose(head, view)[0]] == theirs


@pytest.mark.parametrize("kind", ["even", "uneven", "down"])
def test_round_robin(deployment: Deployment, kind: str) -> None:
    group = deployment.groups[f"round_robin-{kind}"]
    balancer, view = group.balancer()
    ours, theirs = [], []
    for _ in range(60):
        candidates, _, rotation = balancer.choose(asked(), view)
        assert rotation is not None
        view.weights[group.name] = rotation
        ours.append(candidates[0].name)
        theirs += deployment.order(group.name, asked())
    assert ours == theirs


def test_an_empty_key_is_round_robin(deployment: Deployment) -> None:
    balancer, view = deployment.groups["header-even"].balancer()
    candidates, key, rotation = balancer.choose(asked(), view)
    assert (key, rotation is not None) == (b"", True)
    assert [each.name for each in candidates] == deployment.order("header-even", asked())
