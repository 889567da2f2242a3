"""What names stand for now: each is asked for again when its TTL ends, or when a connection fails.

unknown ──> known ──> due (TTL) ──> known        the answer may be another one
   │          │
   └── failed ┴── failed: the last answer stays in use, asked again soon
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Generic, TypeVar

from router.errors import LookupFailed, NoSuchName
from router.guard import numeric
from router.settings import Resolver as ResolverSettings
from router.upstream.resolver import Answer, Resolver, Service

SOONEST = 1.0
"""Seconds between two questions for one name, whatever happens."""

RETRY = 5.0
"""Seconds until a name that is known is asked for again after its question failed."""

PATIENCE = 1.0
"""Seconds that a connection waits for a new answer, where the known addresses refuse it."""

FIRST_PATIENCE = 5.0
"""Seconds that a start waits for the first answers; without them it serves what it can."""

T = TypeVar("T")


class Entry(Generic[T]):
    """One name: what it stands for, sorted, and why the last question failed (empty where it did not).

    `absent` tells that DNS has said that there is none, as long as it has not said otherwise.
    `asked`, `answered` and `due` are seconds of the clock; `answered` is None before the first answer.
    """

    __slots__ = (
        "_ask",
        "_order",
        "absent",
        "answered",
        "asked",
        "asking",
        "due",
        "error",
        "failed",
        "found",
        "name",
        "ok",
    )

    def __init__(
        self, name: str, ask: Callable[[str], Awaitable[Answer[T]]], order: Callable[[T], tuple[object, ...]]
    ) -> None:
        self.name = name
        self.found: tuple[T, ...] = ()
        self.error = ""
        self.absent = False
        self.asked: float | None = None
        self.answered: float | None = None
        self.due = 0.0
        self.ok = 0
        self.failed = 0
        self.asking: asyncio.Task[None] | None = None
        self._ask = ask
        self._order = order

    async def ask(
        self, settings: ResolverSettings, clock: Callable[[], float], say: Callable[[str], None]
    ) -> bool:
        """Asks, notes and says what comes of it; tells whether that is news."""
        before = self.found
        try:
            answer = await self._ask(self.name)
        except LookupFailed as error:
            news = self.fail(str(error), clock(), absent=isinstance(error, NoSuchName))
            if news:
                say(f"name {self.name}: {error}" + (f"; still {_listed(before)}" if before else ""))
            return news
        failed = bool(self.error)
        news = self.take(answer, clock(), settings)
        if news or failed:
            was = f", was {_listed(before)}" if before and news else ""
            say(f"name {self.name} is {_listed(self.found)}{was}")
        return news or failed

    def take(self, answer: Answer[T], now: float, settings: ResolverSettings) -> bool:
        """Notes an answer; tells whether it is another one: its order and its TTL don't count."""
        before, was = self.found, self.answered
        self.found = tuple(sorted(set(answer.found), key=self._order))
        self.error = ""
        self.absent = False
        self.answered = now
        self.ok += 1
        ttl = settings.max_ttl if answer.ttl is None else min(answer.ttl, settings.max_ttl)
        self.due = now + max(ttl, settings.min_ttl)
        return was is None or self.found != before

    def fail(self, error: str, now: float, *, absent: bool) -> bool:
        """Notes a question without an answer; tells whether that is news."""
        news = not self.error or (absent and not self.absent)
        self.error = error
        self.absent = self.absent or absent
        self.failed += 1
        self.due = now + (SOONEST if self.answered is None else RETRY)
        return news

    def may_ask(self, now: float) -> bool:
        """Whether it is not asked for just now, and was not within the last second."""
        return self.asking is None and (self.asked is None or now - self.asked >= SOONEST)


