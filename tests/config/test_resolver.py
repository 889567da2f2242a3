from __future__ import annotations

import pytest

from router.config.loader import load_bytes
from router.settings import Resolver
from tests.config.files import CLEAN, marked, places


def resolver(written: str) -> Resolver:
    loaded = load_bytes(f"{CLEAN}resolver: {written}\n".encode())
    assert loaded.config is not None, loaded.findings
    assert loaded.findings == ()
    return loaded.config.settings.resolver


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{}", Resolver()),
        ("{timeout: 2s, attempts: 2, min_ttl: 1s, max_ttl: 30s}", Resolver()),
        ("{servers: 10.0.0.2}", Resolver(servers=("10.0.0.2:53",))),
        (
            "{servers: [127.0.0.53, '10.0.0.2:5353', '::1', '[fd00::2]:5353']}",
            Resolver(servers=("127.0.0.53:53", "10.0.0.2:5353", "[::1]:53", "[fd00::2]:5353")),
        ),
        ("{timeout: 500ms, attempts: 1}", Resolver(timeout=0.5, attempts=1)),
        ("{min_ttl: 5s, max_ttl: 5s}", Resolver(min_ttl=5.0, max_ttl=5.0)),
        ("{max_ttl: 1h}", Resolver(max_ttl=3600.0)),
    ],
)
def test_what_is_read(written: str, expected: Resolver) -> None:
    assert resolver(written) == expected


@pytest.mark.parametrize(
    ("written", "code", "caret"),
    [
        ("5", "S009", "5"),
        ("{server: 10.0.0.2}", "S008", "server"),
        ("{servers: []}", "S010", "[]"),
        ("{servers: ns.example}", "S013", "ns.example"),
        ("{servers: ['ns.example:53']}", "S013", "'ns.example:53'"),
        ("{servers: ['10.0.0.2:0']}", "S013", "'10.0.0.2:0'"),
        ("{servers: ['unix:/run/dns']}", "S013", "'unix:/run/dns'"),
        ("{servers: ['dns:ns:53']}", "S013", "'dns:ns:53'"),
        ("{attempts: 0}", "S011", "0"),
        ("{attempts: 11}", "S011", "11"),
        ("{timeout: 2}", "S011", "2"),
        ("{min_ttl: 1m}", "S011", "1m"),
        ("{max_ttl: 500ms}", "S011", "500ms"),
    ],
)
def test_what_is_wrong_is_marked(written: str, code: str, caret: str) -> None:
    assert marked(f"{CLEAN}resolver: {written}\n", code) == caret


@pytest.mark.parametrize(
    "text",
    [
        "listen: 'dns:synapse:8080'\n",
        "admin: 'dns:synapse:8081'\n",
        "guard: {replication: ['dns:_replication._tcp.synapse']}\n",
    ],
)
def test_only_an_endpoint_is_found_by_dns(text: str) -> None:
    assert places(CLEAN + text)[0].startswith("S013 3:")
