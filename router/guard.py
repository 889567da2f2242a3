"""The one home of the guard: replication is never reachable, by endpoint, by socket or by path."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

from router.errors import ReplicationExposed
from router.request import RequestHead
from router.settings import ClosedListener
from router.settings import Guard as GuardSettings
from router.table import Address, DnsAddress, Endpoint, Refusal, TcpAddress, UnixAddress

Resolve: TypeAlias = Callable[[str, int], Iterable[str]]
"""From a host name and a port to addresses as text; raises OSError where there are none.

TimeoutError, which is one, where nobody can tell yet: a listener could be anywhere then.
"""

NEVER_OPEN = "/_synapse/replication"
CLOSED_PREFIXES = frozenset({NEVER_OPEN, "/_synapse/admin", "/_synapse/mas"})

CLOSED = Refusal(status=404, errcode="M_UNRECOGNIZED", error="Unrecognized request")
AMBIGUOUS = Refusal(
    status=400,
    errcode="M_UNKNOWN",
    error="The path means one thing as sent and another when decoded or resolved",
)

WAY_OUT = (
    "name the worker's client listener; if this is one, say which ports replication really has in "
    "`guard: {replication: […]}`, or give replication and metrics listeners of their own in Synapse's file"
)
"""What to do about an endpoint that is a closed listener."""

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

# Words that no host spells: for all addresses that mean the same machine, a wildcard, an unknown place.
_LOOPBACK = "<loopback>"
_ANY = "<any>"
_UNKNOWN = "<unknown>"

_MATRIX_PLACES = frozenset({b"client", b"federation", b"key", b"media"})
# Where most requests go; `/_matrix/` is nine bytes.
_ORDINARY = (b"/_matrix/client/", b"/_matrix/federation/", b"/_matrix/media/", b"/_matrix/key/")


def resolve_by_system(host: str, port: int) -> Iterable[str]:
    """What getaddrinfo(3) knows of the host; blocks while it asks."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


class Guard:
    """Judges endpoints, resolved socket addresses and request paths by what `settings.Guard` says.

    Replication listeners are unauthenticated (Synapse's worker documentation: "must not be exposed"),
    so what can't be told apart from one is taken for one: all loopback addresses are one host, and a
    listener on every address is on every host.
    """

    __slots__ = ("_closed", "_ports", "_resolve", "_settings", "_sockets")

    def __init__(self, settings: GuardSettings, resolve: Resolve = resolve_by_system) -> None:
        self._settings = settings
        self._resolve = resolve
        self._closed = frozenset(
            prefix.encode()
            for prefix in CLOSED_PREFIXES
            if prefix == NEVER_OPEN or prefix not in settings.open_prefixes
        )
        listed = [
            ClosedListener(address=address, reason=f"is the replication listener {address}")
            for address in settings.replication_addresses
        ]
        listed += settings.closed
        self._ports = _by_port(listed)
        self._sockets = tuple(
            (listener.address.path, listener.reason)
            for listener in listed
            if isinstance(listener.address, UnixAddress)
        )

    def judge(self, address: Address | DnsAddress) -> str | None:
        """Why the address is, or could be, a listener that is closed; None where it is not.

        A name is resolved where a listed listener has its port, since only then can it matter; one
        that doesn't resolve yet is judged again by its socket address, before each connect.
        """
        if isinstance(address, UnixAddress):
            return self._judge_unix(address.path)
        if isinstance(address, DnsAddress):
            if address.port is None:
                return None
            address = TcpAddress(host=address.name, port=address.port)
        return self._judge_host(address.host, address.port, self._resolve) or self._judge_port(address.port)

    def judge_sockaddr(self, sockaddr: tuple[str | int, ...] | str | bytes) -> str | None:
        """The same for what a socket is about to connect to, as the socket module writes addresses."""
        if isinstance(sockaddr, tuple):
            host, port = str(sockaddr[0]), int(sockaddr[1])
            return self._judge_host(host, port, _resolved_already) or self._judge_port(port)
        return self._judge_unix(os.fsdecode(sockaddr))

    def check(self, endpoint: Endpoint) -> None:
        """Raises ReplicationExposed, at the endpoint's source, for an endpoint that can't be served."""
        reason = self.judge(endpoint.address)
        if reason is not None:
            raise ReplicationExposed(
                f"the endpoint {endpoint.name} {reason}",
                source=endpoint.source,
                hint=WAY_OUT,
            )

    def refuses(self, head: RequestHead) -> Refusal | None:
        """The answer to a head whose path is closed or ambiguous; None lets it pass.

        Synapse is reached by two readings at once: Twisted splits the raw path at `/` and decodes each
        segment to walk its tree of resources (twisted/web/server.py, Request.process), while most of
        Synapse's resources hold regular expressions against the raw path (synapse/http/server.py,
        JsonResource). nginx, in front of it or replaced by this, reads the normalised path. All three
        have to agree on the place that is asked for.
        """
        path = head.path
        # No escape is in the first two segments: only dots and slashes further on can lead elsewhere.
        if path.startswith(_ORDINARY) and (
            not head.reshaped or head.normalised.startswith(path[: path.index(b"/", 9) + 1])
        ):
            return None
        segments = _first_two(path)
        place = _place(segments)
        if b"%" in path and _place([unquote_to_bytes(segment) for segment in segments]) != place:
            return AMBIGUOUS
        if head.reshaped and _place(_first_two(head.normalised)) != place:
            return AMBIGUOUS
        return CLOSED if place in self._closed else None

    def _judge_port(self, port: int) -> str | None:
        for low, high in self._settings.replication_ports:
            if low <= port <= high:
                listed = str(low) if low == high else f"{low}-{high}"
                return f"has a replication port ({listed})"
        return None

    def _judge_host(self, host: str, port: int, resolve: Resolve) -> str | None:
        listeners = self._ports.get(port)
        if listeners is None:
            return None
        asked = _hosts(host, port, resolve)
        for listed, reason in listeners:
            hosts = _hosts(listed, port, self._resolve)
            if _meet(asked, hosts):
                return reason
            if _UNKNOWN in hosts:
                return f"has the port of the closed listener {listed}:{port}, which is not resolved yet"
        return None

    def _judge_unix(self, path: str) -> str | None:
        try:
            real = _follow(path)
            for listed, reason in self._sockets:
                if _is_socket(real, listed):
                    return reason
            for name in (Path(path).name, real.name):
                if "replication" in name.lower():
                    return f"has `replication` in its file name ({name})"
        except (OSError, RuntimeError, ValueError) as error:
            # A loop of links, or a NUL: nothing that could be served, so nothing that need be told apart.
            return f"has a path that cannot be followed ({error})"
        return None


