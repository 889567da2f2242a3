"""Whom a trusted proxy names, and what of its word counts."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.http1.requests import parse_request
from router.proxy.trust import (
    MOST_HOPS,
    Trust,
    as_text,
    read_hop,
    told_client,
    told_host,
    told_scheme,
)
from router.request import RequestHead
from router.routing.policy import balancer_for
from router.routing.view import EveryEndpointUp
from router.settings import Limits, Settings, TrustedProxies
from router.table import Policy, PolicyKind
from tests.dialogues import Hire, Serve
from tests.wire import all_to, settle
from tests.worker import OK, Worker


def trust(*networks: str, unix: bool = False) -> Trust:
    return Trust(TrustedProxies(networks=tuple(map(ip_network, networks)), unix=unix))


TRUST = trust("10.0.0.0/8", "192.0.2.1/32", "fd00::/8")


@pytest.mark.parametrize(
    ("peer", "covered"),
    [
        ("10.0.0.1", True),
        ("10.255.255.255", True),
        ("11.0.0.0", False),
        ("9.255.255.255", False),
        ("192.0.2.1", True),
        ("192.0.2.2", False),
        ("fd00::1", True),
        ("fdff::1", True),
        ("fe00::1", False),
        ("fd00::1%eth0", True),
        ("::ffff:10.0.0.1", True),
        ("::ffff:11.0.0.1", False),
        ("::10.0.0.1", False),
        ("", False),
    ],
)
def test_who_is_covered(peer: str, covered: bool) -> None:
    assert TRUST.covers(peer) is covered


@given(st.ip_addresses(), st.lists(st.ip_addresses(), max_size=3), st.integers(0, 32))
def test_a_network_covers_what_ipaddress_says(peer: object, named: list[object], prefix: int) -> None:
    networks: list[IPv4Network | IPv6Network] = [
        ip_network(f"{each}/{prefix}", strict=False) for each in named
    ]
    address = ipaddress.ip_address(str(peer))
    mapped = address.ipv4_mapped if address.version == 6 else None
    expected = any((mapped or address) in network for network in networks)
    assert Trust(TrustedProxies(networks=tuple(networks))).covers(str(peer)) is expected


def test_a_unix_peer_is_trusted_by_its_own_word_alone() -> None:
    assert trust(unix=True).covers("")
    assert not trust(unix=True).covers("127.0.0.1")
    assert not trust("127.0.0.0/8").covers("")
    assert trust(unix=True).client("", b"203.0.113.7") == "203.0.113.7"
    assert trust(unix=True).client("", b"unknown") == ""


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        (b"203.0.113.7", "203.0.113.7"),
        (b"203.0.113.7, 10.0.0.9", "203.0.113.7"),
        (b"1.1.1.1, 203.0.113.7, 192.0.2.1,10.0.0.9", "203.0.113.7"),
        (b"1.1.1.1, 203.0.113.7", "203.0.113.7"),
        (b"10.0.0.8, 10.0.0.9", "10.0.0.8"),
        (b" \t203.0.113.7\t ", "203.0.113.7"),
        (b"203.0.113.7, , ,", "203.0.113.7"),
        (b"", "10.0.0.1"),
        (b",", "10.0.0.1"),
        (b"203.0.113.7:4711", "203.0.113.7"),
        (b"203.0.113.7, 10.0.0.9:4711", "203.0.113.7"),
        (b"[2001:DB8:0::1]:443, fd00::1", "2001:db8::1"),
        (b"2001:db8::1", "2001:db8::1"),
        (b"::ffff:203.0.113.7", "203.0.113.7"),
        (b"203.0.113.7, ::ffff:10.0.0.9", "203.0.113.7"),
        # what is no address ends the walk at the last proxy that was passed over
        (b"unknown", "10.0.0.1"),
        (b"203.0.113.7, unknown", "10.0.0.1"),
        (b"203.0.113.7, unknown, 10.0.0.9", "10.0.0.9"),
        (b"203.0.113.7, _hidden, 10.0.0.9", "10.0.0.9"),
        (b"203.0.113.7, 10.0.0.08, 10.0.0.9", "10.0.0.9"),
        (b"203.0.113.7 10.0.0.8, 10.0.0.9", "10.0.0.9"),
        (b'"203.0.113.7"', "10.0.0.1"),
        (b"for=203.0.113.7", "10.0.0.1"),
        (b"203.0.113.7\xe9", "10.0.0.1"),
        (b"localhost", "10.0.0.1"),
    ],
)
def test_the_chain_is_walked_from_the_right(chain: bytes, client: str) -> None:
    assert TRUST.client("10.0.0.1", chain) == client


@given(st.lists(st.ip_addresses(), min_size=1, max_size=6))
def test_the_client_is_the_last_that_is_not_trusted(chain: list[object]) -> None:
    told = TRUST.client("10.0.0.1", ", ".join(map(str, chain)).encode())
    untrusted = [str(each) for each in chain if not TRUST.covers(str(each))]
    expected = ipaddress.ip_address(untrusted[-1] if untrusted else str(chain[0]))
    mapped = expected.ipv4_mapped if expected.version == 6 else None
    assert told == as_text((mapped or expected).packed)


def test_a_chain_without_end_is_walked_so_far() -> None:
    near = [f"10.0.0.{number}" for number in range(MOST_HOPS)]
    assert TRUST.client("10.9.9.9", ",".join(["203.0.113.7", *near[1:]]).encode()) == "203.0.113.7"
    assert TRUST.client("10.9.9.9", ",".join(["203.0.113.7", *near]).encode()) == "10.0.0.0"
    assert TRUST.client("10.9.9.9", b"," * 15_000) == "10.9.9.9"


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        (b"1.2.3.4", "1.2.3.4"),
        (b"1.2.3.4:0", "1.2.3.4"),
        (b"1.2.3.4:65535", "1.2.3.4"),
        (b"[::1]", "::1"),
        (b"[::1]:1", "::1"),
        (b"1.2.3.4:65536", None),
        (b"1.2.3.4:", None),
        (b"1.2.3.4:+1", None),
        (b"1.2.3.4:000001", None),
        (b"[1.2.3.4]", None),
        (b"[1.2.3.4]:1", None),
        (b"[::1", None),
        (b"[::1]1", None),
        (b"[::1]:", None),
        (b"::1]", None),
        (b"fe80::1%eth0", None),
        (b"1.2.3", None),
        (b"1.2.3.4.5", None),
        (b"0x7f.0.0.1", None),
        (b"2130706433", None),
        (b"1.2.3.4\0", None),
        (b"-", None),
        (b":", None),
    ],
)
def test_what_an_entry_may_be(entry: bytes, address: str | None) -> None:
    read = read_hop(entry)
    assert (as_text(read) if read is not None else None) == address


@given(st.binary(max_size=40))
def test_no_entry_raises(entry: bytes) -> None:
    read = read_hop(entry)
    if read is not None:
        assert ipaddress.ip_address(as_text(read)).packed == read


def told(*lines: bytes) -> tuple[str, bytes | None, bytes | None]:
    head = b"\r\n".join((b"GET / HTTP/1.1", b"Host: h", *lines)) + b"\r\n\r\n"
    message = parse_request(head, Limits())
    return told_client(message, "10.0.0.1", TRUST), told_scheme(message), told_host(message)


NOTHING = ("10.0.0.1", None, None)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], NOTHING),
        ([b"X-Forwarded-For: 1.1.1.1, 2.2.2.2"], ("2.2.2.2", None, None)),
        ([b"x-forwarded-for: 1.1.1.1", b"A: 1", b"X-FORWARDED-FOR: 10.0.0.3"], ("1.1.1.1", None, None)),
        ([b"X-Forwarded-For: 10.0.0.3", b"X-Forwarded-For: 1.1.1.1"], ("1.1.1.1", None, None)),
        ([b"X-Forwarded_For: 1.1.1.1"], NOTHING),
        ([b"X_Forwarded_For: 1.1.1.1"], NOTHING),
        ([b"Forwarded: for=1.1.1.1;proto=https;host=x"], NOTHING),
        ([b"X-Real-IP: 1.1.1.1"], NOTHING),
        ([b"X-Forwarded-Proto: https"], ("10.0.0.1", b"https", None)),
        ([b"X-Forwarded-Proto: HTTP"], ("10.0.0.1", b"http", None)),
        ([b"X-Forwarded-Proto: wss"], NOTHING),
        ([b"X-Forwarded-Proto: https, http"], NOTHING),
        ([b"X-Forwarded-Proto: https", b"X-Forwarded-Proto: https"], NOTHING),
        ([b"X-Forwarded-Proto:"], NOTHING),
        ([b"X-Forwarded-Host: matrix.example:8448"], ("10.0.0.1", None, b"matrix.example:8448")),
        ([b"X-Forwarded-Host: [::1]"], ("10.0.0.1", None, b"[::1]")),
        ([b"X-Forwarded-Host: a,b"], NOTHING),
        ([b"X-Forwarded-Host: a, b"], NOTHING),
        ([b"X-Forwarded-Host: a/b"], NOTHING),
        ([b"X-Forwarded-Host: u@h"], NOTHING),
        ([b"X-Forwarded-Host: a", b"X-Forwarded-Host: b"], NOTHING),
    ],
)
def test_what_a_trusted_proxy_says(
    lines: list[bytes], expected: tuple[str, bytes | None, bytes | None]
) -> None:
    assert told(*lines) == expected


LOCAL = Settings(trusted_proxies=TrustedProxies(networks=(IPv4Network("127.0.0.0/8"),)))
UNIX = Settings(trusted_proxies=TrustedProxies(unix=True))
SENT = (
    b"GET /a HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.1.1.1, 203.0.113.7\r\nForwarded: for=9.9.9.9\r\n"
    b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: matrix.example\r\nX-Real-IP: 9.9.9.9\r\n"
    b"X_Forwarded_For: 9.9.9.9\r\nX-Request-ID: r1\r\n\r\n"
)
KEPT = b"GET /a HTTP/1.1\r\nHost: h\r\nX-Request-ID: r1\r\n"


def forwarded(client: bytes, scheme: bytes, host: bytes) -> bytes:
    return KEPT + (
        b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\n\r\n"
        % (client, scheme, host)
    )


BELIEVED = forwarded(b"203.0.113.7", b"https", b"matrix.example")
REPLACED = forwarded(b"127.0.0.1", b"http", b"h")


@pytest.mark.parametrize(
    "case",
    [
        (LOCAL, False, (BELIEVED, "203.0.113.7")),
        (LOCAL, True, (REPLACED, "")),
        (UNIX, True, (BELIEVED, "203.0.113.7")),
        (UNIX, False, (REPLACED, "127.0.0.1")),
        (Settings(), True, (REPLACED, "")),
        (Settings(), False, (REPLACED, "127.0.0.1")),
    ],
)
async def test_who_the_worker_and_the_log_are_told_of(
    serve: Serve,
    worker: Worker,
    tmp_path: Path,
    case: tuple[Settings, bool, tuple[bytes, str]],
) -> None:
    settings, unix, (at_worker, client) = case
    proxy = await serve(worker.endpoint, settings=settings, path=str(tmp_path / "s") if unix else None)
    asking = await proxy.ask(SENT)
    peer = await worker.accept()
    await peer.expect(at_worker)
    await peer.send(OK)
    await asking.expect(OK)
    await settle()
    (ended,) = proxy.recorder.ended
    assert ended.head is not None
    assert (ended.client, ended.head.client) == (client, client)


async def test_each_request_of_a_trusted_proxy_has_a_client_of_its_own(serve: Serve, worker: Worker) -> None:
    proxy = await serve(worker.endpoint, settings=LOCAL)
    ask = b"GET /a HTTP/1.1\r\nHost: h\r\nX-Request-ID: r1\r\n"
    asking = await proxy.ask(
        ask + b"X-Forwarded-For: 1.1.1.1\r\n\r\n" + ask + b"\r\n" + ask + b"X-Forwarded-For: 2.2.2.2\r\n\r\n"
    )
    peer = await worker.accept()
    for client in (b"1.1.1.1", b"127.0.0.1", b"2.2.2.2"):
        await peer.expect(forwarded(client, b"http", b"h"))
        await peer.send(OK)
        await asking.expect(OK)


async def test_a_client_by_the_chain_is_hashed_as_one_that_connects(serve: Serve, workers: Hire) -> None:
    team = [workers(), workers(), workers()]
    policy = Policy(kind=PolicyKind.IP_HASH)
    endpoints = [each.endpoint for each in team]
    proxy = await serve(table=all_to(*endpoints, policy=policy), settings=LOCAL)
    upstream = proxy.config.table.upstreams["main"]
    reached = set()
    for number in range(12):
        client = f"203.0.{number * 7}.1"
        head = RequestHead(method="GET", target=b"/a", client=client)
        chosen = balancer_for(upstream).choose(head, EveryEndpointUp())[0][0]
        asking = await proxy.ask(
            b"GET /a HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: %b\r\n\r\n" % client.encode()
        )
        peer = await team[endpoints.index(chosen)].accept()
        await peer.until()
        await peer.send(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        peer.close()
        await asking.until()
        reached.add(chosen.name)
    assert len(reached) == 3
