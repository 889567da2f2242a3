from __future__ import annotations

import pytest

from router.config.loader import load_bytes
from router.table import DnsAddress, Endpoint, HashKey, PolicyKind, TcpAddress, UnixAddress, Upstream
from tests.config.files import fix, marked, places

TWO = "endpoints: [127.0.0.1:8101, 127.0.0.1:8102]"


def table(upstream: str) -> str:
    return f"upstreams:\n  u: {upstream}\nroutes: [{{path: '^/', upstream: u}}]\n"


def upstream(written: str) -> Upstream:
    loaded = load_bytes(table(written).encode())
    assert loaded.config is not None, loaded.findings
    return loaded.config.table.upstreams["u"]


def test_endpoints_are_read_in_their_order() -> None:
    read = upstream(
        "{endpoints: [127.0.0.1:8101, {address: 'unix:/run/x', weight: 2, instance: generic2}, h:80]}"
    )
    assert read.endpoints == (
        Endpoint(address=TcpAddress(host="127.0.0.1", port=8101)),
        Endpoint(address=UnixAddress(path="/run/x"), weight=2, instance="generic2"),
        Endpoint(address=TcpAddress(host="h", port=80)),
    )
    assert upstream("{endpoints: 127.0.0.1:8101}").endpoints[0].source is not None


def test_passive_health_is_as_in_nginx_unless_it_is_said() -> None:
    plain, said, never = upstream(
        "{endpoints: [127.0.0.1:1, {address: 127.0.0.1:2, max_fails: 3, fail_timeout: 500ms}, "
        "{address: 127.0.0.1:3, max_fails: 0}]}"
    ).endpoints
    assert [(each.max_fails, each.fail_timeout) for each in (plain, said, never)] == [
        (1, 10),
        (3, 0.5),
        (0, 10),
    ]


@pytest.mark.parametrize(
    "written", ["max_fails: -1", "max_fails: many", "fail_timeout: 0s", "fail_timeout: 10"]
)
def test_passive_health_that_means_nothing(written: str) -> None:
    value = written.partition(": ")[2]
    assert marked(table(f"{{endpoints: [{{address: 127.0.0.1:8101, {written}}}]}}"), "S011") == value


def test_an_endpoint_may_have_a_bound_and_an_upstream_a_queue() -> None:
    read = upstream("{queue: {size: 0, timeout: 5s}, endpoints: [{address: 'h:80', max_requests: 50}, h:81]}")
    assert [each.max_requests for each in read.endpoints] == [50, None]
    assert (read.queue_size, read.queue_timeout) == (0, 5.0)
    assert upstream("{queue: {}, endpoints: [h:80]}").queue_size is None


@pytest.mark.parametrize(
    ("written", "code", "caret"),
    [
        ("{endpoints: [{address: h:80, max_requests: 0}]}", "S011", "0"),
        ("{queue: 5, endpoints: [h:80]}", "S009", "5"),
        ("{queue: {size: -1}, endpoints: [h:80]}", "S011", "-1"),
        ("{queue: {timeout: 5}, endpoints: [h:80]}", "S011", "5"),
        ("{queue: {length: 5}, endpoints: [h:80]}", "S008", "length"),
    ],
)
def test_a_bound_or_a_queue_that_is_none(written: str, code: str, caret: str) -> None:
    assert marked(table(written), code) == caret


def test_no_bound_is_written_by_leaving_it_out_and_not_as_nginx_does() -> None:
    assert "leave it out" in fix(table("{endpoints: [{address: h:80, max_requests: 0}]}"), "S011")


def test_endpoints_that_dns_finds_are_kept_as_written() -> None:
    read = upstream("{endpoints: ['dns:_http._tcp.synapse', {address: 'dns:worker:8008', weight: 2}]}")
    assert read.endpoints == (
        Endpoint(address=DnsAddress(name="_http._tcp.synapse")),
        Endpoint(address=DnsAddress(name="worker", port=8008), weight=2),
    )


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("dns:worker", "write `dns:worker:8008`"),
        ("dns:127.0.0.1:8101", "write `127.0.0.1:8101`"),
        ("dns:127.0.0.1", "write `127.0.0.1:8008`"),
        ("dns:8008", "write `dns:synapse.example:8008`"),
        ("dns:_http", "for SRV records"),
        ("dns:a b:1", "for SRV records"),
    ],
)
def test_what_to_write_for_dns(written: str, words: str) -> None:
    assert words in fix(table(f"{{endpoints: ['{written}']}}"), "S013")