def could_reach(address: Address, listener: Address) -> bool:
    """Whether a connection to the address can end at the listener, in any spelling; asks for no name."""
    if isinstance(address, TcpAddress) and isinstance(listener, TcpAddress):
        port = address.port
        asked = _hosts(address.host, port, _nobody_asked)
        return port == listener.port and _meet(asked, _hosts(listener.host, port, _nobody_asked))
    if isinstance(address, UnixAddress) and isinstance(listener, UnixAddress):
        try:
            return _is_socket(_follow(address.path), listener.path)
        except (OSError, RuntimeError, ValueError):
            return False
    return False


def _by_port(listed: Iterable[ClosedListener]) -> Mapping[int, tuple[tuple[str, str], ...]]:
    """Host and reason of each TCP listener, in order."""
    found: dict[int, tuple[tuple[str, str], ...]] = {}
    for listener in listed:
        if isinstance(listener.address, TcpAddress):
            port = listener.address.port
            found[port] = (*found.get(port, ()), (listener.address.host, listener.reason))
    return found


def _is_socket(real: Path, listed: str) -> bool:
    return real == _follow(listed) or _same_file(real, Path(listed))


def _follow(path: str) -> Path:
    """The path behind all links, of a missing file too; raises OSError or RuntimeError for a loop."""
    try:
        return Path(path).resolve(strict=True)
    except FileNotFoundError:
        return Path(path).resolve()


def _same_file(one: Path, other: Path) -> bool:
    """By device and inode, so that hard links and bind mounts are seen through; no for what isn't there."""
    try:
        return one.samefile(other)
    except FileNotFoundError:
        return False


def _meet(asked: frozenset[str], listed: frozenset[str]) -> bool:
    """Whether what is asked for can be a listener there: an unspecified address is asked for on loopback."""
    if _ANY in listed or asked & listed:
        return True
    return _ANY in asked and _LOOPBACK in listed


def _hosts(host: str, port: int, resolve: Resolve) -> frozenset[str]:
    """Every address that the host stands for, and its own name, each in one spelling.

    Linux connects the unspecified address to loopback; as a listener it is every address.
    """
    name = host.lower().rstrip(".")
    address = numeric(name)
    if address is not None:
        return frozenset({_spelling(address)})
    if name == "localhost" or name.endswith(".localhost"):
        return frozenset({_LOOPBACK, name})
    try:
        found = [numeric(text) for text in resolve(host, port)]
    except TimeoutError:
        return frozenset({name, _UNKNOWN})
    except (OSError, UnicodeError):
        found = []
    return frozenset({name, *(_spelling(each) for each in found if each is not None)})


def numeric(text: str) -> IpAddress | None:
    """An address in any form that connect(2) would be given: inet_aton(3) takes 127.1, 0x7f.1, 2130706433."""
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(text))
    except (OSError, ValueError):
        return None


def _spelling(address: IpAddress) -> str:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_unspecified:
        return _ANY
    return _LOOPBACK if address.is_loopback else str(address)


def _resolved_already(host: str, port: int) -> Iterable[str]:
    raise OSError(f"{host}:{port} is no resolved socket address")


def _nobody_asked(host: str, port: int) -> Iterable[str]:
    raise OSError(f"{host}:{port} is compared as it is written")


def _first_two(path: bytes) -> list[bytes]:
    return path.split(b"/", 3)[1:3]


def _place(segments: list[bytes]) -> bytes:
    """The part of a homeserver that the first two segments of a path name, as the prefix of its paths."""
    first, second = segments[0], segments[1] if len(segments) > 1 else b""
    if first == b"_synapse":
        return b"/_synapse/" + second
    if first == b"_matrix":
        return b"/_matrix/" + second if second in _MATRIX_PLACES else b"/_matrix"
    return b"/" + first if first in (b".well-known", b"health") else b"/"
