from __future__ import annotations

import dataclasses
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.answers import Redirect, Response
from router.config.document import parse
from router.config.findings import Findings
from router.config.loader import load, load_bytes
from router.config.nodes import Mapping, Scalar
from router.config.writer import quoted, write
from router.settings import (
    ClosedListener,
    Config,
    Guard,
    Health,
    Limits,
    Listener,
    ListenerRole,
    Resolver,
    Settings,
    SocketAccess,
    Timeouts,
    TrustedProxies,
)
from router.table import (
    ClientTls,
    Condition,
    DnsAddress,
    Endpoint,
    HashKey,
    PathForm,
    Pattern,
    Policy,
    PolicyKind,
    Presence,
    QueryPredicate,
    Refusal,
    Route,
    RouteTable,
    TcpAddress,
    UnixAddress,
    Upstream,
)

ROOT = Path(__file__).parents[2]
TEXT = "text/plain; charset=utf-8"

LOCAL = TcpAddress(host="127.0.0.1", port=8101)
UPSTREAMS = (
    Upstream(
        name="w",
        endpoints=(
            Endpoint(
                address=LOCAL, weight=3, instance="generic1", max_requests=7, max_fails=2, fail_timeout=1.5
            ),
            Endpoint(address=TcpAddress(host="::1", port=8102), down=True, tls=ClientTls()),
            Endpoint(address=UnixAddress(path="/run/a-b.sock"), backup=True),
            Endpoint(address=DnsAddress(name="synapse", port=8008), tls=ClientTls(server_name="a.example")),
        ),
        policy=Policy(kind=PolicyKind.LEAST_CONN),
        queue_size=0,
        queue_timeout=0.25,
    ),
    Upstream(
        name="k",
        endpoints=(Endpoint(address=LOCAL),),
        policy=Policy(
            kind=PolicyKind.HASH,
            keys=(
                HashKey(kind="header", name="x-a", pattern="it's (a)"),
                HashKey(kind="target", pattern="(b)"),
                HashKey(kind="user"),
                HashKey(kind="capture", name="room"),
            ),
        ),
    ),
)
PATTERN = Pattern(text="^/a/(?P<room>[^/]*)'\\x00$")
ROUTES = (
    Route(
        name="many",
        pattern=PATTERN,
        methods=frozenset({"GET", "PUT"}),
        query=(QueryPredicate(name="a b", presence=Presence.ABSENT),),
        conditions=(
            Condition(kind="argument", name="since", pattern="^$"),
            Condition(kind="host", pattern="a'b", negated=True),
        ),
        upstream="k",
        first_byte=3.5,
        max_body=12345,
        wait_for_worker=15.0,
        upgrade=("websocket",),
    ),
    Route(name="group", pattern=Pattern(text="^/b"), upstream="w"),
    Route(name="group", pattern=Pattern(text="^/c"), upstream="w"),
    Route(name="form", pattern=Pattern(text="^/d", form=PathForm.NORMALISED), upstream="w"),
    Route(
        name="refused",
        pattern=Pattern(text="^/e"),
        refusal=Refusal(status=410, errcode="M_GONE", error="it's gone: #1"),
    ),
    Route(
        name="answered",
        pattern=Pattern(text="^/f"),
        response=Response(status=201, fields=(("X-A", "b: c"),), media_type=TEXT, body="ä\n\"'".encode()),
    ),
    Route(name="empty", pattern=Pattern(text="^/g"), response=Response(status=204)),
    Route(
        name="led", pattern=Pattern(text="^/h"), redirect=Redirect(to="https://$host$request_uri", status=308)
    ),
)
SETTINGS = Settings(
    listen=(
        Listener(
            address=TcpAddress(host="0.0.0.0", port=80), redirect=Redirect(to="https://a.org", status=301)
        ),
        Listener(address=TcpAddress(host="::", port=81), proxy_protocol=True),
        Listener(address=TcpAddress(host="::1", port=82), role=ListenerRole.SHADOW),
        Listener(address=UnixAddress(path="/run/r.sock"), access=SocketAccess(mode=0o600, owner=0, group=0)),
    ),
    admin=(TcpAddress(host="0.0.0.0", port=8081),),
    admin_public=True,
    trusted_proxies=TrustedProxies(networks=(ip_network("10.0.0.0/8"),), unix=True),
    limits=Limits(**{each.name: 400 for each in dataclasses.fields(Limits)}),
    timeouts=Timeouts(**{each.name: 2.5 for each in dataclasses.fields(Timeouts)}),
    health=Health(path="/health", interval=5.0, timeout=1.5, rise=4, fall=5, jitter=0.0),
    resolver=Resolver(servers=("10.0.0.2:5353",), timeout=1.0, attempts=3, min_ttl=2.0, max_ttl=3.0),
    guard=Guard(
        replication_ports=((9000, 9100),),
        replication_addresses=(TcpAddress(host="10.0.0.1", port=1),),
        open_prefixes=frozenset({"/_synapse/admin"}),
    ),
    access_log="",
    drain_timeout=1.0,
)
EVERYTHING = Config(
    table=RouteTable(routes=ROUTES, upstreams={each.name: each for each in UPSTREAMS}), settings=SETTINGS
)