@pytest.mark.parametrize(
    ("written", "kind", "key"),
    [
        ("", PolicyKind.ROUND_ROBIN, None),
        ("policy: round_robin, ", PolicyKind.ROUND_ROBIN, None),
        ("policy: ip_hash, ", PolicyKind.IP_HASH, None),
        ("policy: consistent_hash, key: user, ", PolicyKind.CONSISTENT_HASH, HashKey(kind="user")),
        ("policy: consistent_hash, key: room, ", PolicyKind.CONSISTENT_HASH, HashKey(kind="room")),
        ("policy: consistent_hash, key: origin, ", PolicyKind.CONSISTENT_HASH, HashKey(kind="origin")),
        (
            "policy: consistent_hash, key: {header: Authorization}, ",
            PolicyKind.CONSISTENT_HASH,
            HashKey(kind="header", name="authorization"),
        ),
    ],
)
def test_policies(written: str, kind: PolicyKind, key: HashKey | None) -> None:
    policy = upstream(f"{{{written}{TWO}}}").policy
    assert (policy.kind, policy.keys) == (kind, (key,) if key else ())


@pytest.mark.parametrize(
    ("written", "code", "caret"),
    [
        ("", "W201", "u"),
        ("{}", "W201", "u"),
        ("{endpoints: []}", "W201", "u"),
        ("5", "S009", "5"),
        ("[127.0.0.1:8101]", "S009", "[127.0.0.1:8101]"),
        ("{endpoints: {a: 1}}", "S009", "{a: 1}"),
        ("{endpoints: [[a:1]]}", "S009", "[a:1]"),
        ("{endpoints: [8101]}", "S013", "8101"),
        ("{endpoints: [h:0]}", "S013", "h:0"),
        ("{endpoints: [{weight: 2}]}", "S010", "{weight: 2}"),
        ("{endpoints: [{address: h:1, weight: 0}]}", "S011", "0"),
        ("{endpoints: [{address: h:1, weight: 257}]}", "S011", "257"),
        ("{endpoints: [{address: h:1, instance: a b}]}", "S014", "a b"),
        ("{endpoints: [h:1, h:1]}", "W203", "h:1"),
        (f"{{policy: least_con, {TWO}}}", "S012", "least_con"),
        (f"{{policy: hash, {TWO}}}", "W204", "hash"),
        (f"{{policy: least_conn, key: user, {TWO}}}", "W204", "user"),
        (f"{{policy: hash, key: [user, {{cookie: 'a b'}}], {TWO}}}", "S014", "'a b'"),
        (f"{{policy: hash, key: [], {TWO}}}", "S010", "[]"),
        (f"{{policy: hash, key: {{fact: ip}}, {TWO}}}", "S012", "ip"),
        (f"{{policy: hash, key: {{header: a, cookie: b}}, {TWO}}}", "S012", "{header: a, cookie: b}"),
        (f"{{policy: hash, key: {{header: a, pattern: 'b'}}, {TWO}}}", "W204", "'b'"),
        (f"{{policy: hash, key: {{header: a, pattern: '(b'}}, {TWO}}}", "R101", "(b"),
        (f"{{policy: hash, key: {{capture: '0x'}}, {TWO}}}", "S014", "'0x'"),
        ("{endpoints: [{address: h:1, down: true}]}", "W222", "u"),
        ("{endpoints: [{address: h:1, backup: true}]}", "W222", "u"),
        ("{policy: ip_hash, endpoints: [h:1, {address: h:2, backup: true}]}", "W223", "h:2"),
        ("{endpoints: [h:1, {address: h:2, down: maybe}]}", "S011", "maybe"),
        (f"{{policy: consistent_hash, {TWO}}}", "W204", "consistent_hash"),
        (f"{{policy: ip_hash, key: user, {TWO}}}", "W204", "user"),
        (f"{{key: user, {TWO}}}", "W204", "user"),
        (f"{{policy: consistent_hash, key: ip, {TWO}}}", "S012", "ip"),
        (f"{{policy: consistent_hash, key: rooms, {TWO}}}", "S012", "rooms"),
        (f"{{policy: consistent_hash, key: Origin, {TWO}}}", "S012", "Origin"),
        (f"{{policy: consistent_hash, key: {{room: x}}, {TWO}}}", "S008", "room"),
        (f"{{policy: round_robin, key: room, {TWO}}}", "W204", "room"),
        (f"{{policy: ip_hash, key: origin, {TWO}}}", "W204", "origin"),
        (f"{{policy: consistent_hash, key: header, {TWO}}}", "S010", "header"),
        (f"{{policy: consistent_hash, key: {{}}, {TWO}}}", "S010", "{}"),
        (f"{{policy: consistent_hash, key: {{header: 'a b'}}, {TWO}}}", "S014", "'a b'"),
        ("{endpoints: [127.0.0.1:9093]}", "H301", "127.0.0.1:9093"),
        ("{endpoints: [{address: '127.1:9999'}]}", "H301", "'127.1:9999'"),
        ("{policy: typo, endpoints: ['[::1]:9000']}", "H301", "'[::1]:9000'"),
        ("{endpoints: [127.0.0.1:8080]}", "W205", "127.0.0.1:8080"),
        ("{endpoints: [localhost:8081]}", "W205", "localhost:8081"),
        ("{endpoints: ['dns:synapse']}", "S013", "'dns:synapse'"),
        ("{endpoints: ['dns:_http._tcp.synapse:8008']}", "S013", "'dns:_http._tcp.synapse:8008'"),
        ("{endpoints: ['dns:a..b:8008']}", "S013", "'dns:a..b:8008'"),
        ("{endpoints: ['dns:synapse:9093']}", "H301", "'dns:synapse:9093'"),
        ("{endpoints: ['dns:synapse:8008', 'dns:synapse:8008']}", "W203", "'dns:synapse:8008'"),
        ("{endpoints: [{address: 'dns:synapse:8008', instance: generic1}]}", "W214", "generic1"),
        ("{endpoints: [{address: 'dns:_http._tcp.synapse', weight: 2}]}", "W214", "2"),
        ("{endpoints: [{address: 'dns:_http._tcp.synapse', instance: main}]}", "W214", "main"),
    ],
)
def test_what_is_wrong_is_marked(written: str, code: str, caret: str) -> None:
    assert marked(table(written), code) == caret


