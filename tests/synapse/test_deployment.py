from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.errors import Source
from router.synapse.deployment import MAIN, Deployment, Pointer, read_deployment
from router.synapse.listener import ProblemKind
from tests.synapse.files import HOMESERVER, PERSISTER, WORKER, write

HERE = Source(file="routes.yaml", line=1)


def point(*paths: Path) -> list[Pointer]:
    return [Pointer(path=path, source=HERE) for path in paths]


def closed(deployment: Deployment) -> list[str]:
    return [f"{listener.address} {listener.reason}" for listener in deployment.closed]


def told(deployment: Deployment) -> list[tuple[ProblemKind, str]]:
    """The kind and place of every problem, the place without folders."""
    return [
        (problem.kind, f"{Path(problem.source.file).name}:{problem.source.line}" if problem.source else "")
        for problem in deployment.problems
    ]


def test_a_deployment_with_workers(tmp_path: Path) -> None:
    home = write(tmp_path / "homeserver.yaml", HOMESERVER)
    workers = tmp_path / "workers"
    write(workers / "b.yaml", PERSISTER)
    write(workers / "a.yaml", WORKER)
    write(workers / "README", "no: yaml")
    read = read_deployment(point(home), point(workers))
    assert read.problems == ()
    assert read.has_workers
    assert [instance.name for instance in read.instances] == [MAIN, "generic1", "persister"]
    assert [len(instance.client_listeners) for instance in read.instances] == [1, 1, 0]
    assert read.instances[1].source == Source(file=str(workers / "a.yaml"), line=2, column=14, length=8)
    assert closed(read) == [
        f"127.0.0.1:9093 is the replication listener of main ({home}:5)",
        f"0.0.0.0:19100 is the metrics listener of main ({home}:6)",
        f"127.0.0.1:19000 is the manhole listener of main ({home}:7)",
        f"unix:/run/synapse/persister.sock is the replication listener of persister ({workers}/b.yaml:4)",
        f"127.0.0.1:9093 is the replication listener of main ({home}:9)",
        f"unix:/run/synapse/persister.sock is the replication listener of persister ({home}:10)",
    ]
    assert read.writers("events") == {"persister"}
    assert read.writers("receipts") == {"persister", "generic1"}
    assert read.writers("typing") == {MAIN}
    assert read.stream_writers["events"].source.line == 12
    assert read.max_upload_size == 50 * 1024 * 1024


def test_a_later_file_replaces_whole_keys(tmp_path: Path) -> None:
    home = write(tmp_path / "homeserver.yaml", HOMESERVER)
    write(tmp_path / "conf.d" / "10.yaml", "max_upload_size: 1M\n")
    write(tmp_path / "conf.d" / "20.yaml", "listeners: [{port: 7000, type: metrics}]\nmax_upload_size: 2M\n")
    write(tmp_path / "conf.d" / "30.yml", "max_upload_size: 3M\n")
    write(tmp_path / "conf.d" / "sub.yaml" / "40.yaml", "max_upload_size: 4M\n")
    read = read_deployment(point(home, tmp_path / "conf.d"))
    assert read.problems == ()
    assert read.max_upload_size == 2 * 1024 * 1024
    assert [line.split(" (")[0] for line in closed(read)] == [
        "0.0.0.0:7000 is the metrics listener of main",
        "127.0.0.1:19000 is the manhole listener of main",
        "127.0.0.1:9093 is the replication listener of main",
        "unix:/run/synapse/persister.sock is the replication listener of persister",
    ]
    assert not read.has_workers
    reversed_order = read_deployment(point(tmp_path / "conf.d", home))
    assert len(reversed_order.closed) == 5


def test_a_listener_for_both_is_closed_as_a_whole(tmp_path: Path) -> None:
    home = write(
        tmp_path / "h.yaml",
        "listeners:\n- {port: 8, type: http, bind_address: a, resources: [{names: [client, replication]}]}",
    )
    assert closed(read_deployment(point(home))) == [
        f"a:8 is a listener of main for client, replication in one ({home}:2)"
    ]