class Names:
    """Every name that endpoints or listed replication listeners are written with.

    `on_change` is told after each answer that is another one, and of a name's first failure.
    """

    __slots__ = ("_on_change", "_resolver", "_say", "_settings", "clock", "hosts", "services")

    def __init__(
        self,
        resolver: Resolver,
        settings: ResolverSettings,
        *,
        clock: Callable[[], float],
        say: Callable[[str], None],
    ) -> None:
        self._resolver = resolver
        self._settings = settings
        self.clock = clock
        self._say = say
        self._on_change: Callable[[], None] = lambda: None
        self.hosts: dict[str, Entry[str]] = {}
        self.services: dict[str, Entry[Service]] = {}

    def tell(self, on_change: Callable[[], None]) -> None:
        """Who is told of changes."""
        self._on_change = on_change

    def watch(self, hosts: Iterable[str], services: Iterable[str]) -> None:
        """From now on these; what is known of others is forgotten, what was known of these stays."""
        hosts, services = set(hosts), set(services)
        for entry in self.all():
            if entry.name not in hosts | services and entry.asking is not None:
                entry.asking.cancel()
        self.hosts = {name: self.hosts.get(name) or self._host(name) for name in sorted(hosts)}
        self.services = {name: self.services.get(name) or self._service(name) for name in sorted(services)}

    def _host(self, name: str) -> Entry[str]:
        return Entry(name, self._resolver.addresses, order_of_address)

    def _service(self, name: str) -> Entry[Service]:
        return Entry(
            name,
            self._resolver.services,
            lambda each: (each.priority, each.target, each.port, each.weight),
        )

    def all(self) -> Iterator[Entry[str] | Entry[Service]]:
        """Every name that is watched: hosts, then services."""
        yield from self.hosts.values()
        yield from self.services.values()

    async def resolve_all(self) -> None:
        """Asks for every name that was never asked for, also for those that answers bring up."""
        while new := [entry for entry in self.all() if entry.asked is None]:
            await asyncio.wait([self._begin(entry) for entry in new], timeout=FIRST_PATIENCE)

    def tick(self) -> None:
        """Begins to ask for what is due; called once a second."""
        now = self.clock()
        for entry in tuple(self.all()):
            if entry.due <= now and entry.may_ask(now):
                self._begin(entry)

    def hurry(self, names: Iterable[str]) -> None:
        """Something is wrong with what these stand for: they are asked for at the next occasion."""
        wanted = set(names)
        for entry in self.all():
            if entry.name in wanted:
                entry.due = self.clock()

    def known(self, host: str) -> tuple[str, ...]:
        """The addresses of a host; none where it never had an answer."""
        entry = self.hosts.get(host)
        return entry.found if entry is not None else ()

    def resolve(self, host: str, port: int) -> Iterable[str]:  # noqa: ARG002 - the guard's signature
        """The same for the guard: raises OSError where there are none, TimeoutError while nobody knows."""
        entry = self.hosts.get(host)
        if entry is not None and not entry.found and not entry.absent:
            raise TimeoutError(f"{host} is not resolved yet")
        if entry is None or not entry.found:
            raise OSError(f"{host} has no address")
        return entry.found

    async def ask_again(self, host: str) -> tuple[str, ...]:
        """The addresses of a host that refused at those known; asks for it, at most once a second.

        Waits no longer than `PATIENCE` for an answer, and for none where a question has failed and there
        is nothing else to try. Raises LookupFailed where the host has no address.
        """
        entry = self.hosts.get(host)
        if entry is None:
            entry = self.hosts[host] = self._host(host)
        if entry.may_ask(self.clock()):
            self._begin(entry)
        if entry.asking is not None and (entry.found or not entry.error):
            await asyncio.wait([entry.asking], timeout=PATIENCE)
        if not entry.found:
            raise LookupFailed(entry.error or "its name is not resolved yet")
        return entry.found

    def _begin(self, entry: Entry[str] | Entry[Service]) -> asyncio.Task[None]:
        entry.asked = self.clock()
        entry.asking = asyncio.get_running_loop().create_task(self._settle(entry))
        return entry.asking

    async def _settle(self, entry: Entry[str] | Entry[Service]) -> None:
        try:
            news = await entry.ask(self._settings, self.clock, self._say)
        finally:
            entry.asking = None
        if news:
            self._on_change()

    async def close(self) -> None:
        """Gives up every question."""
        asking = [entry.asking for entry in self.all() if entry.asking is not None]
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


def order_of_address(text: str) -> tuple[object, ...]:
    """IPv4 before IPv6, then by number: the same addresses are always in the same order."""
    address = ipaddress.ip_address(text)
    return address.version, int(address), text


def is_name(host: str) -> bool:
    """Whether the host has to be resolved, and is not an address in any form."""
    return numeric(host) is None


def _listed(found: Iterable[object]) -> str:
    words = list(map(str, found))
    shown = ", ".join(words[:5]) + (f" and {len(words) - 5} more" if len(words) > 5 else "")
    return shown or "nothing"
