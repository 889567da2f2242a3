from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from router.errors import PortsInUse
from router.local.ports import Holder, holders, require_free, taken


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def port_of(server: socket.socket) -> int:
    port: int = server.getsockname()[1]
    return port


def test_a_listener_is_named_with_its_process(listener: socket.socket) -> None:
    port = port_of(listener)

    assert taken([port]) == [port]
    holder = holders([port])[port]
    assert holder.pid == os.getpid()
    assert "python" in holder.command


def test_a_listener_at_any_address_is_found() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        port = port_of(server)

        assert taken([port]) == [port]
        assert holders([port])[port].pid == os.getpid()


def test_another_process_is_named_with_its_command() -> None:
    program = (
        "import socket; server = socket.create_server(('127.0.0.1', 0));"
        "print(server.getsockname()[1], flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())

        assert holders([port]) == {
            port: Holder(pid=process.pid, command=f"{sys.executable} -c {program}"),
        }
        process.communicate("\n")


def test_the_client_side_of_a_connection_is_no_listener(listener: socket.socket) -> None:
    with socket.create_connection(("127.0.0.1", port_of(listener))) as client:
        assert holders([port_of(client)]) == {}


def test_a_port_that_nobody_listens_on_is_free(listener: socket.socket) -> None:
    port = port_of(listener)
    listener.close()

    assert taken([port]) == []
    require_free({"main": port})


def test_what_is_taken_is_told_with_who_wants_it_and_who_has_it(listener: socket.socket) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        free = port_of(unused)
    port = port_of(listener)

    with pytest.raises(PortsInUse) as caught:
        require_free({"main client": free, "generic1 client": port})

    message = str(caught.value)
    assert f"127.0.0.1:{port}, for generic1 client: held by pid {os.getpid()}: " in message
    assert str(free) not in message


def test_a_holder_that_does_not_show_is_said_to_be_somebody_elses() -> None:
    # Bound but not listening: taken, and in no table of listeners, as if it were another user's.
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))

        with pytest.raises(PortsInUse, match="held by a process of another user"):
            require_free({"main client": port_of(holder)})
