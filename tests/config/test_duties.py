from __future__ import annotations

import dataclasses

import pytest

from router.config.agreement import Known
from router.config.duties import judge_duties
from router.config.findings import Finding, Findings
from router.errors import Source
from router.routing.snapshot import Snapshot
from router.synapse.catalogue import Catalogue, CataloguedEndpoint
from router.synapse.deployment import Deployment, Instance, Writers
from router.synapse.listener import Listener
from router.table import Route, RouteTable, TcpAddress
from tests.routing.tables import route, upstream

PORTS = {"main": 8008, "generic1": 8101, "generic2": 8102, "writer1": 8112, "writer2": 8113}


def instance(name: str, port: int) -> Instance:
    source = Source(file="s.yaml", line=port)
    address = TcpAddress(host="127.0.0.1", port=port)
    listener = Listener(addresses=(address,), kind="http", source=source, resources=frozenset({"client"}))
    return Instance(name=name, app="", listeners=(listener,), source=source)


DEPLOYMENT = Deployment(
    instances=tuple(instance(name, port) for name, port in PORTS.items()),
    stream_writers={
        "receipts": Writers(names=frozenset({"writer1", "writer2"}), source=Source(file="h.yaml", line=88)),
        "typing": Writers(names=frozenset({"writer1"}), source=Source(file="h.yaml", line=89)),
    },
    has_workers=True,
)


def asked(method: str, target: str, served_by: str, stream: str = "") -> CataloguedEndpoint:
    return CataloguedEndpoint(
        method=method,
        pattern=".",
        servlet="S",
        target=target,
        stream=stream,
        served_by=frozenset(served_by.split()),
    )


RECEIPT = asked("POST", "/receipt/1", "writer", "receipts")
TYPING = asked("PUT", "/typing/1", "writer", "typing")
PUSH = asked("PUT", "/push/1", "writer", "push_rules")
ACCOUNT = asked("PUT", "/account/1", "writer main", "account_data")
ALSO_MAIN = asked("PUT", "/typing/2", "writer main", "typing")
LOGOUT = asked("POST", "/logout", "main")
SYNC = asked("GET", "/sync", "main worker")
MEDIA = asked("GET", "/media", "main media")
WORKERS_ONLY = asked("GET", "/only", "worker")
NOBODY = asked("GET", "/nobody", "")


def judged(
    *routes: Route,
    ask: CataloguedEndpoint | tuple[CataloguedEndpoint, ...],
    deployment: Deployment = DEPLOYMENT,
) -> list[Finding]:
    table = RouteTable(
        routes=routes,
        upstreams={
            "main": upstream("main", 8008),
            "generic": upstream("generic", 8101, 8102),
            "writers": upstream("writers", 8112, 8113),
            "writer1": upstream("writer1", 8112),
            "mixed": upstream("mixed", 8008, 8101),
            "elsewhere": upstream("elsewhere", 9),
        },
    )
    findings = Findings()
    catalogue = Catalogue(synapse="1", endpoints=ask if isinstance(ask, tuple) else (ask,))
    judge_duties(Snapshot.build(table), Known(deployment), catalogue, findings)
    return list(findings)


ANYTHING = "^/"
SERVED = [
    ("writers", RECEIPT), ("writer1", RECEIPT), ("writer1", TYPING), ("main", PUSH), ("main", ACCOUNT),
    ("main", ALSO_MAIN), ("writer1", ALSO_MAIN),
    ("main", LOGOUT), ("mixed", SYNC), ("generic", SYNC), ("generic", MEDIA), ("writer1", MEDIA),
    ("generic", WORKERS_ONLY), ("main", WORKERS_ONLY), ("generic", NOBODY), ("main", NOBODY),
    ("elsewhere", LOGOUT), ("elsewhere", RECEIPT),
]  # fmt: skip


@pytest.mark.parametrize(("to", "ask"), SERVED)
def test_what_can_serve_a_request_has_no_finding(to: str, ask: CataloguedEndpoint) -> None:
    assert judged(route(ANYTHING, to), ask=ask) == []


MISLED = [
    ("generic", RECEIPT, "W211", ["generic1", "generic2"]),
    ("main", RECEIPT, "W211", ["main"]),
    ("mixed", RECEIPT, "W211", ["main", "generic1"]),
    ("writers", TYPING, "W211", ["writer2"]),
    ("generic", PUSH, "W211", ["generic1", "generic2"]),
    ("generic", ACCOUNT, "W211", ["generic1", "generic2"]),
    ("generic", LOGOUT, "W212", ["generic1", "generic2"]),
    ("mixed", LOGOUT, "W212", ["generic1"]),
    ("writer1", LOGOUT, "W212", ["writer1"]),
]


@pytest.mark.parametrize(("to", "ask", "code", "instances"), MISLED)
def test_what_cannot_has_one_with_a_request_that_shows_it(
    to: str, ask: CataloguedEndpoint, code: str, instances: list[str]
) -> None:
    (finding,) = judged(route(ANYTHING, to, name="r", line=7), ask=ask)
    assert finding.code == code
    assert " to " + ", ".join(f"`{name}`" for name in instances) in finding.message
    (first, *_) = instances
    assert finding.witness == f"{ask.method} {ask.target}  ->  127.0.0.1:{PORTS[first]} ({first})"
    assert finding.source == Source(file="routes.yaml", line=7)
    assert finding.fix


