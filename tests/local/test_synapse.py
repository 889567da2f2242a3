from __future__ import annotations

import base64
from pathlib import Path

import pytest
import yaml
from synapse.config.server import (
    ListenerConfig,
    TCPListenerConfig,
    UnixListenerConfig,
    parse_listener_def,
)

from router.local import synapse
from router.local.credentials import Credentials
from router.local.layout import Instance, Layout

Config = dict[str, object]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """In a folder whose name means something to YAML."""
    made = Layout.free(tmp_path / """it's: a "folder" #1""")
    for folder in (made.config, made.data):
        folder.mkdir(parents=True)
    return made


@pytest.fixture
def written(layout: Layout) -> dict[str, Config]:
    synapse.write_config(layout, Credentials.kept_in(layout.data / "credentials.json"))
    return {file.stem: yaml.safe_load(file.read_text()) for file in layout.config.rglob("*.yaml")}


def listeners(config: Config, key: str) -> list[tuple[object, ...]]:
    found = config[key]
    assert isinstance(found, list)
    return [(e["port"], e["bind_addresses"], e["resources"][0]["names"]) for e in found]


def test_every_process_has_its_file_and_nothing_is_left_to_fill(
    layout: Layout, written: dict[str, Config]
) -> None:
    workers = {i.name for i in layout.instances if i.name != "main"}

    assert set(written) == workers | {"homeserver", "log"}
    assert not any("$" in file.read_text() for file in layout.config.rglob("*.yaml"))


def test_every_listener_is_that_of_the_layout_and_on_loopback(
    layout: Layout, written: dict[str, Config]
) -> None:
    kinds = {
        "client": ["client", "federation"],
        "replication": ["replication"],
        "health": ["health"],
    }
    for instance in layout.instances:
        name, key = (instance.name, "worker_listeners")
        if instance.name == "main":
            name, key = "homeserver", "listeners"
        served = kinds | ({"client": ["client"]} if instance.name == "receipts_writer" else {})
        wanted = [(port, ["127.0.0.1"], served[kind]) for kind, port in instance.ports.items()]

        assert listeners(written[name], key) == wanted


def test_the_processes_find_each_other(layout: Layout, written: dict[str, Config]) -> None:
    shared = written["homeserver"]

    assert shared["instance_map"] == {
        i.name: {"host": "127.0.0.1", "port": i.replication_port}
        for i in layout.instances
        if i.replication_port
    }
    for name, config in written.items():
        if name not in {"homeserver", "log"}:
            assert config["worker_name"] == name


def test_the_shipped_deployment_reads_the_templates_alone(layout: Layout, written: dict[str, Config]) -> None:
    names = [[file.name for file in synapse.config_files(layout, i)] for i in layout.instances[:2]]

    assert names == [["homeserver.yaml"], ["homeserver.yaml", "generic1.yaml"]]
    assert "overlay" not in written


@pytest.fixture
def other(tmp_path: Path) -> Layout:
    """With a main process and two workers that have no template, and one that has."""
    made = Layout.free(
        tmp_path / "other",
        instances=(
            Instance(name="main", client_port=1, replication_port=1, resources=("client", "consent")),
            Instance(name="events_persister1", replication_port=1),
            Instance(name="receipts_writer", client_port=1, replication_port=1, resources=("client",)),
            Instance(name="media1", client_port=1, resources=("media",)),
        ),
        settings={"enable_media_repo": False, "presence": {"enabled": False}},
    )
    for folder in (made.config, made.data):
        folder.mkdir(parents=True)
    synapse.write_config(made, Credentials.kept_in(made.data / "credentials.json"))
    return made


def read(layout: Layout, name: str) -> Config:
    """As Synapse does: a later file replaces top-level keys of an earlier one."""
    config: Config = {}
    for file in synapse.config_files(layout, layout[name]):
        config |= yaml.safe_load(file.read_text(encoding="utf-8"))
    return config


