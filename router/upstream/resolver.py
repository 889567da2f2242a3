"""Asks DNS and /etc/hosts, without blocking: addresses of a host, or the records of a service."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import aiodns
import pycares

from router.errors import LookupFailed, NoSuchName
from router.settings import Resolver as ResolverSettings

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[T]):
    """What was found, in no order, and for how many seconds it holds; None where nothing says so."""

    found: tuple[T, ...]
    ttl: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Service:
    """One SRV record (RFC 2782); `target` without the last dot."""

    priority: int
    target: str
    port: int
    weight: int

    def __str__(self) -> str:
        return f"{self.target}:{self.port}"


class Resolver(Protocol):
    """Who is asked. Both raise LookupFailed, which says why there is no answer."""

    async def addresses(self, host: str) -> Answer[str]:
        """Every IPv4 and IPv6 address of the host, as text."""

    async def services(self, name: str) -> Answer[Service]:
        """Every SRV record of the name; none where it says that there is no such service."""


HOSTS = Path("/etc/hosts")

MOST_AT_ONCE = 16
"""Questions asked at the same time: each costs a thread, five descriptors and an inotify instance meanwhile,
of which Linux gives a user 128."""

FAILURES = (aiodns.error.DNSError, pycares.AresError, UnicodeError, RuntimeError)
"""No answer; no channel, where this machine has run out of something; a name that IDNA refuses."""

REASONS = {
    pycares.errno.ARES_ENOTFOUND: "no such host (NXDOMAIN)",
    pycares.errno.ARES_ENODATA: "the name has no such record (NODATA)",
    pycares.errno.ARES_ESERVFAIL: "the name server failed (SERVFAIL)",
    pycares.errno.ARES_EREFUSED: "the name server refused to answer (REFUSED)",
    pycares.errno.ARES_ETIMEOUT: "no name server answered in time (TIMEOUT)",
    pycares.errno.ARES_ECONNREFUSED: "no name server can be reached (ECONNREFUSED)",
    pycares.errno.ARES_EBADNAME: "not a name that DNS can be asked for (EBADNAME)",
}

ABSENT = frozenset({pycares.errno.ARES_ENOTFOUND, pycares.errno.ARES_ENODATA, pycares.errno.ARES_EBADNAME})
"""What says that there is nothing, and not only that nobody could be asked."""


class DnsResolver:
    """Asks by c-ares, which knows /etc/hosts, /etc/resolv.conf with its search domains, and CNAMEs.

    Every question has a channel of its own: c-ares keeps answers in its channels for as long as their TTL
    says, so that a name asked for again before that would not be asked for at all. It costs about 1 ms.
    What is asked beyond `MOST_AT_ONCE` waits for its turn.
    """

    __slots__ = ("_room", "_settings")

    def __init__(self, settings: ResolverSettings) -> None:
        self._settings = settings
        self._room = asyncio.Semaphore(MOST_AT_ONCE)

    async def addresses(self, host: str) -> Answer[str]:
        """By /etc/hosts, else by A and AAAA; an answer to one of the two is enough."""
        try:
            async with self._room, self._channel() as channel:
                result = await channel.getaddrinfo(host, type=socket.SOCK_STREAM)
        except FAILURES as error:
            raise _failed(error) from error
        found = dict.fromkeys(_text(node.addr[0]) for node in result.nodes)
        # A CNAME may be the one that moves, and say so by a shorter TTL.
        ttls = [node.ttl for node in result.nodes] + [cname.ttl for cname in result.cnames]
        ttl = min(ttls, default=0)
        # c-ares gives 0 to what has none, and a server may mean it.
        return Answer(found=tuple(found), ttl=None if ttl == 0 and _is_local(host) else ttl)

    async def services(self, name: str) -> Answer[Service]:
        """By SRV; a target of `.` means that there is none (RFC 2782)."""
        try:
            async with self._room, self._channel() as channel:
                result = await channel.query_dns(name, "SRV")
        except FAILURES as error:
            raise _failed(error) from error
        found = [
            Service(
                priority=data.priority, target=data.target.rstrip("."), port=data.port, weight=data.weight
            )
            for data in (each.data for each in result.answer)
            if isinstance(data, pycares.SRVRecordData)
        ]
        if not found:
            raise NoSuchName(REASONS[pycares.errno.ARES_ENODATA])
        ttl = min(each.ttl for each in result.answer)
        return Answer(found=tuple(each for each in found if each.target), ttl=ttl)

    def _channel(self) -> aiodns.DNSResolver:
        settings = self._settings
        return aiodns.DNSResolver(
            nameservers=settings.servers or None,
            loop=asyncio.get_running_loop(),
            timeout=settings.timeout,
            tries=settings.attempts,
        )


def _is_local(host: str) -> bool:
    """Whether /etc/hosts has the name, or no server is asked for it (RFC 6761 section 6.3)."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        lines = HOSTS.read_text(encoding="utf-8", errors="replace").lower().splitlines()
    except OSError:
        return False
    return any(name in line.partition("#")[0].split()[1:] for line in lines)


def _text(address: bytes | str) -> str:
    return address.decode("ascii") if isinstance(address, bytes) else address


def _failed(error: Exception) -> LookupFailed:
    if isinstance(error, UnicodeError | RuntimeError):
        return LookupFailed(REASONS[pycares.errno.ARES_EBADNAME])
    kind = NoSuchName if error.args[0] in ABSENT else LookupFailed
    return kind(REASONS.get(error.args[0]) or f"DNS: {error.args[-1]}")
