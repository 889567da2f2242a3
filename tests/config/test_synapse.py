from __future__ import annotations

import json
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.loader import Loaded, load, load_bytes, load_or_raise
from router.errors import ConfigError, ReplicationExposed
from router.guard import Guard
from router.table import TcpAddress, UnixAddress, parse_address
from tests.config.files import CLEAN
from tests.synapse.files import HOMESERVER, PERSISTER, WORKER, write

SYNAPSE = "synapse: {homeserver: homeserver.yaml, workers: workers}\n"


@pytest.fixture(autouse=True, scope="module")
def _nobody_is_asked_for_names() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("router.guard.socket.getaddrinfo", _no_names)
        yield


def _no_names(*_: object, **__: object) -> list[object]:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files of a deployment."""
    write(tmp_path / "homeserver.yaml", HOMESERVER)
    write(tmp_path / "workers" / "generic1.yaml", WORKER)
    write(tmp_path / "workers" / "persister.yaml", PERSISTER)
    return tmp_path


def loaded(folder: Path, text: str) -> Loaded:
    return load(write(folder / "routes.yaml", text))


def found(folder: Path, text: str) -> list[str]:
    """Every finding as `CODE file:line`, the file without its folder."""
    return [
        f"{one.code} {Path(one.source.file).name}:{one.source.line}" if one.source else one.code
        for one in loaded(folder, text).findings
    ]


def endpoints(*addresses: str) -> str:
    return (
        SYNAPSE
        + f"upstreams: {{main: {{endpoints: {json.dumps(addresses)}}}}}\n"
        + ("routes: [{path: '^/', upstream: main}]\n")
    )


def test_paths_are_relative_to_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(folder, SYNAPSE + CLEAN) == []
    absolute = SYNAPSE.replace("homeserver.yaml", str(folder / "homeserver.yaml"))
    assert found(folder, absolute + CLEAN) == []
    monkeypatch.chdir(folder)
    read = load_bytes((SYNAPSE + CLEAN).encode())
    assert read.deployment is not None
    assert [instance.name for instance in read.deployment.instances] == ["main", "generic1", "persister"]


@pytest.mark.parametrize(
    "lines",
    [
        "synapse: {homeserver: [homeserver.yaml], workers: [workers]}",
        "synapse: {homeserver: [homeserver.yaml], workers: [workers/generic1.yaml, workers/persister.yaml]}",
        "synapse:\n  homeserver: .\n  workers: workers/",
    ],
)
def test_files_folders_and_lists(folder: Path, lines: str) -> None:
    (folder / "routes.yaml").unlink(missing_ok=True)
    read = loaded(folder, f"{lines}\n{CLEAN}")
    assert read.findings == ()
    assert read.config is not None
    assert len(read.config.settings.guard.closed) == 6


def test_without_workers_the_guard_knows_what_the_homeserver_says(folder: Path) -> None:
    read = loaded(folder, "synapse: {homeserver: homeserver.yaml}\n" + CLEAN)
    assert read.findings == ()
    assert len(read.settings.guard.closed) == 5
    assert read.deployment is not None
    assert not read.deployment.has_workers


def test_without_the_section_nothing_is_read() -> None:
    read = load_bytes(CLEAN.encode())
    assert read.deployment is None
    assert read.settings.guard.closed == ()


SECTION = [
    ("synapse: homeserver.yaml\n", "S009 routes.yaml:1"),
    ("synapse:\n", "S010 routes.yaml:1"),
    ("synapse: {}\n", "S010 routes.yaml:1"),
    ("synapse: {workers: workers}\n", "S010 routes.yaml:1"),
    ("synapse: {homeserver: []}\n", "S010 routes.yaml:1"),
    ("synapse: {homeserver: [[a]]}\n", "S009 routes.yaml:1"),
    ("synapse: {homeserver: {a: b}}\n", "S009 routes.yaml:1"),
    ("synapse: {homeserver: homeserver.yaml, worker: workers}\n", "S008 routes.yaml:1"),
    ("synapse: {homeserver: gone.yaml}\n", "H307 routes.yaml:1"),
    ("synapse:\n  homeserver: homeserver.yaml\n  workers: gone\n", "H307 routes.yaml:3"),
]


@pytest.mark.parametrize(("text", "expected"), SECTION)
def test_a_section_of_another_shape(folder: Path, text: str, expected: str) -> None:
    assert found(folder, text + CLEAN) == [expected]
    assert loaded(folder, text + CLEAN).config is None


FILES = [
    ("a: [\n", "H307 homeserver.yaml:2"),
    ("\xff", None),
    ("- a\n", "H308 homeserver.yaml:1"),
    ("a: 1\nlisteners: 8008\n", "H308 homeserver.yaml:2"),
    ("# mounted too late\n", "H308 routes.yaml:1"),
    ("worker_app: synapse.app.generic_worker\nworker_name: generic1\n", "H308 routes.yaml:1"),
    ("listeners:\n- {port: 1, type: http, bind_address: a, resources: [{names: [client, metrics]}]}\n",
     "H310 homeserver.yaml:2"),
    ("listeners:\n- {port: 1, type: http, bind_address: a, resources: [{names: [health, metrics]}]}\n", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), FILES)
def test_a_file_of_another_shape(folder: Path, text: str, expected: str | None) -> None:
    write(folder / "homeserver.yaml", text if expected else "server_name: h\n" + text.replace("\xff", ""))
    assert found(folder, SYNAPSE + CLEAN) == ([expected] if expected else [])


def test_serve_does_not_start_blind(folder: Path) -> None:
    (folder / "homeserver.yaml").unlink()
    file = write(folder / "routes.yaml", SYNAPSE + CLEAN)
    with pytest.raises(ConfigError, match=r"routes\.yaml:1: cannot read .*homeserver\.yaml") as raised:
        load_or_raise(file)
    assert raised.value.hint


CLOSED = [
    "127.0.0.1:9093", "127.1:9093", "localhost:9093", "[::1]:9093", "[::ffff:127.0.0.1]:9093", "0.0.0.0:9093",
    "127.0.0.1:19000", "[::ffff:127.0.0.1]:19000", "127.0.0.1:19100", "10.9.8.7:19100", "db.invalid:19100",
    "unix:/run/synapse/persister.sock", "unix:/run/../run/synapse/persister.sock",
]  # fmt: skip


@pytest.mark.parametrize("written", CLOSED)
def test_no_endpoint_is_a_listener_that_synapses_files_close(folder: Path, written: str) -> None:
    read = loaded(folder, "guard: {replication: [1]}\n" + endpoints("127.0.0.1:8008", written))
    assert [one.code for one in read.findings] == ["H301"]
    assert read.config is None
    assert any(name in read.findings[0].message for name in ("homeserver.yaml:", "persister.yaml:"))
    with pytest.raises(ReplicationExposed):
        load_or_raise(folder / "routes.yaml")


@pytest.mark.parametrize("written", ["127.0.0.1:8101", "127.0.0.1:19001", "unix:/run/synapse/main.sock"])
def test_others_are_not(folder: Path, written: str) -> None:
    assert found(folder, endpoints(written)) == []


def test_the_usual_ports_stay_closed_beside_them(folder: Path) -> None:
    assert found(folder, endpoints("127.0.0.1:9999")) == ["H301 routes.yaml:2"]
    assert found(folder, "guard: {replication: [1]}\n" + endpoints("127.0.0.1:9999")) == []


LOOPBACK = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "localhost",
    "a.localhost",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "0.0.0.0",
]
BOUND = {
    "127.0.0.1": LOOPBACK,
    "::1": LOOPBACK,
    "localhost": LOOPBACK,
    "10.0.0.5": ["10.0.0.5", "10.5", "[::ffff:10.0.0.5]", "0x0a000005"],
    "0.0.0.0": [*LOOPBACK, "10.0.0.5", "192.0.2.1"],
    "::": [*LOOPBACK, "10.0.0.5", "[2001:db8::1]"],
    "w.invalid": ["w.invalid", "W.invalid."],
}
KINDS: Mapping[str, dict[str, object]] = {
    "replication": {"type": "http", "resources": [{"names": ["replication"]}]},
    "both": {"type": "http", "resources": [{"names": ["client"]}, {"names": ["health", "replication"]}]},
    "metrics resource": {"type": "http", "resources": [{"names": ["metrics"]}]},
    "metrics": {"type": "metrics"},
    "manhole": {"type": "manhole"},
}
NAMES = st.text("abcdefgh", min_size=1, max_size=6)


@given(
    key=st.sampled_from(["listeners", "worker_listeners", "instance_map", "worker instance_map"]),
    kind=st.sampled_from(sorted(KINDS)),
    port=st.integers(10_000, 65_535),
    bound=st.sampled_from([*sorted(BOUND), ""]),
    single=st.booleans(),
    choice=st.integers(0, 1000),
)
def test_every_closed_listener_is_refused_in_every_spelling(
    *, key: str, kind: str, port: int, bound: str, single: bool, choice: int
) -> None:
    fields: dict[str, object] = {"port": port, **KINDS[kind]}
    if bound:
        fields |= {"bind_address": bound} if single else {"bind_addresses": [bound]}
    mapped = {"instance_map": {"w": {"host": bound or "0.0.0.0", "port": port}}}
    home: dict[str, object] = {"server_name": "h"}
    worker: dict[str, object] = {"worker_app": "synapse.app.generic_worker", "worker_name": "w"}
    if "instance_map" in key:
        (worker if key.startswith("worker") else home).update(mapped)
    else:
        (worker if key.startswith("worker") else home)[key] = [fields]
    spellings = BOUND[bound or "0.0.0.0"]
    _refused(home, worker, f"{spellings[choice % len(spellings)]}:{port}")


def _refused(home: dict[str, object], worker: dict[str, object], written: str) -> None:
    """By the loader, and by the guard that it sets, as an address and as what a socket connects to."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "homeserver.yaml", json.dumps(home))
        write(folder / "workers" / "w.yaml", json.dumps(worker))
        read = loaded(folder, endpoints(written))
        assert "H301" in [one.code for one in read.findings]
        assert read.config is None
        nearby = "unix:/nowhere.sock" if written.startswith("unix:") else "127.0.0.1:8008"
        assert loaded(folder, endpoints(nearby)).config is not None
    guard = Guard(read.settings.guard)
    address = parse_address(written)
    assert guard.judge(address) is not None
    if isinstance(address, UnixAddress):
        assert guard.judge_sockaddr(os.fsencode(address.path)) is not None
    elif address.host.replace(".", "").isdigit() and address.host.count(".") == 3:
        assert guard.judge_sockaddr((address.host, address.port)) is not None
        assert guard.judge_sockaddr((f"::ffff:{address.host}", address.port, 0, 0)) is not None
    near = TcpAddress(host="127.0.0.1", port=1)
    assert guard.judge(near) is None


@pytest.mark.parametrize("key", ["listeners", "worker_listeners", "instance_map"])
@pytest.mark.parametrize(
    "spelling", ["{run}/w", "{run}/../run/w", "{run}//./w", "{run}/link", "/proc/self/root{run}/w"]
)
def test_every_closed_unix_socket_is_refused_by_path_and_by_link(
    tmp_path: Path, key: str, spelling: str
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "w").touch()
    (run / "link").symlink_to(run / "w")
    listener: dict[str, object] = {
        "path": str(run / "w"),
        "type": "http",
        "resources": [{"names": ["replication"]}],
    }
    home: dict[str, object] = {"server_name": "h"}
    worker: dict[str, object] = {"worker_name": "w"}
    if key == "instance_map":
        home[key] = {"w": {"path": str(run / "link")}}
    else:
        (home if key == "listeners" else worker)[key] = [listener]
    _refused(home, worker, "unix:" + spelling.format(run=run))
