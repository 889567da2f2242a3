"""Listening sockets: what is in the way, and what is left behind."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

import pytest

from router.server.sockets import BindFailed, bind, is_listened_on, name_of, unlink
from router.settings import UNIX_MODE, SocketAccess
from router.table import TcpAddress, UnixAddress
from tests.dialogues import need_ipv6


def connects(address: tuple[str, int] | str) -> bool:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as client:
        client.settimeout(5)
        return client.connect_ex(address) == 0


def test_a_port_is_listened_on_at_once() -> None:
    (sock,) = bind(TcpAddress(host="127.0.0.1", port=0))
    with sock:
        assert connects(sock.getsockname())
        with pytest.raises(BindFailed, match=r"cannot listen on 127\.0\.0\.1:\d+: another process listens"):
            bind(TcpAddress(host="127.0.0.1", port=sock.getsockname()[1]))


def test_a_port_can_be_listened_on_again_though_connections_linger() -> None:
    (sock,) = bind(TcpAddress(host="127.0.0.1", port=0))
    address = sock.getsockname()
    with socket.create_connection(address) as client:
        sock.setblocking(True)
        accepted, _ = sock.accept()
        accepted.close()
        assert client.recv(1) == b""
    sock.close()
    (again,) = bind(TcpAddress(host="127.0.0.1", port=address[1]))
    again.close()


def test_a_name_stands_for_all_its_addresses() -> None:
    sockets = bind(TcpAddress(host="localhost", port=0))
    try:
        known = socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)
        assert [sock.family for sock in sockets] == [entry[0] for entry in known]
    finally:
        for sock in sockets:
            sock.close()


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_somebody_else_is_named(host: str) -> None:
    with pytest.raises(BindFailed, match=f"cannot listen on {host}:8080: ."):
        bind(TcpAddress(host=host, port=8080))


def test_a_unix_socket_is_for_owner_and_group(tmp_path: Path) -> None:
    path = tmp_path / "router.sock"
    (sock,) = bind(UnixAddress(path=str(path)))
    with sock:
        assert stat.S_IMODE(path.stat().st_mode) == UNIX_MODE
        assert connects(str(path))
    unlink([UnixAddress(path=str(path))])
    assert not path.exists()
    unlink([UnixAddress(path=str(path))])


def test_a_stale_unix_socket_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "router.sock"
    bind(UnixAddress(path=str(path)))[0].close()
    assert path.is_socket()
    (sock,) = bind(UnixAddress(path=str(path)))
    with sock:
        assert connects(str(path))


@pytest.mark.parametrize("backlog", [0, 16])
def test_a_unix_socket_in_use_is_left_alone(tmp_path: Path, backlog: int) -> None:
    """Also where its owner is too busy to take a connection."""
    path = tmp_path / "router.sock"
    with socket.socket(socket.AF_UNIX) as owner, socket.socket(socket.AF_UNIX) as waiting:
        owner.bind(str(path))
        owner.listen(backlog)
        waiting.connect(str(path))
        with pytest.raises(BindFailed, match="another process listens there"):
            bind(UnixAddress(path=str(path)))
        assert path.is_socket()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "router.sock"
    path.write_text("precious")
    with pytest.raises(BindFailed, match="a file that is no socket lies there"):
        bind(UnixAddress(path=str(path)))
    assert path.read_text() == "precious"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BindFailed, match="No such file or directory"):
        bind(UnixAddress(path=str(tmp_path / "gone" / "router.sock")))


def test_what_is_listened_on() -> None:
    """An endpoint there would send each request round and round."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("", 0)) as wildcard:
        names = {name_of(one), name_of(wildcard)}
        port, everywhere = name_of(one)[1], name_of(wildcard)[1]
    assert isinstance(port, int)
    assert isinstance(everywhere, int)
    assert is_listened_on(names, ("127.0.0.1", port))
    assert not is_listened_on(names, ("127.0.0.2", port))
    assert not is_listened_on(names, ("127.0.0.1", port + 1 if port + 1 != everywhere else port - 1))
    assert is_listened_on(names, ("127.0.0.1", everywhere))
    assert is_listened_on(names, ("127.0.0.2", everywhere))
    assert not is_listened_on(names, ("192.0.2.1", everywhere))
    assert not is_listened_on(names, ("a.name", everywhere))


def test_what_is_listened_on_under_another_address() -> None:
    """What DNS may say instead of 127.0.0.1, and connects to it."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        name = name_of(sock)
        port = int(name[1])
        for host in ("0.0.0.0", "::ffff:127.0.0.1", "::ffff:0.0.0.0"):
            assert is_listened_on({name}, (host, port)), host
    assert not is_listened_on({name}, ("::1", port))
    assert not is_listened_on({name}, ("::", port))
    assert is_listened_on({("::1", port)}, ("::", port))


def test_a_unix_socket_is_listened_on_by_its_path(tmp_path: Path) -> None:
    path = str(tmp_path / "x.sock")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        assert is_listened_on({name_of(sock)}, path)
        assert not is_listened_on({name_of(sock)}, path + "x")


def test_a_unix_socket_has_the_mode_and_the_owner_that_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "router.sock"
    access = SocketAccess(mode=0o606, owner=os.getuid(), group=os.getgid())
    (sock,) = bind(UnixAddress(path=str(path)), access)
    with sock:
        found = path.stat()
        assert stat.S_IMODE(found.st_mode) == 0o606
        assert (found.st_uid, found.st_gid) == (os.getuid(), os.getgid())
        assert connects(str(path))


def test_a_unix_socket_is_nobodys_until_it_is_somebodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "router.sock"
    seen: list[tuple[int, bool]] = []

    def look(*_: object) -> None:
        seen.append((stat.S_IMODE(path.stat().st_mode), connects(str(path))))

    monkeypatch.setattr(os, "chown", look)
    before = os.umask(0)
    try:
        bind(UnixAddress(path=str(path)), SocketAccess(owner=1, group=1))[0].close()
        assert os.umask(0) == 0, "the process's own mask is as it was"
    finally:
        os.umask(before)
    assert seen == [(0, False)]


def test_an_owner_that_cannot_be_given_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "router.sock"

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    with pytest.raises(BindFailed, match="only root may"):
        bind(UnixAddress(path=str(path)), SocketAccess(owner=1))
    assert not path.exists()


def test_ipv6_is_listened_on_alone() -> None:
    """`[::]` is not 0.0.0.0 too, whatever net.ipv6.bindv6only says: nginx's `ipv6only=on`."""
    need_ipv6()
    (sock,) = bind(TcpAddress(host="::", port=0))
    with sock:
        port = sock.getsockname()[1]
        with socket.create_connection(("::1", port), timeout=5):
            pass
        assert not connects(("127.0.0.1", port))
        assert is_listened_on({name_of(sock)}, ("::1", port))
