"""Keeps the endpoints what their names stand for, and away from what the guard closes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from router.table import DnsAddress, Endpoint, TcpAddress, Upstream
from router.upstream.expansion import MOST_FOUND, Found, expand, of_addresses, of_services
from router.upstream.names import Entry, Names, is_name
from router.upstream.pool import Judge
from router.upstream.resolver import Service

Upstreams = Mapping[str, Upstream]


@dataclass(frozen=True, slots=True, kw_only=True)
class NameState:
    """What is known of one name: what it stands for, what of that the guard closes and why.

    `error` is why the last question failed, empty where it did not; `age` and `due` are the seconds since
    the last answer (None before the first) and until the next question.
    """

    name: str
    found: tuple[str, ...]
    closed: tuple[str, ...]
    error: str
    age: float | None
    due: float
    ok: int
    failed: int


class Discovery:
    """The upstreams as they are now, made from those that are written."""

    __slots__ = (
        "_closed",
        "_judge",
        "_listed",
        "_names",
        "_on_change",
        "_origins",
        "_say",
        "_surplus",
        "_written",
        "upstreams",
    )

    def __init__(
        self,
        written: Upstreams,
        names: Names,
        *,
        judge: Judge,
        say: Callable[[str], None],
        listed: Iterable[str] = (),
    ) -> None:
        """`listed` are the hosts of replication listeners, which the guard compares with."""
        self._written = written
        self._names = names
        self._judge = judge
        self._on_change: Callable[[], None] = lambda: None
        self._say = say
        self._listed = tuple(host for host in listed if is_name(host))
        self._closed: dict[str, dict[str, str]] = {}
        self._origins: dict[str, str] = {}
        self._surplus: set[str] = set()
        self.upstreams: Upstreams = dict(written)
        names.tell(self.refresh)
        self._watch()

    @property
    def names(self) -> tuple[NameState, ...]:
        """Every name that is asked for, hosts first."""
        now = self._names.clock()
        return tuple(_state(each, self._closed.get(each.name, {}), now) for each in self._names.all())

    def tell(self, on_change: Callable[[], None]) -> None:
        """Who is told of each answer that is another one: it may change `upstreams`, or where a host is."""
        self._on_change = on_change

    def refresh(self) -> None:
        """Makes the upstreams anew from what is known of names, and tells."""
        before, self._closed = self._closed, {}
        self._origins = {}
        found = {address: self._found(address) for address in self._dns_addresses()}
        self.upstreams = expand(self._written, found)
        self._watch()
        for address in self._tcp_addresses():
            if is_name(address.host):
                self._open(address.host, (Found(address=one) for one in self._reached(address)))
        for name, closed in self._closed.items():
            for what, reason in closed.items():
                if what not in before.get(name, {}):
                    self._say(f"name {name}: {what} {reason}, and gets no requests")
        self._on_change()

    def leads_to(self) -> dict[str, frozenset[str] | None]:
        """The addresses that connections to each endpoint may lead to; None for one that is no name."""
        names = self._names
        return {
            endpoint.name: frozenset(names.known(endpoint.address.host))
            if isinstance(endpoint.address, TcpAddress) and is_name(endpoint.address.host)
            else None
            for endpoint in self.endpoints()
        }

    def endpoints(self) -> Iterator[Endpoint]:
        """Every endpoint of every upstream; one may stand in several."""
        for upstream in self.upstreams.values():
            yield from upstream.endpoints

    def unresolved(self) -> Iterator[tuple[Endpoint, str]]:
        """Each `dns:` that stands for nothing now, and why."""
        for endpoint in self.endpoints():
            address = endpoint.address
            if isinstance(address, DnsAddress):
                yield endpoint, self._why(address)

    def endpoint_failed(self, name: str) -> None:
        """An endpoint went down: the `dns:` that found it is asked for again soon."""
        if name in self._origins:
            self._names.hurry((self._origins[name],))

    def _why(self, address: DnsAddress) -> str:
        entry = self._entry(address)
        closed = self._closed.get(address.name)
        if entry is None or (not entry.error and entry.answered is None):
            return "not resolved yet"
        if closed and not entry.error:
            return "; ".join(f"{what} {reason}" for what, reason in closed.items())
        return entry.error or "there is no such service"

    def _entry(self, address: DnsAddress) -> Entry[str] | Entry[Service] | None:
        entries: Mapping[str, Entry[str] | Entry[Service]]
        entries = self._names.services if address.port is None else self._names.hosts
        return entries.get(address.name)

    def _found(self, address: DnsAddress) -> tuple[Found, ...]:
        """What it stands for, without what the guard closes."""
        if address.port is None:
            service = self._names.services.get(address.name)
            found = of_services(service.found) if service is not None else ()
        else:
            found = of_addresses(self._names.known(address.name), address.port)
        if len(found) > MOST_FOUND and address.name not in self._surplus:
            self._surplus.add(address.name)
            self._say(f"name {address.name}: {len(found)} endpoints, of which {MOST_FOUND} are used")
        opened = tuple(self._open(address.name, found[:MOST_FOUND]))
        self._origins.update((str(each.address), address.name) for each in opened)
        return opened

    def _open(self, name: str, found: Iterable[Found]) -> list[Found]:
        """Those that are not closed; the others are noted."""
        opened = []
        for each in found:
            reason = self._judge((each.address.host, each.address.port))
            if reason is None:
                opened.append(each)
            else:
                self._closed.setdefault(name, {})[str(each.address)] = reason
        return opened

    def _reached(self, address: TcpAddress) -> Iterator[TcpAddress]:
        for known in self._names.known(address.host):
            yield TcpAddress(host=known, port=address.port)

    def _dns_addresses(self) -> list[DnsAddress]:
        return [
            endpoint.address
            for upstream in self._written.values()
            for endpoint in upstream.endpoints
            if isinstance(endpoint.address, DnsAddress)
        ]

    def _tcp_addresses(self) -> list[TcpAddress]:
        return [each.address for each in self.endpoints() if isinstance(each.address, TcpAddress)]

    def _watch(self) -> None:
        asked = self._dns_addresses()
        hosts = [address.host for address in self._tcp_addresses() if is_name(address.host)]
        hosts += [address.name for address in asked if address.port is not None]
        services = [address.name for address in asked if address.port is None]
        self._names.watch((*hosts, *self._listed), services)


def _state(entry: Entry[str] | Entry[Service], closed: Mapping[str, str], now: float) -> NameState:
    return NameState(
        name=entry.name,
        found=tuple(map(str, entry.found)),
        closed=tuple(f"{what} {reason}" for what, reason in closed.items()),
        error=entry.error,
        age=None if entry.answered is None else now - entry.answered,
        due=max(entry.due - now, 0.0),
        ok=entry.ok,
        failed=entry.failed,
    )
