"""What is concluded from Synapse's logs, and that a real deployment's logs can be read so."""

from __future__ import annotations

import urllib.request
from dataclasses import replace

import pytest

from router.local.deployment import Deployment
from tests.evidence import Chapter, Evidence, ServedTable
from tests.synapse_log import Served

SYNC = "/_matrix/client/v3/sync?since="
TYPING = "/_matrix/client/v3/rooms/!a:b/typing/@al:b"


def served(
    process: str, target: str, *, method: str = "GET", status: int = 200, strange: bool = False
) -> Served:
    return Served(
        process=process,
        listener="replication" if "/replication/" in target else "client",
        user="@al:b",
        method=method,
        target=target,
        status=status,
        unrecognized=strange,
    )


@pytest.fixture
def table(deployment: Deployment) -> ServedTable:
    return ServedTable(deployment.layout)


@pytest.mark.parametrize("process", ["generic1", "generic2", "generic3"])
def test_any_process_of_the_group_is_right(table: ServedTable, process: str) -> None:
    assert Chapter("x", (served(process, SYNC),), table).misplaced() == []


@pytest.mark.parametrize(
    "wrong",
    [
        served("main", SYNC),
        served("generic1", TYPING, method="PUT"),
        served("main", "/_synapse/admin/v1/server_version"),
        served("main", "/elsewhere"),
    ],
    ids=str,
)
def test_a_process_that_the_table_does_not_name_is_told(table: ServedTable, wrong: Served) -> None:
    right = served("receipts_writer", TYPING, method="PUT")
    (line,) = Chapter("x", (right, wrong), table).misplaced()
    assert line.startswith(f"{wrong.process}: ")


def test_a_process_that_cannot_serve_what_it_was_asked_is_told(table: ServedTable) -> None:
    fine = [served("main", SYNC, status=404), served("main", SYNC, status=403)]
    wrong = [served("main", SYNC, status=404, strange=True), served("main", SYNC, status=500)]
    inside = served("main", "/_synapse/replication/x", status=404, strange=True)
    assert Chapter("x", (*fine, *wrong, inside), table).misrouted() == [str(wrong[0]), str(wrong[1])]


def test_a_chapter_is_printed_process_by_process(table: ServedTable) -> None:
    requests = (
        served("generic1", SYNC),
        served("generic1", SYNC),
        served("receipts_writer", TYPING, method="PUT", status=403),
        served("main", "/_synapse/replication/x"),
    )
    assert list(
        Chapter("Two users", requests, table, 1.25).lines(["main", "generic1", "receipts_writer"])
    ) == [
        "Two users: 3 requests in 1.2 s",
        "  main                  0  -  [replication 1]",
        "  generic1              2  sync 2",
        "  receipts_writer       1  typing 1 (403: 1)",
        "    /sync on generic1: @al 2",
    ]


def test_a_servers_transactions_are_counted_by_process(table: ServedTable) -> None:
    sent = "/_matrix/federation/v1/send/1700000000000"
    requests = [
        replace(served(process, sent, method="PUT"), user=origin)
        for process, origin in (("generic1", "a.org"), ("generic1", "a.org"), ("generic2", "b.org"))
    ]
    chapter = Chapter("x", (*requests, served("generic3", SYNC)), table)
    assert chapter.transactions() == {"a.org": {"generic1": 2}, "b.org": {"generic2": 1}}
    assert list(chapter.lines([]))[2:] == [
        "    /send/ of a.org: generic1 2",
        "    /send/ of b.org: generic2 1",
    ]


def test_the_table_has_one_worker_for_each_server(table: ServedTable) -> None:
    names = [f"{number}.org" for number in range(40)]
    assert {table.origin_worker(name) for name in names} == {"generic1", "generic2", "generic3"}
    assert [table.origin_worker(name) for name in names] == [table.origin_worker(name) for name in names]


def test_a_chapter_has_what_the_real_processes_wrote(deployment: Deployment) -> None:
    evidence = Evidence(deployment)
    with urllib.request.urlopen(f"{deployment.layout.base_url}/_matrix/client/versions") as answer:
        assert answer.status == 200
    first, second = evidence.chapter("first"), evidence.chapter("second")

    assert [s.shape for s in first.of_clients()] == ["GET /_matrix/client/versions"]
    assert first.processes("client_info").total() == 1
    assert (first.misplaced(), first.misrouted()) == ([], [])
    assert second.served == ()
