"""A name server that knows what the test tells it: on loopback, by UDP, in the test's own loop."""

from __future__ import annotations

import asyncio
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class NameServer(asyncio.DatagramProtocol):
    """Answers what `answer` was told, fails as `fail` says, and NXDOMAIN for every other name.

    A CNAME comes with what its target has, as from a server that recurses.

    `asked` has each question as it came: name and type.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self._known: dict[str, dict[str, tuple[int, tuple[str, ...]]]] = {}
        self._failing: dict[str, str] = {}
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def start(cls) -> NameServer:
        """Listens on a free port."""
        loop = asyncio.get_running_loop()
        _, server = await loop.create_datagram_endpoint(cls, local_addr=("127.0.0.1", 0))
        return server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    @property
    def address(self) -> str:
        """As `resolver: {servers: […]}` takes it."""
        assert self._transport is not None
        host, port = self._transport.get_extra_info("sockname")
        return f"{host}:{port}"

    def answer(self, name: str, kind: str, *records: str, ttl: int = 60) -> None:
        """From now on the name has these records of that kind; others of its records stay."""
        self._failing.pop(name, None)
        self._known.setdefault(name, {})[kind] = (ttl, records)

    def fail(self, name: str, how: str) -> None:
        """From now on: NXDOMAIN, SERVFAIL, REFUSED, or `drop` for no answer at all."""
        self._failing[name] = how

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        reply = dns.message.make_response(query, recursion_available=True)
        how = self._failing.get(name) or ("" if name in self._known else "NXDOMAIN")
        if how == "drop":
            return
        if how:
            reply.set_rcode(dns.rcode.from_text(how))
        else:
            owner = name
            while alias := self._known.get(owner, {}).get("CNAME"):
                reply.answer.append(dns.rrset.from_text(f"{owner}.", alias[0], "IN", "CNAME", *alias[1]))
                owner = alias[1][0].rstrip(".")
            ttl, records = self._known.get(owner, {}).get(kind, (0, ()))
            if records:
                reply.answer.append(dns.rrset.from_text(f"{owner}.", ttl, "IN", kind, *records))
        assert self._transport is not None
        self._transport.sendto(reply.to_wire(), addr)

    def stop(self) -> None:
        if self._transport is not None:
            self._transport.close()
