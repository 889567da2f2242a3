from __future__ import annotations

import warnings
from collections.abc import Mapping

import pytest
import yaml

from router.synapse.document import parse
from router.synapse.listener import Listener, ListenerReader, Problem, address_at
from router.table import TcpAddress, UnixAddress

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # Twisted warns of itself while it is imported
    from synapse.config._base import ConfigError
    from synapse.config.server import UnixListenerConfig, parse_listener_def


def listeners(text: str, *, worker: bool = False) -> tuple[tuple[Listener, ...], list[Problem]]:
    problems: list[Problem] = []
    root = parse(text.encode(), file="f")
    assert root is not None
    assert isinstance(root.content, Mapping)
    reader = ListenerReader(problems)
    return (reader.worker if worker else reader.main)(root.content), problems


def shown(listener: Listener) -> str:
    """One line for a listener: where, what is closed about it, what it serves, flags."""
    flags = "".join(flag for flag, is_set in (("x", listener.x_forwarded), ("t", listener.tls)) if is_set)
    where = " ".join(map(str, listener.addresses))
    return f"{where} | {listener.closed_as} | {','.join(sorted(listener.serves))} | {flags}"


SHAPES = [
    # addresses
    ("{port: 1, type: http}", "[::]:1 0.0.0.0:1 |  |  | "),
    ("{port: 1, type: http, bind_addresses: []}", "[::]:1 0.0.0.0:1 |  |  | "),
    ("{port: 1, type: http, bind_addresses: ['::1', 127.0.0.1]}", "[::1]:1 127.0.0.1:1 |  |  | "),
    ("{port: 1, type: http, bind_address: 10.0.0.5}", "10.0.0.5:1 |  |  | "),
    ("{port: 1, type: http, bind_addresses: [a], bind_address: b}", "a:1 b:1 |  |  | "),
    ("{port: 1, type: http, bind_addresses: ['', a]}", "0.0.0.0:1 a:1 |  |  | "),
    ("{port: 010, type: http, bind_address: a}", "a:8 |  |  | "),
    ("{path: /run/m.sock, type: http}", "unix:/run/m.sock |  |  | x"),
    ("{path: /run/m.sock, port: ~, type: http, mode: 0660}", "unix:/run/m.sock |  |  | x"),
    ("{port: 1, path: ~, bind_address: ~, type: http}", "[::]:1 0.0.0.0:1 |  |  | "),
    # what is closed
    ("{port: 1, type: metrics}", "0.0.0.0:1 | metrics |  | "),
    ("{port: 1, type: metrics, bind_address: '::1'}", "[::1]:1 | metrics |  | "),
    ("{port: 1, type: manhole, bind_address: '::1'}", "[::1]:1 | manhole |  | "),
    ("{port: 1, type: replication, bind_address: a}", "a:1 | replication |  | "),
    (
        "{port: 1, type: http, bind_address: a, resources: [{names: [replication]}]}",
        "a:1 | replication |  | ",
    ),
    ("{port: 1, type: http, bind_address: a, resources: [{names: [metrics]}]}", "a:1 | metrics |  | "),
    ("{path: /run/r, type: http, resources: [{names: [replication]}]}", "unix:/run/r | replication |  | x"),
    (
        "{port: 1, type: http, bind_address: a, resources: [{names: [client]}, {names: [replication]}]}",
        "a:1 | replication | client | ",
    ),
    (
        "{port: 1, type: http, bind_address: a, resources: [{names: [client, metrics]}]}",
        "a:1 | metrics | client | ",
    ),
    # what is open
    ("{port: 1, type: http, bind_address: a, resources: [{names: [health]}]}", "a:1 |  |  | "),
    (
        "{port: 1, type: http, bind_address: a, resources: [{names: [client, federation], compress: on}]}",
        "a:1 |  | client,federation | ",
    ),
    ("{port: 1, type: http, bind_address: a, additional_resources: {/x: {}}}", "a:1 |  | additional | "),
    ("{port: 1, type: http, bind_address: a, x_forwarded: true}", "a:1 |  |  | x"),
    ("{port: 1, type: http, bind_address: a, tls: true}", "a:1 |  |  | t"),
    ("{path: /run/m, type: http, x_forwarded: false}", "unix:/run/m |  |  | "),
]


@pytest.mark.parametrize("worker", [False, True])
@pytest.mark.parametrize(("written", "expected"), SHAPES)
def test_every_shape_of_a_listener(written: str, expected: str, *, worker: bool) -> None:
    key = "worker_listeners" if worker else "listeners"
    read, problems = listeners(f"{key}:\n- {written}\n", worker=worker)
    assert problems == []
    assert [shown(listener) for listener in read] == [expected]
    assert (read[0].source.file, read[0].source.line) == ("f", 2)


@pytest.mark.parametrize("written", [written for written, _ in SHAPES if "type: replication" not in written])
def test_synapse_itself_reads_it_alike(written: str) -> None:
    (ours,), _ = listeners(f"listeners:\n- {written}\n")
    theirs = parse_listener_def(0, yaml.safe_load(written))
    if isinstance(theirs, UnixListenerConfig):
        assert ours.addresses == (UnixAddress(path=theirs.path),)
    else:
        hosts = [host or "0.0.0.0" for host in theirs.bind_addresses]
        assert ours.addresses == tuple(TcpAddress(host=host, port=theirs.port) for host in hosts)
    assert (ours.kind, ours.tls) == (theirs.type, theirs.is_tls())
    if theirs.http_options is not None:
        assert ours.x_forwarded == theirs.http_options.x_forwarded
        names = {name for resource in theirs.http_options.resources for name in resource.names}
        assert ours.resources - {"additional"} == names - {"health"}


