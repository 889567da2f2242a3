"""Listening sockets, made before anything is served."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import stat
from collections.abc import Iterable
from pathlib import Path

from router.errors import RouterError
from router.settings import SocketAccess
from router.table import Address, UnixAddress

BACKLOG = 1024
"""Connections the kernel keeps for us while we are busy; cut to net.core.somaxconn."""


OUR_OWN = SocketAccess()
"""Of a unix socket that nothing is said about."""


class BindFailed(RouterError):
    """An address cannot be listened on."""


def bind(address: Address, access: SocketAccess = OUR_OWN) -> list[socket.socket]:
    """Listens on an address; a name with several addresses (`localhost`) gives a socket for each.

    `access` says who may connect to a unix socket. From here on the kernel takes connections: two
    processes that only bind would both succeed.
    Raises BindFailed, which says what to do about it.
    """
    try:
        if isinstance(address, UnixAddress):
            return [_bind_unix(address.path, access)]
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        return [_bind_tcp(family, sockaddr) for family, _, _, _, sockaddr in found]
    except OSError as error:
        raise BindFailed(f"cannot listen on {address}: {_explain(error)}") from error


def _explain(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another process listens there (`ss -lntxp` names it); end it, or choose another address"
    if error.errno == errno.EACCES:
        return (
            "not permitted (a port below 1024 wants CAP_NET_BIND_SERVICE, a unix socket a folder to write in)"
        )
    return error.strerror or str(error)


def _bind_tcp(
    family: int, sockaddr: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(sockaddr)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _bind_unix(path: str, access: SocketAccess) -> socket.socket:
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Nobody's until it is who it is for; and before it listens, nobody could connect in any case.
        before = os.umask(0o777)
        try:
            sock.bind(path)
        finally:
            os.umask(before)
        if access.owner is not None or access.group is not None:
            _give(path, access)
        Path(path).chmod(access.mode)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _give(path: str, access: SocketAccess) -> None:
    try:
        os.chown(
            path, -1 if access.owner is None else access.owner, -1 if access.group is None else access.group
        )
    except PermissionError as error:
        Path(path).unlink()
        text = "only root may give a socket to another user, or to a group that it is not in itself"
        raise PermissionError(errno.EPERM, text) from error


def _remove_stale(path: str) -> None:
    """Removes a socket that nobody listens on any more; whatever else lies there is left alone."""
    try:
        is_socket = stat.S_ISSOCK(Path(path).lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise FileExistsError(
            errno.EEXIST, "a file that is no socket lies there; move it, or choose another path"
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
        except BlockingIOError:
            pass  # its backlog is full: somebody listens


def unlink(addresses: Iterable[Address]) -> None:
    """Removes the socket files of addresses that are no longer listened on."""
    for address in addresses:
        if isinstance(address, UnixAddress):
            Path(address.path).unlink(missing_ok=True)


def name_of(sock: socket.socket) -> tuple[str, int] | str:
    """Where a socket listens: the path of a unix socket, else host and port."""
    name = sock.getsockname()
    return str(name) if sock.family == socket.AF_UNIX else (str(name[0]), int(name[1]))


def is_listened_on(listeners: Iterable[tuple[str, int] | str], address: tuple[str, int] | str) -> bool:
    """Whether a connection to the address would reach one of these listeners.

    A wildcard listener is on every address of this machine: those that a socket can be bound to.
    """
    if isinstance(address, str):
        return address in listeners
    host, port = address
    for own in listeners:
        if isinstance(own, tuple) and own[1] == port:
            everywhere = own[0] in ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to
            if _as_connected(host) == _as_connected(own[0]) or (everywhere and _is_local(host)):
                return True
    return False


def _as_connected(host: str) -> str:
    """Where Linux connects: an IPv4 address in IPv6's form is that one, the unspecified one is loopback."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "::1"
    return str(address)


def _is_local(host: str) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except (OSError, UnicodeError):
        return False
    return True