def test_another_deployment_has_files_of_its_own_beside_the_templates(other: Layout) -> None:
    main, writer, media = (read(other, name) for name in ("main", "receipts_writer", "media1"))

    assert listeners(main, "listeners") == [
        (other["main"].client_port, ["127.0.0.1"], ["client", "consent"]),
        (other["main"].replication_port, ["127.0.0.1"], ["replication"]),
    ]
    assert listeners(writer, "worker_listeners") == [
        (other["receipts_writer"].client_port, ["127.0.0.1"], ["client"]),
        (other["receipts_writer"].replication_port, ["127.0.0.1"], ["replication"]),
    ]
    assert listeners(media, "worker_listeners") == [(other["media1"].client_port, ["127.0.0.1"], ["media"])]
    assert read(other, "events_persister1")["worker_name"] == "events_persister1"
    assert not (other.config / "workers" / "generic1.yaml").exists()


def test_a_client_listener_on_a_socket_is_written_as_synapse_reads_it(tmp_path: Path) -> None:
    layout = Layout.free(
        tmp_path,
        instances=(
            Instance(name="main", replication_port=1, on_socket=True, resources=("client", "federation")),
            Instance(name="events_persister1", replication_port=1),
            Instance(name="receipts_writer", replication_port=1, on_socket=True, resources=("client",)),
        ),
    )
    for folder in (layout.config, layout.data):
        folder.mkdir()
    synapse.write_config(layout, Credentials.kept_in(layout.data / "credentials.json"))

    for name, key in (("main", "listeners"), ("receipts_writer", "worker_listeners")):
        first, second = parse_listeners(read(layout, name)[key])
        assert isinstance(first, UnixListenerConfig)
        assert (first.path, first.mode) == (str(layout.client_socket(layout[name])), 0o660)
        assert first.http_options is not None
        assert first.http_options.x_forwarded
        assert isinstance(second, TCPListenerConfig)
        assert second.port == layout[name].replication_port


def parse_listeners(written: object) -> list[ListenerConfig]:
    """As Synapse itself reads them."""
    assert isinstance(written, list)
    return [parse_listener_def(number, each) for number, each in enumerate(written)]


def test_its_settings_stand_in_for_the_shipped_ones_but_for_a_media_worker(other: Layout) -> None:
    enabled = {i.name: read(other, i.name)["enable_media_repo"] for i in other.instances}

    assert read(other, "main")["presence"] == {"enabled": False}
    assert read(other, "main")["server_name"] == "localhost"
    assert enabled == {
        "main": False,
        "events_persister1": False,
        "receipts_writer": False,
        "media1": True,
    }


def test_everybody_with_a_replication_listener_can_be_found(other: Layout) -> None:
    assert read(other, "media1")["instance_map"] == {
        i.name: {"host": "127.0.0.1", "port": i.replication_port}
        for i in other.instances
        if i.replication_port
    }


def test_a_process_is_started_with_the_files_that_it_is_to_read(other: Layout) -> None:
    command = synapse.program(other, other["media1"]).command

    assert command[1:3] == ("-m", "synapse.app.generic_worker")
    given = [command[at + 1] for at, word in enumerate(command) if word == "-c"]
    assert given == [str(file) for file in synapse.config_files(other, other["media1"])]
    assert synapse.program(other, other["main"]).command[2] == "synapse.app.homeserver"


def test_nothing_goes_outside(written: dict[str, Config]) -> None:
    shared = written["homeserver"]

    assert (shared["federation_domain_whitelist"], shared["trusted_key_servers"]) == ([], [])
    assert shared["report_stats"] is False


def test_paths_survive_whatever_the_folder_is_called(layout: Layout, written: dict[str, Config]) -> None:
    shared = written["homeserver"]

    assert shared["media_store_path"] == str(layout.data / "media")
    assert shared["signing_key_path"] == str(layout.data / "signing.key")
    assert written["generic1"]["worker_log_config"] == str(layout.config / "log.yaml")


def test_a_signing_key_is_made_once(layout: Layout) -> None:
    credentials = Credentials.kept_in(layout.data / "credentials.json")
    synapse.write_config(layout, credentials)
    key = synapse.signing_key(layout).read_text()
    synapse.write_config(layout, credentials)

    assert synapse.signing_key(layout).read_text() == key
    algorithm, version, seed = key.split()
    assert (algorithm, version[:2]) == ("ed25519", "a_")
    assert len(base64.b64decode(seed + "=")) == 32


def test_only_a_database_of_this_synapse_lets_the_workers_start_beside_main(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not synapse.has_tables(layout)
    synapse.note_tables(layout)
    assert synapse.has_tables(layout)

    monkeypatch.setattr("router.local.synapse.version", lambda _: "9999.1")

    assert not synapse.has_tables(layout)