WORKER_FILES = [
    # a worker's name is its app where no other is given
    ("worker_app: synapse.app.generic_worker\n", ["synapse.app.generic_worker"], []),
    ("worker_app: synapse.app.generic_worker\nworker_name: w\n", ["w"], []),
    ("worker_name: w\nworker_manhole: 7000\n", ["w"], ["127.0.0.1:7000"]),
    ("worker_listeners: [{port: 7001, type: metrics, bind_address: a}]\n", ["w"], ["a:7001"]),
    # an instance_map of its own, and what said so before there was one
    ("worker_name: w\ninstance_map: {main: {host: h, port: 7002, tls: true}}\n", ["w"], ["h:7002"]),
    ("worker_name: w\nworker_replication_host: h\nworker_replication_http_port: 7003\n", ["w"], ["h:7003"]),
    ("worker_name: w\nworker_replication_port: 7004\n", ["w"], ["0.0.0.0:7004"]),
    # no worker: a log configuration, an empty file, a file for main or for all
    ("version: 1\nhandlers: {}\n", [], []),
    ("", [], []),
    ("listeners: [{port: 7005, type: metrics}]\n", [MAIN], ["0.0.0.0:7005"]),
    ("instance_map: {w: {host: '[::1]', port: 7006}}\n", [], ["[::1]:7006"]),
    ("instance_map:\n", [], []),
    ("worker_app: synapse.app.homeserver\nmanhole: 7007\n", [MAIN], ["127.0.0.1:7007"]),
    ("worker_app: synapse.app.homeserver\nworker_listeners: [{port: 7008, type: metrics}]\n", [], []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "names", "addresses"), WORKER_FILES)
def test_what_a_file_among_the_workers_may_be(
    tmp_path: Path, text: str, names: list[str], addresses: list[str]
) -> None:
    home = write(tmp_path / "homeserver.yaml", "server_name: h\n")
    worker = write(tmp_path / "w.yaml", text)
    read = read_deployment(point(home), point(worker))
    assert read.problems == ()
    assert [instance.name for instance in read.instances] == [MAIN, *names]
    assert [str(listener.address) for listener in read.closed] == addresses


def test_what_all_processes_are_given_may_stand_among_the_workers(tmp_path: Path) -> None:
    """As in Synapse's own image, whose /conf/workers has a shared.yaml beside a file for each worker."""
    home = write(tmp_path / "homeserver.yaml", "server_name: h\nmax_upload_size: 1M\n")
    write(tmp_path / "workers" / "a.yaml", "worker_name: a\nmax_upload_size: 3M\n")
    write(
        tmp_path / "workers" / "shared.yaml",
        "max_upload_size: 2M\nstream_writers: {typing: [a]}\ninstance_map: {a: {host: h, port: 1}}\n",
    )
    read = read_deployment(point(home), point(tmp_path / "workers"))
    assert [instance.name for instance in read.instances] == [MAIN, "a"]
    assert read.writers("typing") == {"a"}
    assert read.max_upload_size == 2 * 1024**2
    assert [str(listener.address) for listener in read.closed] == ["h:1"]


def test_in_a_folder_links_to_nothing_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "homeserver.yaml", HOMESERVER)
    (tmp_path / ".#homeserver.yaml").symlink_to("somebody@host.1234:1700000000")
    read = read_deployment(point(tmp_path))
    assert read.problems == ()
    assert len(read.closed) == 5


WRITERS = [
    ("{typing: w}", {"w"}),
    ("{typing: [w, v]}", {"w", "v"}),
    ("{typing: master}", {MAIN}),
    ("{typing: ~}", {MAIN}),
    ("{events: w}", {MAIN}),
    ("[]", {MAIN}),
]


@pytest.mark.parametrize(("text", "names"), WRITERS)
def test_who_writes_a_stream(tmp_path: Path, text: str, names: set[str]) -> None:
    home = write(tmp_path / "homeserver.yaml", f"stream_writers: {text}\n")
    assert read_deployment(point(home)).writers("typing") == names


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("50M", 50 * 1024**2),
        ("1G", 1024**3),
        ("7", 7),
        ("'7K'", 7168),
        ("x", None),
        ("yes", None),
        ("~", None),
    ],
)
def test_the_size_of_an_upload(tmp_path: Path, text: str, size: int | None) -> None:
    home = write(tmp_path / "homeserver.yaml", f"max_upload_size: {text}\n")
    assert read_deployment(point(home)).max_upload_size == size


