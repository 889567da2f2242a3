from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from router.config.codes import Severity
from router.config.findings import Finding
from router.config.lint import lint
from router.config.loader import load, load_bytes
from router.local.credentials import Credentials
from router.local.layout import Layout
from router.local.synapse import write_config

ROOT = Path(__file__).parents[2]
HEAD = "upstreams: {main: {endpoints: [h:1]}, w: {endpoints: [h:2]}}\n"


def found(*routes: str, head: str = HEAD, seconds: float = 0.0) -> list[Finding]:
    text = head + "routes:\n" + "".join(f"  - {route}\n" for route in routes)
    ticks = count()
    return list(lint(load_bytes(text.encode()), clock=lambda: next(ticks) * seconds))


def summary(*routes: str, head: str = HEAD) -> list[str]:
    return [
        f"{one.severity.value[0]} {one.code} {one.source.line}"
        for one in found(*routes, head=head)
        if one.source
    ]


MAIN = "{path: '^/', upstream: main}"


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        (["{path: '^/a$', upstream: w}", MAIN], []),
        (["{path: '^/a/', upstream: w}", "{path: '^/a/b', upstream: main}", MAIN], ["e R110 4"]),
        (["{path: '^/a/', upstream: w}", "{path: '^/a/b', upstream: w}", MAIN], ["w R110 4"]),
        (["{path: '^/a/', upstream: w}", "{path: '^/a/b', upstream: w, max_body: 1MB}", MAIN], ["e R110 4"]),
        (
            ["{path: '^/a/', upstream: w, match: normalised}", "{path: '^/a/b', upstream: main}", MAIN],
            ["w R111 4"],
        ),
        (["{path: ['^/a', '^/ab'], upstream: w}", MAIN], ["w R110 3"]),
        (["{path: '/a$', upstream: w}", MAIN], ["w R112 3"]),
        (["{path: '/', upstream: w}"], []),
        (["{path: '^/a|/b', upstream: w}", MAIN], ["w R112 3"]),
        ([MAIN, "{path: '^/a', upstream: w}", "{path: '^/b', upstream: w}"], ["e R113 3"]),
        (["{path: '^/', methods: [GET], upstream: w}", MAIN], []),
        (["{path: '^/a b', upstream: w}", MAIN], ["e R115 3"]),
        (["{path: '^/a b', upstream: w, match: normalised}", MAIN], []),
        (["{path: '^//a', upstream: w, match: normalised}", MAIN], ["e R115 3"]),
        (["{path: '^a', upstream: w}", MAIN], ["e R115 3"]),
        (["{path: '^/a%2Fb', upstream: w, match: normalised}", MAIN], ["w R115 3"]),
        (["{path: '^/a%2Fb', upstream: w}", MAIN], []),
        (["{path: '^/_synapse/admin/', upstream: main}", MAIN], ["w R116 3"]),
        (["{path: '^/_synapse/(admin|mas)/v1', upstream: main}", MAIN], ["w R116 3"]),
        (["{path: '^/_synapse/admin', upstream: main}", MAIN], []),
        (["{path: '^/_synapse/', upstream: main}", MAIN], []),
        (["{path: '^/_synapse/replication/', upstream: main}", MAIN], ["w R116 3"]),
        ([r"{path: '^/a\b', upstream: w}", MAIN], []),
    ],
)
def test_each_kind_with_a_hit_and_a_near_miss(routes: list[str], expected: list[str]) -> None:
    assert summary(*routes) == expected


def test_what_the_file_opens_is_not_called_closed() -> None:
    route = "{path: '^/_synapse/admin/', upstream: main}"
    assert summary(route, MAIN, head=HEAD[:-1] + "\nguard: {open: [/_synapse/admin]}\n") == []
    assert "open: [/_synapse/admin]" in found(route, MAIN)[0].fix
    assert "never" in found("{path: '^/_synapse/replication/x', upstream: main}", MAIN)[0].fix


@pytest.mark.parametrize(
    ("path", "fix"),
    [
        (r"'^/k?\?x=1'", "end the pattern before the `?`, and write `query: {x: present}`"),
        (r"'^/k[?]since='", "end the pattern before the `?`, and write `query: {since: present}`"),
        (r"'^/k\?'", "end the pattern before the `?`, and write `query: {NAME: present}`"),
        (r"'^/k\\?a b'", "write `match: normalised` for this route, or the path as it is in a raw one"),
        (r"'^/k b'", "write `match: normalised` for this route, or the path as it is in a raw one"),
    ],
)
def test_a_query_in_a_pattern_is_told_where_it_belongs(path: str, fix: str) -> None:
    (finding,) = found(f"{{path: {path}, upstream: w}}", MAIN)
    assert (finding.code, finding.fix) == ("R115", fix)
    assert ("query" in finding.why) == ("query" in fix)


def test_a_shadowed_route_has_a_witness_and_the_winner() -> None:
    (finding,) = found(
        "{name: prefix, path: '^/_matrix/client/(r0|v3)/', methods: [GET], upstream: main}",
        "{name: sync, path: '^/_matrix/client/(r0|v3)/sync$', methods: [GET], upstream: w}",
        MAIN,
    )
    assert finding.message == "`sync` can never win: `prefix` takes every request that it matches"
    assert finding.witness == "GET /_matrix/client/r0/sync  ->  main"
    assert [(one.source.line, one.note) for one in finding.related] == [(3, "`prefix`")]
    assert finding.fix == "move it before `prefix`, or remove it"


