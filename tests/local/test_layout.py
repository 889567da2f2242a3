from __future__ import annotations

import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from router.local.layout import HOST, Instance, Layout, free_ports


def test_the_standard_ports_are_those_of_the_reference_deployment(tmp_path: Path) -> None:
    layout = Layout.standard(tmp_path)

    assert {i.name: (i.client_port, i.replication_port) for i in layout.instances} == {
        "main": (8008, 9093),
        "generic1": (8101, None),
        "generic2": (8102, None),
        "generic3": (8103, None),
        "events_persister1": (None, 9111),
        "receipts_writer": (8112, 9112),
        "federation_sender1": (None, None),
    }
    assert layout.replication_ports == (9093, 9111, 9112)
    assert (layout.router_port, layout.admin_port) == (8080, 8081)


def test_free_ports_are_all_different_and_nobody_listens_there(tmp_path: Path) -> None:
    layout = Layout.free(tmp_path)

    ports = list(layout.ports.values())
    assert len(set(ports)) == len(ports) == 13
    for port in ports:
        with socket.socket() as probe:
            probe.bind((HOST, port))


def test_free_ports_leave_out_what_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as holder:
        first = next(free_ports())
        holder.bind((HOST, first))
        holder.listen()
        monkeypatch.setattr("random.shuffle", lambda ports: ports.sort(key=lambda port: port != first))

        assert next(free_ports()) != first


def test_free_ports_leave_out_what_another_process_has_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    choose = "from router.local.layout import free_ports; print(next(free_ports()), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", choose], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        chosen = int(other.stdout.readline())
        monkeypatch.setattr("random.shuffle", lambda ports: ports.sort(key=lambda port: port != chosen))
        with socket.socket() as probe:
            probe.bind((HOST, chosen))
        assert next(free_ports()) != chosen
        other.communicate("\n")
    assert next(free_ports()) == chosen


def test_both_layouts_have_the_same_processes_and_listeners(tmp_path: Path) -> None:
    assert list(Layout.free(tmp_path).ports) == list(Layout.standard(tmp_path).ports)


def test_other_instances_get_free_ports_where_they_have_any(tmp_path: Path) -> None:
    wanted = (
        Instance(name="main", client_port=1, replication_port=1, resources=("client",)),
        Instance(name="media1", health_port=1),
    )

    layout = Layout.free(tmp_path, instances=wanted, settings={"enable_media_repo": False})

    assert [(i.name, list(i.ports), i.resources) for i in layout.instances] == [
        ("main", ["client", "replication"], ("client",)),
        ("media1", ["health"], ()),
    ]
    assert len(set(layout.ports.values())) == len(layout.ports) == 7
    assert min(layout.ports.values()) > 1
    assert layout.settings == {"enable_media_repo": False}


def test_an_unknown_instance_is_a_key_error(tmp_path: Path) -> None:
    layout = Layout.standard(tmp_path)

    assert layout["generic3"].client_port == 8103
    with pytest.raises(KeyError, match="generic4"):
        layout["generic4"]


def test_a_text_about_the_standard_layout_is_translated(tmp_path: Path) -> None:
    layout = Layout.free(tmp_path)
    generic2 = layout["generic2"].client_port

    assert layout.translated("{address: 127.0.0.1:8102, weight: 2}") == (
        f"{{address: 127.0.0.1:{generic2}, weight: 2}}"
    )
    assert layout.translated("[127.0.0.1:9093,127.0.0.1:8081]") == (
        f"[127.0.0.1:{layout['main'].replication_port},127.0.0.1:{layout.admin_port}]"
    )


def on_sockets(folder: Path) -> Layout:
    return Layout.free(
        folder,
        instances=(
            Instance(name="main", replication_port=1, on_socket=True, resources=("client",)),
            Instance(name="generic2", on_socket=True, resources=("client",)),
            Instance(name="generic3", client_port=1),
        ),
        settings={"server_name": "example.org"},
    )


def test_a_client_listener_can_be_a_socket_in_the_folder(tmp_path: Path) -> None:
    layout = on_sockets(tmp_path)
    main, generic2, generic3 = layout.instances

    assert layout.listeners(main) == {"client": tmp_path / "main.sock", "replication": main.replication_port}
    assert layout.listeners(generic2) == {"client": tmp_path / "generic2.sock"}
    assert layout.listeners(generic3) == {"client": generic3.client_port}
    assert "main client" not in layout.ports
    assert layout.translated("[127.0.0.1:8008, 127.0.0.1:8102, 127.0.0.1:8103]") == (
        f"[unix:{tmp_path}/main.sock, unix:{tmp_path}/generic2.sock, 127.0.0.1:{generic3.client_port}]"
    )


def test_the_server_has_a_name_and_the_router_a_scheme(tmp_path: Path) -> None:
    plain, named = Layout.free(tmp_path), replace(on_sockets(tmp_path), tls=True)

    assert (plain.server_name, plain.base_url) == ("localhost", f"http://127.0.0.1:{plain.router_port}")
    assert (named.server_name, named.base_url) == ("example.org", f"https://127.0.0.1:{named.router_port}")


@pytest.mark.parametrize(
    "text",
    ["127.0.0.1:81021", "127.0.0.2:8102", "1127.0.0.1:8102", "10.127.0.0.1:8102", "127.0.0.1:8104", ":8102"],
)
def test_what_only_looks_like_a_standard_address_stays(tmp_path: Path, text: str) -> None:
    assert Layout.free(tmp_path).translated(text) == text


def test_the_standard_layout_translates_nothing(tmp_path: Path) -> None:
    text = "[127.0.0.1:8008, 127.0.0.1:8101, 127.0.0.1:8112]"

    assert Layout.standard(tmp_path).translated(text) == text