MISSHAPEN = [
    ("instance_map: []\n", "homeserver.yaml:1"),
    ("instance_map:\n  w: 9111\n", "homeserver.yaml:2"),
    ("instance_map:\n  w: {host: h}\n", "homeserver.yaml:2"),
    ("instance_map:\n  w: {port: 1}\n", "homeserver.yaml:2"),
    ("instance_map:\n  w: {host: h, port: x}\n", "homeserver.yaml:2"),
    ("instance_map:\n  w: {path: w.sock}\n", "homeserver.yaml:2"),
    ("- a\n", "homeserver.yaml:1"),
    ("text\n", "homeserver.yaml:1"),
    ("listeners: 8008\n", "homeserver.yaml:1"),
]


@pytest.mark.parametrize(("text", "place"), MISSHAPEN)
def test_what_is_misshapen_has_its_place(tmp_path: Path, text: str, place: str) -> None:
    read = read_deployment(point(write(tmp_path / "homeserver.yaml", text)))
    assert told(read) == [(ProblemKind.MISSHAPEN, place)]


def test_a_name_of_an_address_may_stand_in_any_form(tmp_path: Path) -> None:
    home = write(
        tmp_path / "h.yaml", "m: &m {host: h, port: 7000}\ninstance_map: {a: *m, b: {<<: *m, port: 7001}}\n"
    )
    read = read_deployment(point(home))
    assert [str(listener.address) for listener in read.closed] == ["h:7000", "h:7001"]
    assert read.problems == ()


def test_what_cannot_be_read_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    home = write(tmp_path / "homeserver.yaml", HOMESERVER)
    broken = write(tmp_path / "broken.yaml", "a: 1\nb: [\n")
    read = read_deployment(point(home), point(tmp_path / "gone.yaml", broken, tmp_path))
    assert told(read) == [
        (ProblemKind.UNREADABLE, "routes.yaml:1"),
        (ProblemKind.UNREADABLE, "broken.yaml:3"),
        (ProblemKind.UNREADABLE, "broken.yaml:3"),
    ]
    assert str(tmp_path / "gone.yaml") in read.problems[0].message
    assert all(problem.fix for problem in read.problems)
    assert len(read.closed) > 4


def test_a_folder_without_files_is_told_but_not_beside_a_file(tmp_path: Path) -> None:
    home = write(tmp_path / "homeserver.yaml", "server_name: h\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert told(read_deployment(point(empty))) == [(ProblemKind.UNREADABLE, "routes.yaml:1")]
    assert told(read_deployment(point(home), point(empty))) == [(ProblemKind.UNREADABLE, "routes.yaml:1")]
    assert told(read_deployment(point(home, empty))) == []


@pytest.fixture
def somebody() -> Iterator[Path]:
    """A folder that everybody may read, and an ordinary user who looks at it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


class _Ordinary:
    """An ordinary user for a while, where root, who may read everything, runs the tests."""

    def __enter__(self) -> None:
        self._was = os.geteuid()
        if self._was == 0:
            os.seteuid(65534)

    def __exit__(self, *_: object) -> None:
        os.seteuid(self._was)


def test_a_file_that_may_not_be_read_is_told_as_such(somebody: Path) -> None:
    home = write(somebody / "homeserver.yaml", "server_name: h\n")
    secret = write(somebody / "secret.yaml", HOMESERVER)
    folder = somebody / "workers"
    write(folder / "w.yaml", WORKER)
    secret.chmod(0)
    folder.chmod(0)
    try:
        with _Ordinary():
            read = read_deployment(point(home, secret), point(folder, folder / "w.yaml"))
    finally:
        folder.chmod(0o755)
    assert told(read) == [(ProblemKind.UNREADABLE, "routes.yaml:1")] * 3
    assert all("Permission denied" in problem.message for problem in read.problems)
    assert all("the user that the router runs as" in problem.fix for problem in read.problems)