@pytest.mark.parametrize(
    "written",
    [
        "{endpoints: [127.0.0.1:8999]}",
        "{endpoints: [127.0.0.1:10000]}",
        "{endpoints: [10.0.0.1:8080]}",
        "{endpoints: 'dns:synapse:8080'}",
        "{endpoints: [{address: 'dns:synapse:8008', weight: 2}, 'dns:synapse:8009', synapse:8008]}",
        "{endpoints: [{address: 'dns:_http._tcp.synapse'}]}",
    ],
)
def test_near_misses_are_clean(written: str) -> None:
    assert places(table(written)) == []


@pytest.mark.parametrize("bad", ["'-'", "a b", "'a/b'", "é", "x" * 65])
def test_a_name_is_one_word(bad: str) -> None:
    text = f"upstreams:\n  {bad}: {{endpoints: [h:1]}}\nroutes: [{{path: '^/', upstream: {bad}}}]\n"
    assert "S014 2:3" in places(text)


def test_an_upstream_without_a_route_is_a_warning_and_still_served() -> None:
    loaded = load_bytes(
        b"upstreams: {u: {endpoints: [h:1]}, v: {endpoints: [h:2]}}\nroutes: [{path: '^/', upstream: u}]\n"
    )
    assert [one.code for one in loaded.findings] == ["W202"]
    assert loaded.config is not None