def test_of_many_processes_the_first_are_named() -> None:
    routed = upstream("many", 8101, 8102, 8112, 8113)
    table = RouteTable(routes=(route(ANYTHING, "many"),), upstreams={"many": routed})
    findings = Findings()
    catalogue = Catalogue(synapse="1", endpoints=(LOGOUT,))
    judge_duties(Snapshot.build(table), Known(DEPLOYMENT), catalogue, findings)
    (finding,) = findings
    assert "to `generic1`, `generic2`, `writer1` and 1 more that only main can serve" in finding.message


def limited(*resources: str) -> Deployment:
    """Only generic1, with these resources."""
    (listener,) = instance("generic1", 8101).listeners
    only = dataclasses.replace(listener, resources=frozenset(resources))
    return Deployment(
        instances=(dataclasses.replace(instance("generic1", 8101), listeners=(only,)),), has_workers=True
    )


RESOURCES = [
    ("/_matrix/client/v3/sync", ["client"], ["federation", "keys", "media", "openid"]),
    ("/_matrix/client/v1/media/config", ["client", "media"], ["federation", "keys"]),
    ("/_synapse/client/pick_idp", ["client"], ["federation"]),
    ("/_matrix/federation/v1/version", ["federation"], ["client", "keys", "media", "openid"]),
    ("/_matrix/federation/v1/openid/userinfo", ["federation", "openid"], ["client", "keys"]),
    ("/_matrix/federation/v1/media/download/x", ["federation", "media"], ["client"]),
    ("/_matrix/key/v2/server", ["federation", "keys"], ["client", "media"]),
    ("/_matrix/media/v3/config", ["media"], ["client", "federation", "keys"]),
    ("/elsewhere", ["client", "keys"], []),
]


@pytest.mark.parametrize(("target", "enough", "not_enough"), RESOURCES)
def test_a_listener_must_have_the_resource(target: str, enough: list[str], not_enough: list[str]) -> None:
    asked_for = asked("GET", target, "main worker")
    for names in ([name] for name in enough):
        assert judged(route(ANYTHING, "generic"), ask=asked_for, deployment=limited(*names)) == []
    for name in not_enough:
        (finding,) = judged(route(ANYTHING, "generic"), ask=asked_for, deployment=limited(name))
        assert finding.code == "W213"
        assert finding.message.endswith(f"has only {name}")
        assert finding.witness == f"GET {target}  ->  127.0.0.1:8101 (generic1)"
        with_modules = limited(name, "additional")
        assert judged(route(ANYTHING, "generic"), ask=asked_for, deployment=with_modules) == []


def test_main_has_the_media_repository_with_any_of_three_resources() -> None:
    media = asked("GET", "/_matrix/media/v3/config", "main media")
    source = instance("main", 8008)
    for names, count in ((["client"], 0), (["federation"], 0), (["media"], 0), (["keys"], 1)):
        listener = dataclasses.replace(source.listeners[0], resources=frozenset(names))
        main = Deployment(instances=(dataclasses.replace(source, listeners=(listener,)),))
        assert len(judged(route(ANYTHING, "main"), ask=media, deployment=main)) == count


def test_the_place_of_stream_writers_is_shown_where_there_is_one() -> None:
    (typing,) = judged(route(ANYTHING, "main"), ask=TYPING)
    assert [str(related.source) for related in typing.related] == ["h.yaml:89"]
    assert "writer1" in typing.fix
    push = judged(route(ANYTHING, "generic"), ask=PUSH)
    assert [finding.related for finding in push] == [()]
    assert "main" in push[0].fix


def test_many_requests_of_one_route_are_one_finding() -> None:
    more = asked("POST", "/receipt/2", "writer", "receipts")
    found = judged(route("^/receipt/", "main"), route(ANYTHING, "main", line=2), ask=(RECEIPT, more, TYPING))
    assert [(one.code, one.source and one.source.line) for one in found] == [("W211", 1), ("W211", 2)]
    assert found[0].witness == "POST /receipt/1  ->  127.0.0.1:8008 (main)"
    assert found[0].message.endswith("to `main` (2 kinds of request)")


def test_the_first_route_decides_and_what_the_router_answers_itself_reaches_nobody() -> None:
    assert judged(route("^/receipt/", "writers"), route(ANYTHING, "generic"), ask=RECEIPT) == []
    assert judged(route("^/other/", "generic"), ask=RECEIPT) == []
    closed = asked("GET", "/_synapse/admin/v1/x", "main")
    odd = asked("GET", "/a b", "main")
    assert judged(route(ANYTHING, "generic"), ask=(closed, odd)) == []
    assert len(judged(route(ANYTHING, "generic"), ask=asked("GET", "/_synapse/client/x", "main"))) == 1


def test_every_version_of_a_path_is_asked_for_and_no_path_without_its_id() -> None:
    sending = dataclasses.replace(
        asked("PUT", "/v3/send/x", "writer", "to_device"), pattern="^/(r0|v3|unstable)/send/(?P<type>[^/]*)$"
    )
    old = judged(route("^/(r0|unstable)/send/", "generic"), route(ANYTHING, "main"), ask=sending)
    assert [finding.witness for finding in old] == ["PUT /r0/send/xx  ->  127.0.0.1:8101 (generic1)"]
    assert "kinds of request" not in old[0].message
    assert judged(route("^/[^/]+/send/[^/]+$", "main"), route(ANYTHING, "generic"), ask=sending) == []