def again(config: Config) -> Config:
    loaded = load_bytes(write(config).encode())
    assert loaded.config is not None, [each.message for each in loaded.findings]
    return loaded.config


def test_all_that_a_table_can_hold_is_written() -> None:
    assert again(EVERYTHING).table == EVERYTHING.table


def test_all_that_settings_can_hold_is_written() -> None:
    assert again(EVERYTHING).settings == EVERYTHING.settings


@pytest.mark.parametrize("of", [Settings, Limits, Timeouts, Health, Resolver, Guard, TrustedProxies])
def test_no_setting_stands_at_its_default_here_so_that_none_is_forgotten(of: type) -> None:
    values = next(each for each in _all(SETTINGS) if isinstance(each, of))
    left = {
        each.name for each in dataclasses.fields(of) if getattr(values, each.name) == getattr(of(), each.name)
    }
    assert left <= {"closed", "admin_access"}


def _all(settings: Settings) -> list[object]:
    return [settings, *(getattr(settings, each.name) for each in dataclasses.fields(settings))]


def test_the_shipped_file_comes_out_the_same() -> None:
    shipped = load(ROOT / "routes.yaml").config
    assert shipped is not None
    written = again(shipped)
    assert (written.table, written.settings) == (shipped.table, shipped.settings)
    assert write(written) == write(shipped)


def test_a_file_is_headed_noted_and_left_unresolved() -> None:
    text = write(EVERYTHING, comments=["Made."], notes={"w": ["the workers"]}, unresolved=["a: 'b' #c"])
    assert text.startswith("# Made.\nunresolved:\n  - 'a: ''b'' #c'\n")
    assert "  # the workers\n  w:\n" in text
    loaded = load_bytes(text.encode())
    assert [(each.code, each.message) for each in loaded.findings if each.severity.value == "error"] == [
        ("R140", "a: 'b' #c")
    ]


def test_what_no_file_can_say() -> None:
    closed = Guard(closed=(ClosedListener(address=LOCAL, reason="is one"),))
    with pytest.raises(ValueError, match="Synapse's own files"):
        write(dataclasses.replace(EVERYTHING, settings=Settings(guard=closed)))


@given(st.text(min_size=1).filter(lambda text: text.isprintable() or text.isascii()))
def test_any_word_is_read_as_it_was(word: str) -> None:
    findings = Findings()
    document = parse(f"key: {quoted(word)}\n".encode("utf-8", "surrogatepass"), file="f", findings=findings)
    if len(findings):
        return  # what is no text in UTF-8, or a control character that YAML has not
    assert isinstance(document.root, Mapping)
    (entry,) = document.root.entries
    assert isinstance(entry.value, Scalar)
    assert (entry.value.text, entry.value.is_null) == (word, False)