def test_synapse_no_longer_starts_with_direct_replication() -> None:
    with pytest.raises(ConfigError, match="direct TCP replication"):
        parse_listener_def(0, {"type": "replication", "port": 1})


OLDER = [
    ("manhole: 9000\n", ["127.0.0.1:9000 | manhole |  | "]),
    ("manhole: ~\n", []),
    ("manhole: 0\n", []),
    ("metrics_port: 9101\n", ["127.0.0.1:9101 | metrics |  | "]),
    ("metrics_port: 9101\nmetrics_bind_host: 0.0.0.0\n", ["0.0.0.0:9101 | metrics |  | "]),
    ("bind_port: 8448\n",
     ["0.0.0.0:8448 |  | client,federation | t", "0.0.0.0:8048 |  | client,federation | "]),
    ("bind_port: 8448\nunsecure_port: ~\nbind_host: a\n", ["a:8448 |  | client,federation | t"]),
    ("bind_port: 8448\nunsecure_port: 8008\nbind_host: a\n",
     ["a:8448 |  | client,federation | t", "a:8008 |  | client,federation | "]),
    ("bind_port: 300\nbind_host: a\nlisteners: [{port: 1, type: http}]\n",
     ["a:300 |  | client,federation | t"]),
    ("listeners:\n", []),
    ("worker_listeners: [{port: 1, type: http}]\nworker_manhole: 9001\n", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), OLDER)
def test_the_older_forms_of_main(text: str, expected: list[str]) -> None:
    read, problems = listeners(text)
    assert problems == []
    assert [shown(listener) for listener in read] == expected


def test_a_worker_has_a_manhole_of_its_own_and_none_of_mains() -> None:
    read, problems = listeners(
        "worker_manhole: 9001\nmanhole: 9000\nmetrics_port: 9101\nlisteners: [{port: 1, type: http}]\n",
        worker=True,
    )
    assert [shown(listener) for listener in read] == ["127.0.0.1:9001 | manhole |  | "]
    assert problems == []


MISSHAPEN = [
    ("listeners: {}\n", 1, "`listeners` is a list, not a mapping"),
    ("listeners: 8008\n", 1, "`listeners` is a list, not `8008`"),
    ("listeners:\n- 8008\n", 2, "a listener is a mapping, not `8008`"),
    ("listeners:\n- type: http\n", 2, "no `port` and no `path`"),
    ("listeners:\n- port: 1\n", 2, "`type` is http, metrics or manhole, not nothing"),
    ("listeners:\n- port: 1\n  type: htp\n", 3, "not `htp`"),
    ("listeners:\n- type: http\n  port: '8008'\n", 3, "`port` is a port, not a text"),
    ("listeners:\n- type: http\n  port: yes\n", 3, "`port` is a port, not `True`"),
    ("listeners:\n- type: http\n  port: 70000\n", 3, "`port` is a port, not `70000`"),
    ("listeners:\n- type: http\n  port: -1\n", 3, "`port` is a port, not `-1`"),
    ("listeners:\n- type: http\n  path: main.sock\n", 3, "absolute path"),
    ("listeners:\n- type: http\n  path: 5\n", 3, "absolute path"),
    ("listeners:\n- type: http\n  port: 1\n  bind_addresses: 127.0.0.1\n", 4, "`bind_addresses` is a list"),
    ("listeners:\n- type: http\n  port: 1\n  bind_addresses: [1]\n", 4, "each of `bind_addresses` is a word"),
    ("listeners:\n- type: http\n  port: 1\n  bind_address: [a]\n", 4, "`bind_address` is a word, not a list"),
    ("listeners:\n- type: http\n  port: 1\n  resources: {}\n", 4, "`resources` is a list"),
    ("listeners:\n- type: http\n  port: 1\n  resources: [client]\n", 4, "a resource is a mapping"),
    ("listeners:\n- type: http\n  port: 1\n  resources: [{names: client}]\n", 4, "`names` is a list"),
    ("manhole: yes\n", 1, "`manhole` is a port"),
    ("metrics_port: x\n", 1, "`metrics_port` is a port"),
    ("bind_port: {}\n", 1, "`bind_port` is a port"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "message"), MISSHAPEN)
def test_what_is_misshapen_is_told_with_its_line(text: str, line: int, message: str) -> None:
    _, problems = listeners(text)
    assert len(problems) == 1
    (problem,) = problems
    assert message in problem.message
    assert problem.source is not None
    assert (problem.source.file, problem.source.line) == ("f", line)
    assert problem.fix


def test_what_is_understood_of_a_misshapen_listener_still_counts() -> None:
    read, _ = listeners(
        "listeners:\n- {port: 1, type: http, bind_addresses: a, resources: [{names: [replication]}]}\n"
    )
    assert [shown(listener) for listener in read] == ["a:1 | replication |  | "]
    unknown, _ = listeners("listeners:\n- {port: 1, bind_address: a}\n")
    assert unknown[0].closed_as == "unknown", "it may be replication"


@pytest.mark.parametrize(
    ("host", "expected"), [("::1", "::1"), ("[::1]", "::1"), ("", "0.0.0.0"), ("db.example", "db.example")]
)
def test_a_host_is_written_in_one_way(host: str, expected: str) -> None:
    assert address_at(host, 1) == TcpAddress(host=expected, port=1)
