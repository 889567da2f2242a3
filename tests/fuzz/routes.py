"""The target of routes.yaml: whatever is in the file, it is served or there are findings that say why not."""

from __future__ import annotations

import socket
from random import Random
from unittest import mock

from router.config.codes import CODES, Severity
from router.config.diagnostics import Renderer
from router.config.findings import Finding, in_file_order
from router.config.lint import lint
from router.config.loader import load_bytes
from router.request import RequestHead
from router.routing.decision import decide
from router.routing.snapshot import Snapshot
from router.upstream.state import EndpointStates
from tests.config.files import CLEAN
from tests.fuzz.engine import Target

ASKED = tuple(
    RequestHead(method=method, target=target)
    for method in ("GET", "OPTIONS")
    for target in (b"/", b"/x", b"/_matrix/client/v3/sync?since=s1", b"/_synapse/admin")
)
FILES = (
    CLEAN,
    """\
listen: [127.0.0.1:8080, '[::1]:8080', unix:/run/r.sock]
admin: {listen: 0.0.0.0:8081, public: true}
match: normalised
guard: {replication: [9000-9999, 10.0.0.5:18200, unix:/run/m.sock], open: [/_synapse/admin]}
limits: {request_line: 8KiB, headers: 16000, header_count: 100, body: 12.5MiB, media_body: 50MiB}
timeouts: {connect: 5s, first_byte: 10m, read: 500ms}
health: {path: /health, interval: 2s, timeout: 2s}
resolver: {servers: [10.0.0.2, 10.0.0.2:5353], timeout: 2s, attempts: 2, min_ttl: 1s}
access_log: off
drain_timeout: 30s
upstreams:
  main: {endpoints: [synapse:8008]}
  w: {policy: consistent_hash, key: {header: x}, endpoints: [{address: 127.0.0.1:8102, weight: 2}]}
  d: {policy: ip_hash, endpoints: ['dns:workers:8008', 'dns:_http._tcp.w.local', unix:/run/w.sock]}
routes:
  - {name: a, path: '^/x/(y|z)$', methods: [GET, PUT], query: {since: present, q: absent}, upstream: w}
  - {path: ['^/_matrix/', '^/z'], upstream: d, body: 1MiB}
  - {path: '^/', upstream: main}
""",
)


def check_routes(data: bytes, random: Random) -> None:
    """No exception; each finding has a code and words; without an error the table can decide."""
    assert random is not None
    with mock.patch.object(socket, "getaddrinfo", _nobody_knows):
        loaded = load_bytes(data, file="/nowhere/routes.yaml")
        findings = in_file_order((*loaded.findings, *lint(loaded, clock=lambda: 0.0)), loaded.document.file)
    assert (loaded.config is None) == any(one.severity is Severity.ERROR for one in loaded.findings)
    _check_findings(findings, loaded.document.lines)
    if loaded.config is not None:
        snapshot = Snapshot.build(loaded.config.table, loaded.config.settings.guard)
        for head in ASKED:
            decide(snapshot, head, EndpointStates(lambda: 0.0))


def _check_findings(findings: tuple[Finding, ...], lines: tuple[str, ...]) -> None:
    renderer = Renderer({"/nowhere/routes.yaml": lines}, colour=False)
    for finding in findings:
        assert finding.code in CODES
        assert finding.message
        assert renderer.full(finding)
        assert "\n" not in renderer.concise(finding)


def _nobody_knows(*_: object, **__: object) -> list[object]:
    raise socket.gaierror(socket.EAI_NONAME, "no such host")


KEYS = (
    *(
        "listen",
        "admin",
        "match",
        "guard",
        "synapse",
        "limits",
        "timeouts",
        "health",
        "resolver",
        "access_log",
    ),
    *("drain_timeout", "upstreams", "routes", "endpoints", "policy", "key", "weight", "instance", "address"),
    *("path", "upstream", "methods", "query", "name", "body", "replication", "open", "homeserver", "workers"),
)
TARGETS = (
    Target(
        name="routes-yaml",
        corpus=tuple(text.encode() for text in FILES),
        parts=(
            *(
                b"&a ",
                b"*a",
                b"<<: ",
                b"!!int ",
                b"|\n",
                b"---\n",
                b"? ",
                b": ",
                b"- ",
                b"[",
                b"]",
                b"{",
                b"}",
            ),
            *(
                b"'",
                b'"',
                b"\\",
                b"#",
                b"\n",
                b"  ",
                b"\t",
                b"~",
                b"on",
                b"0",
                b"-1",
                b"1e9",
                b"10s",
                b"8KiB",
                b"\x00",
            ),
            *(
                b"\xff",
                b"^/",
                b"$",
                b"(?i)",
                b"(a|b)*",
                b"\\d{1,9}",
                b"[^/]",
                b"(?=x)",
                b"127.0.0.1:8101",
                b"[::1]:1",
            ),
            *(b"unix:/x", b"dns:x:1", b"9000-9999", b"present", b"round_robin", b"ip_hash", b"main", b"w"),
            *(key.encode() + b": " for key in KEYS),
        ),
        check=check_routes,
    ),
)
