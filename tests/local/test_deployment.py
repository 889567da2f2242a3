from __future__ import annotations

import http.client
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from router.config.lint import lint
from router.config.loader import load
from router.errors import LocalError, PortsInUse, ProcessFailed
from router.local import synapse
from router.local.credentials import Credentials
from router.local.deployment import Deployment
from router.local.layout import Layout
from router.local.loopback import answers
from router.local.ports import holders, taken
from router.local.processes import Process
from tests.deployment import ROUTES


def ask(port: int, method: str, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_all_processes_run_and_every_listener_is_healthy(deployment: Deployment) -> None:
    names = {i.name for i in deployment.layout.instances}
    assert len(names) == 7

    assert set(deployment.processes) == names | {"postgres", "valkey", "router"}
    for name, process in deployment.processes.items():
        assert process.running, name
        assert process.program.pid_file.read_text() == f"{process.pid}\n"
    for instance in deployment.layout.instances:
        for port in instance.ports.values():
            assert answers(port), instance


def test_each_process_listens_on_its_own_ports(deployment: Deployment) -> None:
    wanted = {port: i.name for i in deployment.layout.instances for port in i.ports.values()}

    found = holders(wanted)

    assert {port: holder.pid for port, holder in found.items()} == {
        port: deployment.processes[name].pid for port, name in wanted.items()
    }


@pytest.mark.parametrize("name", ["main", "generic1", "receipts_writer"])
def test_client_listeners_serve_clients_and_no_replication(deployment: Deployment, name: str) -> None:
    port = deployment.layout[name].client_port
    assert port is not None

    assert ask(port, "GET", "/_matrix/client/versions")[0] == 200
    assert ask(port, "GET", "/_synapse/replication/send_events/x")[0] == 404


@pytest.mark.parametrize("name", ["main", "events_persister1", "receipts_writer"])
def test_replication_listeners_serve_replication_and_no_clients(deployment: Deployment, name: str) -> None:
    port = deployment.layout[name].replication_port
    assert port is not None

    assert ask(port, "GET", "/_matrix/client/versions")[0] == 404
    status, body = ask(port, "GET", "/_synapse/replication/send_events/x")
    assert status == 405
    assert b"M_UNRECOGNIZED" in body


def test_the_router_knows_from_synapses_files_where_replication_listens(deployment: Deployment) -> None:
    routes = deployment.layout.config / "routes.yaml"
    assert str(routes) in deployment.processes["router"].program.command
    loaded = load(routes)
    assert (*loaded.findings, *lint(loaded)) == ()
    closed = {str(listener.address) for listener in loaded.settings.guard.closed}
    assert closed == {f"127.0.0.1:{port}" for port in deployment.layout.replication_ports}


def test_a_worker_is_killed_and_comes_back(deployment: Deployment) -> None:
    worker = deployment.layout["generic3"]
    assert worker.client_port is not None
    before = deployment.processes["generic3"].pid

    deployment.kill("generic3")
    with pytest.raises(ConnectionRefusedError):
        ask(worker.client_port, "GET", "/health")
    deployment.restart("generic3")

    assert ask(worker.client_port, "GET", "/health") == (200, b"OK")
    assert deployment.processes["generic3"].pid not in {before, None}


def test_nothing_in_the_folder_is_for_others(deployment: Deployment) -> None:
    assert deployment.layout.folder.stat().st_mode & 0o077 == 0


def test_a_folder_in_use_is_left_alone(deployment: Deployment) -> None:
    second = Deployment(Layout.free(deployment.layout.folder))

    with pytest.raises(LocalError, match=f"in use by pid {os.getpid()}"):
        second.start()

    assert all(process.running for process in deployment.processes.values())


def test_a_port_in_use_stops_it_before_anything_starts(tmp_path: Path) -> None:
    layout = Layout.free(tmp_path / "run")
    port = layout["generic2"].client_port
    assert port is not None
    with socket.create_server(("127.0.0.1", port)):
        deployment = Deployment(layout)

        with pytest.raises(PortsInUse, match=rf"{port}, for generic2 client: held by pid {os.getpid()}: "):
            deployment.start()

    assert not layout.data.exists()
    assert not deployment.processes


def test_the_routers_ports_matter_only_with_a_router(tmp_path: Path) -> None:
    layout = Layout.free(tmp_path / "run")
    routes = tmp_path / "routes.yaml"
    routes.touch()
    with socket.create_server(("127.0.0.1", layout.router_port)):
        with pytest.raises(PortsInUse, match="for router: held by pid"):
            Deployment(layout, routes=routes).start()
        alone = Deployment(layout)
        alone.steps()[0].run()
        alone.stop()


def test_routes_are_translated_to_other_ports_and_else_used_as_they_are(tmp_path: Path) -> None:
    layout = Layout.free(tmp_path / "run")
    theirs = tmp_path / "routes.yaml"
    theirs.write_text("upstreams: {main: {endpoints: ['127.0.0.1:8008']}}\n")
    ours = tmp_path / "elsewhere.yaml"
    ours.write_text("upstreams: {main: {endpoints: ['127.0.0.1:1234']}}\n")

    for file, used in ((theirs, layout.config / "routes.yaml"), (ours, ours)):
        deployment = Deployment(layout, routes=file)
        deployment.steps()[0].run()
        command = deployment.processes["router"].program.command
        deployment.stop()
        assert command[command.index("-c") + 1] == str(used)

    assert f"127.0.0.1:{layout['main'].client_port}" in (layout.config / "routes.yaml").read_text()


def test_a_table_for_sockets_and_tls_is_served_as_it_says(tmp_path: Path) -> None:
    """The guard learns from the overlay too; where the router speaks TLS, its file says where it listens."""
    layout = Layout.free(
        tmp_path / "run",
        instances=tuple(
            replace(i, client_port=None, on_socket=True, resources=("client",)) if i.client_port else i
            for i in Layout.standard(tmp_path).instances
        ),
    )
    for tls in (True, False):
        deployment = Deployment(replace(layout, tls=tls), routes=ROUTES)
        deployment.steps()[0].run()
        command = deployment.processes["router"].program.command
        deployment.stop()
        assert ("--listen" in command) is not tls
        loaded = load(layout.config / "routes.yaml")
        assert loaded.config is not None
        addresses = {e.name for e in loaded.config.table.upstreams["generic-worker"].endpoints}
        assert addresses == {f"unix:{layout.folder}/generic{n}.sock" for n in (1, 2, 3)}
        closed = {str(listener.address) for listener in loaded.settings.guard.closed}
        assert closed == {f"127.0.0.1:{port}" for port in layout.replication_ports}
        assert loaded.findings == ()


def test_routes_that_are_not_there_are_told(tmp_path: Path) -> None:
    deployment = Deployment(Layout.free(tmp_path / "run"), routes=tmp_path / "none.yaml")

    with pytest.raises(LocalError, match=r"none\.yaml can't be read: No such file"):
        deployment.start()


def steps_of(layout: Layout, routes: Path | None = None) -> list[str]:
    return [step.title for step in Deployment(layout, routes=routes).steps()]


FINISHES_LATE = """
import psycopg2, sys, time
connection = psycopg2.connect(sys.argv[1])
connection.autocommit = True
cursor = connection.cursor()
cursor.execute("CREATE TABLE background_updates AS SELECT 'fill' AS update_name")
open("ready", "w").close()
time.sleep(0.5)
open("finished", "w").close()
cursor.execute("DELETE FROM background_updates")
time.sleep(1000)
"""


def test_nobody_is_let_in_before_a_new_database_is_up_to_date(tmp_path: Path) -> None:
    """Else the user directory lacks those who register while it is filled for the first time."""
    layout = Layout.free(tmp_path / "run")
    deployment = Deployment(layout, durable=False)
    prepare, database, _, first_main, _ = deployment.steps()
    try:
        prepare.run()
        database.run()
        credentials = Credentials.kept_in(layout.data / "credentials.json")
        name = f"host=127.0.0.1 port={layout.postgres_port} dbname=synapse user=synapse"
        main = replace(
            deployment.processes["main"].program,
            command=(
                sys.executable,
                "-c",
                FINISHES_LATE,
                f"{name} password={credentials.postgres_password}",
            ),
            ready=(layout.logs / "ready").exists,
        )
        deployment.processes["main"] = Process(main)

        first_main.run()

        assert (layout.logs / "finished").exists()
        assert synapse.has_tables(layout)
    finally:
        deployment.stop()


def test_a_kept_database_lets_all_seven_start_together(tmp_path: Path) -> None:
    layout = Layout.free(tmp_path)
    new = steps_of(layout)
    layout.data.mkdir()
    synapse.note_tables(layout)

    assert new[3:] == ["Synapse: main, which makes the tables", "Synapse: 6 workers"]
    assert steps_of(layout, tmp_path / "routes.yaml")[3:] == ["Synapse: main and 6 workers", "router"]


def test_one_that_can_not_start_shows_its_log_and_stops_the_rest(tmp_path: Path) -> None:
    layout = Layout.free(tmp_path / "run")
    layout.data.mkdir(parents=True)
    synapse.signing_key(layout).write_text("no key at all")
    deployment = Deployment(layout, durable=False)

    with pytest.raises(ProcessFailed, match=r"main ended with exit code 1.*\n(    .*\n)*.*signing_key"):
        deployment.start()

    assert not any(process.running for process in deployment.processes.values())
    assert taken(layout.ports.values()) == []
    assert not list(layout.folder.glob("*.pid"))
    again = Deployment(layout)
    again.steps()[0].run()
    again.stop()
