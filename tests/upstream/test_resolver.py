"""aiodns against a name server of our own, and against /etc/hosts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import router.upstream.resolver
from router.errors import LookupFailed
from router.settings import Resolver as ResolverSettings
from router.upstream.resolver import MOST_AT_ONCE, Answer, DnsResolver, Service
from tests.nameserver import NameServer


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    server = await NameServer.start()
    yield server
    server.stop()


@pytest.fixture
def resolver(server: NameServer) -> DnsResolver:
    return DnsResolver(ResolverSettings(servers=(server.address,)))


@pytest.fixture
def impatient(server: NameServer) -> DnsResolver:
    return DnsResolver(ResolverSettings(servers=(server.address,), timeout=0.25, attempts=1))


async def test_addresses_of_both_families_with_the_lower_ttl(
    server: NameServer, resolver: DnsResolver
) -> None:
    server.answer("w.test", "A", "10.0.0.2", "10.0.0.1", ttl=9)
    server.answer("w.test", "AAAA", "2001:db8::1", ttl=7)
    answer = await resolver.addresses("w.test")
    assert set(answer.found) == {"10.0.0.1", "10.0.0.2", "2001:db8::1"}
    assert answer.ttl == 7
    assert sorted(server.asked) == [("w.test", "A"), ("w.test", "AAAA")]


async def test_one_family_is_enough(server: NameServer, resolver: DnsResolver) -> None:
    server.answer("six.test", "AAAA", "::1", ttl=5)
    assert await resolver.addresses("six.test") == Answer(found=("::1",), ttl=5)


async def test_an_alias_holds_no_longer_than_its_own_ttl(server: NameServer, resolver: DnsResolver) -> None:
    """A failover is often a CNAME that moves between names whose addresses stay."""
    server.answer("alias.test", "CNAME", "real.test.", ttl=3)
    server.answer("real.test", "A", "10.0.0.1", ttl=60)
    server.answer("_http._tcp.alias.test", "CNAME", "_http._tcp.real.test.", ttl=4)
    server.answer("_http._tcp.real.test", "SRV", "0 1 8008 w.test.", ttl=60)
    assert await resolver.addresses("alias.test") == Answer(found=("10.0.0.1",), ttl=3)
    services = await resolver.services("_http._tcp.alias.test")
    assert services.ttl == 4
    assert [str(each) for each in services.found] == ["w.test:8008"]


async def test_a_ttl_of_0_is_told_from_none(
    server: NameServer, resolver: DnsResolver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("# 10.0.0.1 w.test\n10.0.0.1 x.test Listed.Test # and w.test\n")
    monkeypatch.setattr(router.upstream.resolver, "HOSTS", hosts)
    for name in ("w.test", "listed.test"):
        server.answer(name, "A", "10.0.0.1", ttl=0)
    assert (await resolver.addresses("w.test")).ttl == 0
    assert (await resolver.addresses("Listed.test.")).ttl is None
    assert (await resolver.addresses("localhost")).ttl is None
    monkeypatch.setattr(router.upstream.resolver, "HOSTS", tmp_path / "none")
    assert (await resolver.addresses("listed.test")).ttl == 0


async def test_each_question_is_asked(server: NameServer, resolver: DnsResolver) -> None:
    """An answer that c-ares keeps for its TTL would hide that a container has moved."""
    server.answer("w.test", "A", "10.0.0.1", ttl=600)
    await resolver.addresses("w.test")
    server.answer("w.test", "A", "10.0.0.2", ttl=600)
    assert (await resolver.addresses("w.test")).found == ("10.0.0.2",)


async def test_many_names_at_once_take_turns(server: NameServer, impatient: DnsResolver) -> None:
    """A service of a hundred targets must not take the descriptors that requests need."""
    names = [f"w{number}.test" for number in range(MOST_AT_ONCE + 4)]
    for name in names:
        server.fail(name, "drop")
    asking = [asyncio.create_task(impatient.addresses(name)) for name in names]
    await asyncio.sleep(0.1)
    first = {name for name, _ in server.asked}
    assert 0 < len(first) <= MOST_AT_ONCE
    for name in names:
        server.answer(name, "A", "10.0.0.1")
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert {name for name, _ in server.asked} == set(names)
    assert sum(isinstance(answer, Answer) for answer in answers) >= 4


async def test_the_hosts_file_is_asked_first(server: NameServer, resolver: DnsResolver) -> None:
    server.answer("localhost", "A", "10.0.0.1")
    assert "127.0.0.1" in (await resolver.addresses("localhost")).found
    assert server.asked == []


@pytest.mark.parametrize(
    ("how", "word"),
    [("NXDOMAIN", "NXDOMAIN"), ("SERVFAIL", "SERVFAIL"), ("REFUSED", "REFUSED"), ("drop", "TIMEOUT")],
)
async def test_why_there_is_no_answer(
    server: NameServer, impatient: DnsResolver, how: str, word: str
) -> None:
    resolver = impatient
    server.fail("w.test", how)
    with pytest.raises(LookupFailed, match=word):
        await resolver.addresses("w.test")
    server.fail("_m._tcp.w.test", how)
    with pytest.raises(LookupFailed, match=word):
        await resolver.services("_m._tcp.w.test")


async def test_a_name_without_such_records(server: NameServer, resolver: DnsResolver) -> None:
    server.answer("w.test", "TXT", "hello")
    with pytest.raises(LookupFailed, match="NODATA"):
        await resolver.addresses("w.test")
    with pytest.raises(LookupFailed, match="NODATA"):
        await resolver.services("w.test")


@pytest.mark.parametrize("name", ["a..b", "a" * 64 + ".test", "\u00fc" * 64 + ".test", "\u2028.test"])
async def test_what_is_no_name(resolver: DnsResolver, name: str) -> None:
    with pytest.raises(LookupFailed, match="EBADNAME"):
        await resolver.addresses(name)


async def test_services(server: NameServer, resolver: DnsResolver) -> None:
    server.answer("_m._tcp.w.test", "SRV", "10 5 8008 a.test.", "20 0 8009 b.test.", ttl=4)
    answer = await resolver.services("_m._tcp.w.test")
    assert sorted(answer.found) == [
        Service(priority=10, weight=5, port=8008, target="a.test"),
        Service(priority=20, weight=0, port=8009, target="b.test"),
    ]
    assert answer.ttl == 4


async def test_a_target_of_a_dot_is_no_service(server: NameServer, resolver: DnsResolver) -> None:
    server.answer("_m._tcp.w.test", "SRV", "0 0 0 .", ttl=4)
    assert await resolver.services("_m._tcp.w.test") == Answer(found=(), ttl=4)
