from __future__ import annotations

from pathlib import Path

import pytest

from router.config.findings import Findings
from router.nginx.pcre import NotCarried
from router.nginx.upstreams import address_of, read_upstream, seconds, size
from router.table import Endpoint, HashKey, Policy, PolicyKind, TcpAddress, UnixAddress, Upstream
from tests.nginx.files import tree

KEY = HashKey(kind="client")


def keys(text: str) -> tuple[HashKey, ...]:
    if text != "$remote_addr":
        raise NotCarried("another key")
    return (KEY,)


def read(folder: Path, inner: str) -> tuple[Upstream | None, list[str]]:
    findings = Findings()
    (directive,) = tree(folder, f"upstream u {{ {inner} }}")
    return read_upstream(directive, findings, keys), [each.code for each in findings]


@pytest.mark.parametrize(
    ("inner", "policy"),
    [
        ("server h:1;", Policy()),
        ("ip_hash; server h:1; keepalive 8;", Policy(kind=PolicyKind.IP_HASH)),
        ("least_conn; server h:1;", Policy(kind=PolicyKind.LEAST_CONN)),
        ("hash $remote_addr; server h:1;", Policy(kind=PolicyKind.HASH, keys=(KEY,))),
        ("hash $remote_addr consistent; server h:1;", Policy(kind=PolicyKind.CONSISTENT_HASH, keys=(KEY,))),
    ],
)
def test_policies(tmp_path: Path, inner: str, policy: Policy) -> None:
    upstream, found = read(tmp_path, inner)
    assert upstream is not None
    assert (upstream.policy, found) == (policy, [])


def test_servers(tmp_path: Path) -> None:
    upstream, found = read(
        tmp_path,
        "server a; server [::1]:81 weight=3 max_fails=0 fail_timeout=1m30s; server unix:/s max_conns=5;"
        "server b:1 down; server b:2 backup;",
    )
    assert upstream is not None
    assert found == []
    assert upstream.endpoints == (
        Endpoint(address=TcpAddress(host="a", port=80)),
        Endpoint(address=TcpAddress(host="::1", port=81), weight=3, max_fails=0, fail_timeout=90.0),
        Endpoint(address=UnixAddress(path="/s"), max_requests=5),
        Endpoint(address=TcpAddress(host="b", port=1), down=True),
        Endpoint(address=TcpAddress(host="b", port=2), backup=True),
    )


@pytest.mark.parametrize(
    ("inner", "codes", "is_read"),
    [
        ("random; server h:1;", ["N404"], False),
        ("hash $x; server h:1;", ["N403"], False),
        ("ip_hash; server h:1; server h:2 backup;", ["N404"], False),
        ("server h:1 slow_start=30s;", ["N402"], True),
        ("server h:1 weight=x;", ["N404"], False),
    ],
)
def test_what_is_not_carried_over(tmp_path: Path, inner: str, codes: list[str], *, is_read: bool) -> None:
    upstream, found = read(tmp_path, inner)
    assert (upstream is not None, found) == (is_read, codes)


@pytest.mark.parametrize(
    ("text", "value"), [("10", 10), ("1m30s", 90), ("500ms", 0.5), ("2h", 7200), ("1d", 86400)]
)
def test_times(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize(("text", "value"), [("10", 10), ("64k", 65536), ("10M", 10 << 20), ("1g", 1 << 30)])
def test_sizes(text: str, value: int) -> None:
    assert size(text) == value


def test_what_is_neither() -> None:
    for text in ("", "x", "10x", "-1"):
        with pytest.raises(ValueError, match="no time"):
            seconds(text)
        with pytest.raises(ValueError, match="no size"):
            size(text)


def test_a_port_that_is_not_written() -> None:
    assert address_of("h", port=443) == TcpAddress(host="h", port=443)
    assert address_of("[::1]") == TcpAddress(host="::1", port=80)
    assert address_of("unix:/run/x:") == UnixAddress(path="/run/x")