def test_a_route_behind_a_refusal_says_so() -> None:
    (finding,) = found("{name: no, path: '^/a', refuse: {}}", "{path: '^/a/b', upstream: w}", MAIN)
    assert finding.witness == "GET /a/b  ->  refused by `no`"


def test_all_routes_behind_one_that_takes_everything_are_one_finding() -> None:
    (finding,) = found(MAIN, *(f"{{name: r{n}, path: '^/{n}$', upstream: w}}" for n in range(5)))
    assert [one.note for one in finding.related] == [f"`r{n}` never gets a request" for n in range(3)]
    assert finding.witness == "GET /0  ->  main"


@pytest.mark.parametrize(("seconds", "codes"), [(0.0021, ["R117"]), (0.002, []), (0.0, [])])
def test_a_hostile_path_that_takes_long(seconds: float, codes: list[str]) -> None:
    findings = found("{path: '^/x/.*/a$', upstream: w}", MAIN, seconds=seconds)
    assert [one.code for one in findings] == codes
    if findings:
        assert findings[0].witness.endswith("(8177 bytes)")
        assert "2.1 ms" in findings[0].message


def test_routes_that_could_be_read_are_looked_at_in_a_file_that_does_not_load() -> None:
    text = HEAD + "routes:\n  - {path: '(', upstream: w}\n  - {path: 'b$', upstream: w}\n"
    loaded = load_bytes(text.encode())
    assert loaded.config is None
    assert [one.code for one in lint(loaded, clock=lambda: 0.0)] == ["R112"]


def test_the_shipped_table_is_clean() -> None:
    loaded = load("routes.yaml")
    assert loaded.findings == ()
    assert lint(loaded, clock=lambda: 0.0) == ()


def test_the_smallest_table_is_clean() -> None:
    assert found(MAIN) == []


def test_no_finding_is_without_words() -> None:
    every = found(
        "{path: 'a$', upstream: w}",
        "{path: '^/a b', upstream: w}",
        "{path: '^/_synapse/mas/x', upstream: w}",
        MAIN,
        MAIN,
    )
    assert len(every) == 4
    for finding in every:
        assert finding.message
        assert finding.why
        assert finding.fix
        assert finding.severity in Severity


def shipped_with(folder: Path, *changes: tuple[str, str]) -> list[str]:
    """The findings on the shipped table before the reference deployment's files, with texts replaced."""
    layout = Layout.standard(folder)
    layout.config.mkdir()
    layout.data.mkdir()
    write_config(layout, Credentials.kept_in(layout.data / "credentials.json"))
    text = (ROOT / "routes.yaml").read_text(encoding="utf-8")
    text += f"synapse: {{homeserver: {layout.config}/homeserver.yaml, workers: {layout.config}/workers}}\n"
    files = {None: text} | {path: path.read_text(encoding="utf-8") for path in layout.config.rglob("*.yaml")}
    for before, after in changes:
        assert any(before in content for content in files.values()), before
        files = {path: content.replace(before, after) for path, content in files.items()}
    for path, content in files.items():
        if path is not None:
            path.write_text(content, encoding="utf-8")
    loaded = load_bytes(files[None].encode())
    return [finding.code for finding in (*loaded.findings, *lint(loaded))]


def test_what_cannot_be_read_is_not_compared(tmp_path: Path) -> None:
    assert shipped_with(tmp_path, ("server_name: localhost", "server_name: [")) == ["H307"]


def test_the_shipped_table_agrees_with_the_files_of_the_reference_deployment(tmp_path: Path) -> None:
    assert shipped_with(tmp_path) == []


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("instance: generic1", "instance: generic9", "W206"),
        (
            "{address: 127.0.0.1:8102, instance: generic2}",
            "{address: 127.0.0.1:8102, instance: generic3}",
            "W207",
        ),
        ("address: 127.0.0.1:8103, ", "address: 127.0.0.1:8104, ", "W208"),
        ("port: 8112", "port: 8999", "W208"),
        ("[client, federation]", "[health]", "W209"),
        ("x_forwarded: true", "tls: true", "W210"),
        ("  receipts: [receipts_writer]", "  receipts: [events_persister1]", "W211"),
        (
            "address: 127.0.0.1:8112, instance: receipts_writer",
            "address: 127.0.0.1:8008, instance: main",
            "W211",
        ),
        (
            "address: 127.0.0.1:8101, instance: generic1",
            "address: 127.0.0.1:8112, instance: receipts_writer",
            "W213",
        ),
        ("address: 127.0.0.1:8008, instance: main", "address: 127.0.0.1:8101, instance: generic1", "W212"),
        ("address: 127.0.0.1:8008, instance: main", "address: 127.0.0.1:9112", "H301"),
        ("names: [replication]", "names: [client, replication]", "H310"),
        ("x_forwarded: true", "x_forwarded: false", "H309"),
    ],
)
def test_each_contradiction_is_found(tmp_path: Path, before: str, after: str, code: str) -> None:
    assert code in shipped_with(tmp_path, (before, after))
