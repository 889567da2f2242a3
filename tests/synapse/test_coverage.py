from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from router.errors import ConfigError
from router.routing.snapshot import Snapshot
from router.synapse.catalogue import Catalogue, CataloguedEndpoint
from router.synapse.coverage import ROLES, Role, Verdict, judge, paths
from router.table import Endpoint, RouteTable, TcpAddress, Upstream
from tests.routing.tables import route

DEPLOY = Path(__file__).parents[2] / "deploy" / "synapse"
CLIENT = "^/_matrix/client/(r0|v3)"


def endpoint(
    pattern: str, served_by: str, *, method: str = "GET", stream: str = "", target: str = ""
) -> CataloguedEndpoint:
    return CataloguedEndpoint(
        method=method,
        pattern=pattern,
        servlet="Servlet",
        target=target or pattern.removeprefix("^").removesuffix("$").replace("(r0|v3)", "v3"),
        stream=stream,
        served_by=frozenset(served_by.split(",")),
    )


def instances(name: str, *names: str) -> Upstream:
    endpoints = tuple(
        Endpoint(address=TcpAddress(host="127.0.0.1", port=8100 + place), instance=each)
        for place, each in enumerate(names)
    )
    return Upstream(name=name, endpoints=endpoints)


UPSTREAMS = {
    "main": instances("main", "main"),
    "workers": instances("workers", "generic1", "generic2"),
    "receipts": instances("receipts", "receipts_writer"),
    "mixed": instances("mixed", "generic1", "receipts_writer"),
}


def verdicts(one: CataloguedEndpoint, *routes: tuple[str, str]) -> list[Verdict]:
    table = RouteTable(routes=tuple(route(path, to) for path, to in routes), upstreams=UPSTREAMS)
    catalogue = Catalogue(synapse="1", endpoints=(one,))
    return sorted({judged.verdict for judged in judge(Snapshot.build(table), catalogue)}, key=str)


@pytest.mark.parametrize(
    ("served_by", "stream", "upstream", "verdict"),
    [
        ("main,worker", "", "workers", Verdict.WORKER),
        ("main,worker", "", "main", Verdict.CHOICE),
        ("main", "", "main", Verdict.ONLY),
        ("main", "", "workers", Verdict.WRONG),
        ("worker", "", "main", Verdict.WRONG),
        ("media", "", "workers", Verdict.WORKER),
        ("media", "", "main", Verdict.CHOICE),
        ("writer", "receipts", "receipts", Verdict.WORKER),
        ("writer", "receipts", "workers", Verdict.WRONG),
        ("writer", "receipts", "main", Verdict.WRONG),
        ("writer", "receipts", "mixed", Verdict.WRONG),
        ("writer", "to_device", "main", Verdict.ONLY),
        ("writer", "to_device", "receipts", Verdict.WRONG),
    ],
)
def test_where_a_request_is_sent_against_who_can_serve_it(
    served_by: str, stream: str, upstream: str, verdict: Verdict
) -> None:
    one = endpoint(f"{CLIENT}/x$", served_by, stream=stream)
    assert verdicts(one, ("^/", upstream)) == [verdict]


@pytest.mark.parametrize(
    ("path", "upstream", "verdict"),
    [
        ("^/_matrix/federation/v1/x$", "workers", Verdict.WORKER),
        ("^/_matrix/federation/v1/x$", "receipts", Verdict.WRONG),
        ("^/_matrix/key/v2/x$", "receipts", Verdict.WRONG),
        ("^/_matrix/media/v3/x$", "workers", Verdict.WRONG),
        ("^/_matrix/media/v3/x$", "main", Verdict.ONLY),
        ("^/_matrix/client/v1/media/x$", "receipts", Verdict.WORKER),
    ],
)
def test_a_listener_serves_what_its_resources_are(path: str, upstream: str, verdict: Verdict) -> None:
    assert verdicts(endpoint(path, "main,worker,media"), ("^/", upstream)) == [verdict]


def test_what_no_route_takes_and_what_the_guard_closes_is_answered_here() -> None:
    for path in ("^/$", "^/_synapse/admin/v1/x$"):
        assert verdicts(endpoint(path, "main"), ("^/_", "main")) == [Verdict.CLOSED]


