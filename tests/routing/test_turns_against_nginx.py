"""Whose turn it is where endpoints fail, come back, are marked down or are backups: as in a real nginx."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from router.request import RequestHead
from router.routing.policy import balancer_for
from router.table import Endpoint, Policy, PolicyKind, TcpAddress, Upstream
from router.upstream.state import EndpointStates
from tests.real_nginx import Client, free_ports, nginx

pytestmark = [pytest.mark.nginx, pytest.mark.xdist_group("nginx")]

FAIL_TIMEOUT = 1.0
ASKED = RequestHead(method="GET", target=b"/", client="192.0.2.7")


@dataclass
class Ours:
    """The router's side: what an exchange commits, on a clock that the test moves."""

    upstream: Upstream
    dead: frozenset[int]
    now: float = 1000.0
    states: EndpointStates = field(init=False)

    def __post_init__(self) -> None:
        self.states = EndpointStates(lambda: self.now, clock=lambda: self.now)
        self.balancer = balancer_for(self.upstream)

    def tried(self) -> list[str]:
        """The endpoints that one request tries, in order."""
        candidates, _, rotation = self.balancer.choose(ASKED, self.states)
        if rotation is not None:
            self.states.rotate(self.upstream, rotation)
        names = []
        for place, endpoint in enumerate(candidates):
            names.append(endpoint.name)
            self.states.begin_attempt(endpoint)
            if self.port(endpoint) not in self.dead:
                self.states.attempt_answered(endpoint)
                break
            self.states.lower(self.upstream, endpoint)
            self.states.attempt_failed(endpoint, "refused")
            if candidates[place + 1 :]:
                self.states.rotate_again(self.upstream, candidates[place + 1 :])
        return names

    def port(self, endpoint: Endpoint) -> int:
        assert isinstance(endpoint.address, TcpAddress)
        return endpoint.address.port


@dataclass(frozen=True)
class Theirs:
    client: Client

    def tried(self) -> list[str]:
        status, body = self.client.ask(b"/")
        assert status == 200, body
        return body.decode().split(", ")


def server(endpoint: Endpoint) -> str:
    said = "".join(f" {word}" for word in ("down", "backup") if getattr(endpoint, word))
    return (
        f"server {endpoint.name} weight={endpoint.weight} max_fails={endpoint.max_fails} "
        f"fail_timeout={endpoint.fail_timeout:g}s{said};\n"
    )


@contextmanager
def front(folder: Path, upstream: Upstream) -> Iterator[Theirs]:
    """nginx before the upstream; it answers with the servers that it has tried."""
    (port,) = free_ports(1)
    policy = "least_conn;" if upstream.policy.kind is PolicyKind.LEAST_CONN else ""
    servers = "".join(map(server, upstream.endpoints))
    folder.mkdir()
    text = (
        f"upstream u {{ {policy}\n{servers} }}\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://u;\n"
        "proxy_intercept_errors on; error_page 418 502 504 = @tried; }\n"
        "location @tried { return 200 $upstream_addr; } }\n"
    )
    with nginx(folder, text), Client(port) as client:
        yield Theirs(client)


@contextmanager
def answering(folder: Path, *ports: int) -> Iterator[None]:
    """Servers that answer 418, which the front takes as its sign to say whom it has asked."""
    folder.mkdir()
    servers = "".join(f"server {{ listen 127.0.0.1:{port}; return 418 x; }}\n" for port in ports)
    with nginx(folder, servers):
        yield


@pytest.fixture
def taken() -> Iterator[list[int]]:
    """Ports that are bound and never listened on."""
    with ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(3)]
        for each in held:
            each.bind(("127.0.0.1", 0))
        yield [each.getsockname()[1] for each in held]


def group(ports: list[int], weights: tuple[int, ...], max_fails: int, kind: PolicyKind) -> Upstream:
    endpoints = tuple(
        Endpoint(
            address=TcpAddress(host="127.0.0.1", port=port),
            weight=weight,
            max_fails=max_fails,
            fail_timeout=FAIL_TIMEOUT,
        )
        for port, weight in zip(ports, weights, strict=True)
    )
    return Upstream(name="u", endpoints=endpoints, policy=Policy(kind=kind))


@pytest.mark.parametrize("kind", [PolicyKind.ROUND_ROBIN, PolicyKind.LEAST_CONN])
@pytest.mark.parametrize(
    ("weights", "max_fails"), [((1, 1, 1), 1), ((5, 3, 1), 1), ((6, 4, 2), 2), ((4, 1, 1), 3)]
)
def test_the_sequence_while_one_fails_and_when_it_is_back(
    tmp_path: Path, weights: tuple[int, ...], max_fails: int, kind: PolicyKind
) -> None:
    """It fails for 40 requests, its time passes, it is there again for 60."""
    ports = free_ports(3)
    upstream = group(ports, weights, max_fails, kind)
    with front(tmp_path / "front", upstream) as theirs, answering(tmp_path / "live", *ports[1:]):
        ours = Ours(upstream, frozenset(ports[:1]))
        failing = [(ours.tried(), theirs.tried()) for _ in range(40)]
        assert [one for one, _ in failing] == [other for _, other in failing]
        assert sum(len(one) > 1 for one, _ in failing) == max_fails
        with answering(tmp_path / "back", ports[0]):
            time.sleep(2 * FAIL_TIMEOUT + 0.1)  # nginx's clock for this has whole seconds, and none to inject
            ours.now += 2 * FAIL_TIMEOUT + 0.1
            ours.dead = frozenset()
            back = [(ours.tried(), theirs.tried()) for _ in range(60)]
    assert [one for one, _ in back] == [other for _, other in back]
    assert any(one == [f"127.0.0.1:{ports[0]}"] for one, _ in back)


@pytest.mark.parametrize("kind", [PolicyKind.ROUND_ROBIN, PolicyKind.LEAST_CONN])
def test_who_is_marked_down_and_who_is_a_backup(tmp_path: Path, taken: list[int], kind: PolicyKind) -> None:
    """The only one that is neither fails, so that the backups get all requests but its first."""
    live = free_ports(2)
    plain = group([*taken[:2], *live], (2, 1, 3, 1), 1, kind)
    marks: list[dict[str, bool]] = [{"down": True}, {}, {"backup": True}, {"backup": True}]
    endpoints = tuple(
        replace(each, down="down" in mark, backup="backup" in mark, fail_timeout=60.0)
        for each, mark in zip(plain.endpoints, marks, strict=True)
    )
    upstream = replace(plain, endpoints=endpoints)
    with answering(tmp_path / "live", *live), front(tmp_path / "front", upstream) as theirs:
        ours = Ours(upstream, frozenset(taken))
        asked = [(ours.tried(), theirs.tried()) for _ in range(40)]
    assert [one for one, _ in asked] == [other for _, other in asked]
    assert {name for one, _ in asked for name in one} == {f"127.0.0.1:{port}" for port in (taken[1], *live)}
