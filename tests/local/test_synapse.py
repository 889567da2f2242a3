from __future__ import annotations

import base64
from pathlib import Path

import pytest
import yaml

from router.local import synapse
from router.local.credentials import Credentials
from router.local.layout import Layout

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
