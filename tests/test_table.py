from __future__ import annotations

import pytest

from router.errors import ConfigError, UnknownUpstream
from router.table import (
    UNMATCHED,
    Address,
    DnsAddress,
    Endpoint,
    HashKey,
    Pattern,
    Policy,
    PolicyKind,
    Refusal,
    Route,
    RouteTable,
    TcpAddress,
    UnixAddress,
    Upstream,
    is_host_name,
    parse_address,
    parse_endpoint_address,
)

MAIN = Upstream(name="main", endpoints=(Endpoint(address=TcpAddress(host="127.0.0.1", port=8008)),))


def route(name: str = "all", upstream: str | None = "main", **fields: object) -> Route:
    return Route(name=name, pattern=Pattern(text="^/"), upstream=upstream, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8008", TcpAddress(host="127.0.0.1", port=8008)),
        ("localhost:0", TcpAddress(host="localhost", port=0)),
        ("[::1]:65535", TcpAddress(host="::1", port=65535)),
        ("unix:/run/x.sock", UnixAddress(path="/run/x.sock")),
    ],
)
def test_an_address_is_read_and_written_alike(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8008",
        ":8008",
        "host",
        "host:",
        "host:x",
        "host:٣",
        "host:65536",
        "::1:8008",
        "unix:",
        "unix:x",
        "h:-1",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_address(text)


@pytest.mark.parametrize(
    ("methods", "method", "taken"),
    [
        (None, "POST", True),
        ({"GET"}, "GET", True),
        ({"GET"}, "HEAD", True),
        ({"GET"}, "PUT", False),
        ({"PUT"}, "HEAD", False),
        ({"PUT"}, "GET", False),
        ({"PUT"}, "OPTIONS", True),
        ({"HEAD"}, "GET", False),
    ],
)
def test_which_methods_a_route_takes(methods: set[str] | None, method: str, taken: bool) -> None:
    assert route(methods=frozenset(methods) if methods else None).takes_method(method) is taken


def test_a_table_ends_with_the_unmatched_route_once() -> None:
    table = RouteTable(routes=(route(),), upstreams={"main": MAIN})
    assert table.routes[-1] is UNMATCHED
    assert RouteTable(routes=table.routes, upstreams=table.upstreams).routes == table.routes


def test_an_empty_table_refuses_everything() -> None:
    assert RouteTable(routes=(), upstreams={}).routes == (UNMATCHED,)


def test_a_route_to_nowhere_is_refused_by_name() -> None:
    with pytest.raises(UnknownUpstream, match="`all` goes to `mian`") as caught:
        RouteTable(routes=(route(upstream="mian"),), upstreams={"main": MAIN})
    assert "main" in caught.value.hint


def test_the_name_of_the_last_route_is_taken() -> None:
    with pytest.raises(ConfigError, match="unmatched"):
        RouteTable(routes=(route("unmatched"),), upstreams={"main": MAIN})


def test_a_table_cannot_be_changed_through_what_it_was_made_from() -> None:
    upstreams = {"main": MAIN}
    table = RouteTable(routes=(route(),), upstreams=upstreams)
    upstreams.clear()
    assert table.upstreams["main"] is MAIN
    with pytest.raises(TypeError):
        table.upstreams["x"] = MAIN  # type: ignore[index]


def test_values_check_themselves() -> None:
    with pytest.raises(ValueError, match="one answer"):
        route(upstream=None)
    with pytest.raises(ValueError, match="one answer"):
        route(refusal=Refusal())
    with pytest.raises(ValueError, match="weight"):
        Endpoint(address=TcpAddress(host="h", port=1), weight=0)
    with pytest.raises(ConfigError, match="no endpoints"):
        Upstream(name="empty", endpoints=())
    with pytest.raises(ValueError, match="status"):
        Refusal(status=200)
    with pytest.raises(ValueError, match="need a key"):
        Policy(kind=PolicyKind.CONSISTENT_HASH)
    with pytest.raises(ValueError, match="need a key"):
        Policy(kind=PolicyKind.IP_HASH, keys=(HashKey(kind="user"),))
    with pytest.raises(ValueError, match="lower case"):
        HashKey(kind="header", name="Authorization")
    with pytest.raises(ValueError, match="needs a name"):
        HashKey(kind="header")


def test_the_fallback_is_where_the_last_route_goes() -> None:
    other = Upstream(name="other", endpoints=MAIN.endpoints)
    refusing = route("closed", upstream=None, refusal=Refusal())
    upstreams = {"main": MAIN, "other": other}
    assert RouteTable(routes=(route("a", "other"), route("b")), upstreams=upstreams).fallback is MAIN
    assert RouteTable(routes=(route("a", "other"), refusing), upstreams=upstreams).fallback is other
    assert RouteTable(routes=(refusing,), upstreams=upstreams).fallback is None


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("dns:synapse:8008", DnsAddress(name="synapse", port=8008)),
        ("dns:a-b.example.:1", DnsAddress(name="a-b.example.", port=1)),
        ("dns:project_synapse_1:8008", DnsAddress(name="project_synapse_1", port=8008)),
        ("dns:_http._tcp.synapse.example", DnsAddress(name="_http._tcp.synapse.example")),
        ("synapse:8008", TcpAddress(host="synapse", port=8008)),
        ("unix:/run/x.sock", UnixAddress(path="/run/x.sock")),
    ],
)
def test_an_endpoint_may_be_found_by_dns(text: str, address: Address | DnsAddress) -> None:
    assert parse_endpoint_address(text) == address
    assert str(address) == text
    assert Endpoint(address=address).name == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dns:synapse", "has no port"),
        ("dns:8008", "an address, not a name"),
        ("dns:", "not a name"),
        ("dns::8008", "not a name"),
        ("dns:_http.synapse", "has no port"),
        ("dns:_http._tcp", "has no port"),
        ("dns:_http._tcp.synapse:8008", "bring their own ports"),
        ("dns:10.0.0.5:8008", "an address, not a name"),
        ("dns:[::1]:8008", "is not dns:NAME:PORT"),
        ("dns:synapse:http", "is not dns:NAME:PORT"),
        ("dns:synapse:0", "not in 1-65535"),
        ("dns:synapse:65536", "not in 1-65535"),
        ("dns:a..b:8008", "not a name"),
        ("dns:-a:8008", "not a name"),
        ("dns:a/b:8008", "not a name"),
        (f"dns:{'a' * 64}:8008", "not a name"),
        ("dns:\u00fc.example:8008", "not a name"),
    ],
)
def test_what_dns_cannot_be_asked_for(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_endpoint_address(text)


def test_only_an_endpoint_may_be_found_by_dns() -> None:
    for text in ("dns:synapse:8008", "dns:_http._tcp.synapse"):
        with pytest.raises(ValueError, match="only an endpoint"):
            parse_address(text)
    assert parse_address("dns:8008") == TcpAddress(host="dns", port=8008)
    assert parse_address("dns.example:8008") == TcpAddress(host="dns.example", port=8008)


def test_the_length_of_a_host_name() -> None:
    label = "a" * 63
    assert is_host_name(".".join([label] * 3 + ["a" * 61]))
    assert not is_host_name(".".join([label] * 3 + ["a" * 62]))
