"""A resolver that knows what the test tells it, at once; the wire is the business of tests/nameserver.py."""

from __future__ import annotations

from collections.abc import Iterable

from router.errors import LookupFailed, NoSuchName
from router.upstream.resolver import Answer, Service


class KnownNames:
    """Hosts with addresses, services with records; `ttl` holds for all of them, `asked` has each question.

    A name that is set to a text fails with it; one that is not there does not exist.
    """

    def __init__(self, **hosts: Iterable[str]) -> None:
        self.hosts: dict[str, Iterable[str] | str] = dict(hosts)
        self.services_known: dict[str, Iterable[Service] | str] = {}
        self.ttl: float | None = 60.0
        self.asked: list[str] = []

    async def addresses(self, host: str) -> Answer[str]:
        self.asked.append(host)
        if host not in self.hosts:
            raise NoSuchName("no such host (NXDOMAIN)")
        found = self.hosts[host]
        if isinstance(found, str):
            raise LookupFailed(found)
        return Answer(found=tuple(found), ttl=self.ttl)

    async def services(self, name: str) -> Answer[Service]:
        self.asked.append(name)
        found = self.services_known.get(name, "no such host (NXDOMAIN)")
        if isinstance(found, str):
            raise LookupFailed(found)
        return Answer(found=tuple(found), ttl=self.ttl)
