"""When names are asked for, and what stays in use where there is no answer: by a clock of our own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

import router.upstream.names
from router.errors import LookupFailed
from router.settings import Resolver as ResolverSettings
from router.upstream.names import Names, is_name
from router.upstream.resolver import Answer, Service
from tests.known_names import KnownNames
from tests.wire import settle


class Watched:
    """Names with a clock that the test moves; `changes` counts what was told, `said` has the lines."""

    def __init__(self, settings: ResolverSettings | None = None) -> None:
        self.now = 100.0
        self.said: list[str] = []
        self.changes = 0
        self.resolver = KnownNames(synapse=["10.0.0.5"], other=["10.0.0.9"])
        self.names = Names(
            self.resolver, settings or ResolverSettings(), clock=lambda: self.now, say=self.said.append
        )
        self.names.tell(self._count)

    def _count(self) -> None:
        self.changes += 1

    async def after(self, seconds: float) -> list[str]:
        """Who is asked once that much time has passed, second by second."""
        self.resolver.asked.clear()
        for _ in range(round(seconds)):
            self.now += 1
            self.names.tick()
            await settle()
        return self.resolver.asked


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    watched = Watched()
    watched.names.watch(["synapse"], [])
    await watched.names.resolve_all()
    yield watched
    await watched.names.close()


@pytest.mark.parametrize(("ttl", "asked_after"), [(0, 1), (1, 1), (5, 5), (30, 30), (600, 30), (None, 30)])
async def test_a_name_is_asked_for_again_when_its_ttl_ends(ttl: float | None, asked_after: int) -> None:
    watched = Watched()
    watched.resolver.ttl = ttl
    watched.names.watch(["synapse"], [])
    await watched.names.resolve_all()
    assert await watched.after(asked_after - 1) == []
    assert await watched.after(1) == ["synapse"]
    await watched.names.close()


async def test_the_bounds_are_settings() -> None:
    watched = Watched(ResolverSettings(min_ttl=4.0, max_ttl=6.0))
    watched.names.watch(["synapse"], [])
    watched.resolver.ttl = 1
    await watched.names.resolve_all()
    assert len(await watched.after(12)) == 3
    watched.resolver.ttl = 60
    await watched.after(4)
    assert len(await watched.after(12)) == 2


async def test_the_same_addresses_in_another_order_are_no_change(watched: Watched) -> None:
    watched.resolver.hosts["synapse"] = ["10.0.0.6", "2001:db8::1", "10.0.0.20", "10.0.0.5"]
    await watched.after(60)
    told = watched.changes
    assert watched.names.known("synapse") == ("10.0.0.5", "10.0.0.6", "10.0.0.20", "2001:db8::1")
    watched.resolver.hosts["synapse"] = ["10.0.0.20", "10.0.0.5", "10.0.0.6", "10.0.0.6", "2001:db8::1"]
    await watched.after(60)
    assert watched.changes == told == 2
    assert watched.said == [
        "name synapse is 10.0.0.5",
        "name synapse is 10.0.0.5, 10.0.0.6, 10.0.0.20, 2001:db8::1, was 10.0.0.5",
    ]


async def test_the_last_addresses_stay_where_there_is_no_answer_and_it_is_said_once(watched: Watched) -> None:
    watched.resolver.hosts["synapse"] = "the name server failed (SERVFAIL)"
    asked = await watched.after(50)
    assert len(asked) == 5, "at its TTL's end, then each five seconds"
    assert watched.names.known("synapse") == ("10.0.0.5",)
    assert watched.said[1:] == ["name synapse: the name server failed (SERVFAIL); still 10.0.0.5"]
    entry = watched.names.hosts["synapse"]
    assert (entry.error, entry.ok, entry.failed) == ("the name server failed (SERVFAIL)", 1, 5)
    watched.resolver.hosts["synapse"] = ["10.0.0.5"]
    await watched.after(5)
    assert (entry.error, entry.ok) == ("", 2)
    assert watched.said[2:] == ["name synapse is 10.0.0.5"]
    assert watched.changes == 3, "the answer, the failure, and its end"


async def test_a_name_that_was_never_known_is_asked_for_each_second(watched: Watched) -> None:
    watched.names.watch(["synapse", "late"], [])
    await watched.names.resolve_all()
    assert watched.names.known("late") == ()
    assert (await watched.after(3)).count("late") == 3
    watched.resolver.hosts["late"] = ["10.0.0.7"]
    await watched.after(1)
    assert watched.names.known("late") == ("10.0.0.7",)
    assert watched.said[1:] == ["name late: no such host (NXDOMAIN)", "name late is 10.0.0.7"]


async def test_services_are_names_too() -> None:
    watched = Watched()
    one = Service(priority=1, weight=1, port=8008, target="a")
    watched.resolver.services_known["_http._tcp.synapse"] = [one]
    watched.names.watch([], ["_http._tcp.synapse"])
    await watched.names.resolve_all()
    assert watched.names.services["_http._tcp.synapse"].found == (one,)
    assert watched.said == ["name _http._tcp.synapse is a:8008"]


async def test_what_is_watched_changes_and_what_stays_is_not_asked_for_again(watched: Watched) -> None:
    watched.resolver.asked.clear()
    watched.names.watch(["synapse", "other"], [])
    await watched.names.resolve_all()
    assert watched.resolver.asked == ["other"]
    watched.names.watch(["other"], [])
    assert watched.names.known("synapse") == ()
    assert set(await watched.after(60)) == {"other"}


async def test_a_refused_name_is_asked_for_at_once_but_once_a_second(watched: Watched) -> None:
    watched.now += 5
    watched.resolver.asked.clear()
    watched.resolver.hosts["synapse"] = ["10.0.0.6"]
    assert await watched.names.ask_again("synapse") == ("10.0.0.6",)
    watched.resolver.hosts["synapse"] = ["10.0.0.7"]
    assert await watched.names.ask_again("synapse") == ("10.0.0.6",)
    assert watched.resolver.asked == ["synapse"]
    watched.now += 1
    assert await watched.names.ask_again("synapse") == ("10.0.0.7",)


async def test_who_asks_at_the_same_time_waits_for_one_answer(watched: Watched) -> None:
    watched.now += 5
    watched.resolver.asked.clear()
    watched.resolver.hosts["synapse"] = ["10.0.0.6"]
    found = await asyncio.gather(*(watched.names.ask_again("synapse") for _ in range(5)))
    assert found == [("10.0.0.6",)] * 5
    assert watched.resolver.asked == ["synapse"]


class Silent(KnownNames):
    """Never answers."""

    async def addresses(self, host: str) -> Answer[str]:
        self.asked.append(host)
        await asyncio.get_running_loop().create_future()
        raise AssertionError


async def test_nobody_waits_long_for_a_silent_server(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router.upstream.names, "PATIENCE", 0.01)
    monkeypatch.setattr(router.upstream.names, "FIRST_PATIENCE", 0.01)
    watched.now += 5
    watched.names.hosts["synapse"]._ask = Silent().addresses
    assert await watched.names.ask_again("synapse") == ("10.0.0.5",)
    assert watched.names.hosts["synapse"].asking is not None, "the question goes on without who asked"
    await watched.names.close()
    names = Names(Silent(), ResolverSettings(), clock=lambda: 0.0, say=lambda _: None)
    names.watch(["a", "b"], [])
    await names.resolve_all()
    with pytest.raises(LookupFailed, match="not resolved yet"):
        await names.ask_again("a")
    await names.close()
    assert [entry.asking for entry in names.all()] == [None, None]


async def test_a_name_without_an_address_fails_by_its_reason_at_once(watched: Watched) -> None:
    watched.names.watch(["nowhere"], [])
    await watched.names.resolve_all()
    watched.now += 5
    with pytest.raises(LookupFailed, match="NXDOMAIN"):
        await watched.names.ask_again("nowhere")
    assert watched.names.hosts["nowhere"].asking is not None, "it is asked for, and nobody waits"
    await settle()


async def test_a_name_that_leads_to_trouble_is_asked_for_at_the_next_tick(watched: Watched) -> None:
    assert await watched.after(2) == []
    watched.names.hurry(["synapse", "unknown"])
    assert await watched.after(1) == ["synapse"]


async def test_the_guard_is_told_what_is_known_and_nobody_waits_for_it(watched: Watched) -> None:
    assert list(watched.names.resolve("synapse", 1)) == ["10.0.0.5"]
    with pytest.raises(OSError, match="has no address"):
        watched.names.resolve("unknown", 1)


async def test_the_guard_is_told_whether_a_name_is_absent_or_unknown(watched: Watched) -> None:
    """Only where DNS has said that there is no such host is a listener there nowhere."""
    watched.names.watch(["slow"], [])
    watched.resolver.hosts["slow"] = "the name server failed (SERVFAIL)"
    for _ in range(2):
        with pytest.raises(TimeoutError, match="not resolved yet"):
            watched.names.resolve("slow", 1)
        await watched.after(1)
    del watched.resolver.hosts["slow"]
    told = watched.changes
    await watched.after(2)
    assert watched.changes == told + 1, "a name that does not exist opens what was closed for it"
    watched.resolver.hosts["slow"] = "the name server failed (SERVFAIL)"
    await watched.after(2)
    with pytest.raises(OSError, match="has no address") as failed:
        watched.names.resolve("slow", 1)
    assert not isinstance(failed.value, TimeoutError)


async def test_a_name_that_is_no_longer_watched_gives_its_question_up(watched: Watched) -> None:
    names = Names(Silent(), ResolverSettings(), clock=lambda: watched.now, say=lambda _: None)
    names.watch(["a"], [])
    names.tick()
    (entry,) = names.all()
    asking = entry.asking
    assert asking is not None
    await settle()
    names.watch([], [])
    await settle()
    assert asking.cancelled()


@pytest.mark.parametrize(
    ("host", "name"),
    [("synapse", True), ("localhost", True), ("a.example", True), ("10.0.0.5", False), ("127.1", False),
     ("::1", False), ("fe80::1%lo", False), ("0x7f000001", False)],
)  # fmt: skip
def test_what_is_a_name(host: str, *, name: bool) -> None:
    assert is_name(host) is name