def test_one_method_or_one_word_that_goes_astray_is_seen() -> None:
    one = endpoint(f"{CLIENT}/x(/(?P<name>[^/]*))?$", "main", target="/_matrix/client/v3/x/1")
    assert verdicts(one, ("^/_matrix/client/v3", "main"), ("^/", "workers")) == [Verdict.ONLY, Verdict.WRONG]
    assert verdicts(one, ("/x/", "main"), ("^/", "workers")) == [Verdict.ONLY, Verdict.WRONG]
    assert verdicts(one, ("^/", "main")) == [Verdict.ONLY]


def test_an_instance_that_nobody_describes_is_said() -> None:
    table = RouteTable(routes=(route("^/", "x"),), upstreams={"x": instances("x", "generic9")})
    catalogue = Catalogue(synapse="1", endpoints=(endpoint("^/x$", "main"),))
    with pytest.raises(ConfigError, match=r"behind 127\.0\.0\.1:8100"):
        list(judge(Snapshot.build(table), catalogue))
    only = Role(kinds=frozenset({"main"}), resources=frozenset({"client"}))
    assert [one.verdict for one in judge(Snapshot.build(table), catalogue, {"generic9": only})] == [
        Verdict.ONLY
    ]


@pytest.mark.parametrize(
    ("pattern", "some"),
    [
        (f"{CLIENT}/a.b/x$", ["/_matrix/client/v3/a.b/x", "/_matrix/client/r0/a.b/x"]),
        (
            r"^/rooms/(?P<room_id>[^/]*)/(?P<what>join|leave)$",
            ["/rooms/xx/join", "/rooms/xx/leave", "/rooms//join", "/rooms//leave"],
        ),
        (r"^/keys(/(?P<a>[^/]+))?(/(?P<b>[^/]+))?/?$", ["/keys", "/keys/xx", "/keys/xx/xx/", "/keys/"]),
        (r"^/(?P<path>pushrules/.*)$", ["/pushrules/", "/pushrules/xx"]),
        (r"^/auth/(?P<stagetype>[\w\.]*)/web$", ["/auth/xx/web"]),
        (
            r"/media/(?P<media_id>[^/]*)(/(?P<file_name>[^/]*))?$",
            ["/media/xx/xx", "/media/xx", "/media/", "/media//"],
        ),
    ],
)
def test_requests_are_made_of_every_word_and_option(pattern: str, some: Sequence[str]) -> None:
    found = paths(endpoint(pattern, "main", target="/target?query=1"))
    assert found[0] == "/target"
    assert set(some) <= set(found)


def test_a_path_that_nobody_can_send_is_not_asked_for() -> None:
    assert paths(endpoint(r"^/a[\x00]$", "main", target="/a")) == ("/a",)


def test_the_reference_deployment_writes_every_stream_but_events_once() -> None:
    writers = [stream for role in ROLES.values() for stream in role.writes]
    assert sorted(writers) == [
        "account_data",
        "device_lists",
        "presence",
        "push_rules",
        "quarantined_media_changes",
        "receipts",
        "thread_subscriptions",
        "to_device",
        "typing",
    ]


def read(file: Path) -> dict[str, Any]:
    """A file of deploy/synapse, with `1` for each `${NAME}`."""
    text = re.sub(r"\$\{[a-z0-9_]+\}", "1", file.read_text(encoding="utf-8"))
    return dict(yaml.safe_load(text))


def resources(listeners: list[dict[str, Any]]) -> set[str]:
    named = [name for each in listeners for given in each.get("resources", []) for name in given["names"]]
    return set(named) & {"client", "federation", "media"}


def test_the_reference_deployment_is_that_of_the_committed_files() -> None:
    shared = read(DEPLOY / "homeserver.yaml")
    written = {"main": resources(shared["listeners"]) | {"media"}}
    for file in (DEPLOY / "workers").glob("*.yaml"):
        worker = read(file)
        written[worker["worker_name"]] = resources(worker["worker_listeners"])
    assert {name: found for name, found in written.items() if found} == {
        name: set(role.resources) for name, role in ROLES.items()
    }
    for stream, (writer,) in shared["stream_writers"].items():
        assert stream == "events" or stream in ROLES[writer].writes


def test_a_judgement_says_where_to_and_who_could() -> None:
    table = RouteTable(routes=(route("^/_", "workers", name="all"),), upstreams=UPSTREAMS)
    endpoints = (endpoint("^/_x$", "writer", stream="typing"), endpoint("^/y$", "main,worker"))
    told = [str(one) for one in judge(Snapshot.build(table), Catalogue(synapse="1", endpoints=endpoints))]
    assert told == [
        "GET /_x: to workers by all; served by writer of typing",
        "GET /y: answered here; served by main, worker",
    ]
