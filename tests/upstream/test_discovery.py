"""What the upstreams become by what DNS says, and what the guard leaves out of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import pytest

import router.upstream.discovery
from router.guard import Guard
from router.settings import Guard as GuardSettings
from router.settings import Resolver as ResolverSettings
from router.table import Endpoint, Upstream, parse_address, parse_endpoint_address
from router.upstream.discovery import Discovery
from router.upstream.names import Names
from router.upstream.resolver import Service
from tests.known_names import KnownNames
from tests.wire import settle


class Found:
    """A discovery, what it told, and a name server that the test changes."""

    def __init__(self, *endpoints: str, listed: Iterable[str] = ()) -> None:
        self.now = 100.0
        self.said: list[str] = []
        self.changes = 0
        self.resolver = KnownNames(worker=["10.0.0.5", "10.0.0.6"], synapse=["10.0.0.8"])
        self.names = Names(self.resolver, ResolverSettings(), clock=lambda: self.now, say=self.said.append)
        addresses = tuple(map(parse_address, listed))
        guard = Guard(GuardSettings(replication_addresses=addresses), self.names.resolve)
        written = tuple(Endpoint(address=parse_endpoint_address(each)) for each in endpoints)
        self.discovery = Discovery(
            {"u": Upstream(name="u", endpoints=written), "same": Upstream(name="same", endpoints=written)},
            self.names,
            judge=guard.judge_sockaddr,
            say=self.said.append,
            listed=[each.rpartition(":")[0] for each in listed],
        )

        self.discovery.tell(self._count)

    def _count(self) -> None:
        self.changes += 1

    async def later(self, seconds: float = 60) -> list[str]:
        """The endpoints once that much time has passed."""
        self.now += seconds
        self.names.tick()
        await settle()
        await self.names.resolve_all()
        return self.endpoints

    @property
    def endpoints(self) -> list[str]:
        assert self.discovery.upstreams["u"].endpoints == self.discovery.upstreams["same"].endpoints
        return [endpoint.name for endpoint in self.discovery.upstreams["u"].endpoints]


def record(target: str, port: int = 8008, weight: int = 1) -> Service:
    return Service(priority=1, weight=weight, port=port, target=target)


@pytest.fixture
async def workers() -> AsyncIterator[Found]:
    found = Found("dns:worker:8008", "127.0.0.1:8101")
    await found.names.resolve_all()
    yield found
    await found.names.close()


async def test_one_endpoint_for_each_address(workers: Found) -> None:
    assert workers.endpoints == ["10.0.0.5:8008", "10.0.0.6:8008", "127.0.0.1:8101"]
    workers.resolver.hosts["worker"] = ["10.0.0.7", "10.0.0.6"]
    assert await workers.later() == ["10.0.0.6:8008", "10.0.0.7:8008", "127.0.0.1:8101"]
    assert list(workers.discovery.leads_to().items()) == [
        ("10.0.0.6:8008", None), ("10.0.0.7:8008", None), ("127.0.0.1:8101", None)
    ]  # fmt: skip


async def test_another_order_is_no_change(workers: Found) -> None:
    before, told = workers.discovery.upstreams, workers.changes
    workers.resolver.hosts["worker"] = ["10.0.0.6", "10.0.0.5", "10.0.0.5"]
    await workers.later()
    assert workers.discovery.upstreams is before
    assert workers.changes == told


async def test_what_was_found_stays_while_there_is_no_answer(workers: Found) -> None:
    workers.resolver.hosts["worker"] = "no such host (NXDOMAIN)"
    assert await workers.later() == ["10.0.0.5:8008", "10.0.0.6:8008", "127.0.0.1:8101"]
    (state,) = workers.discovery.names
    assert (state.name, state.found, state.error) == (
        "worker", ("10.0.0.5", "10.0.0.6"), "no such host (NXDOMAIN)"
    )  # fmt: skip
    assert (state.age, state.due, state.ok, state.failed) == (60.0, 5.0, 1, 1)


async def test_what_is_not_found_is_there_and_told_with_the_reason() -> None:
    found = Found("dns:nowhere:8008", "dns:_http._tcp.none", "dns:_http._tcp.empty")
    found.resolver.services_known["_http._tcp.empty"] = []
    written = ["dns:nowhere:8008", "dns:_http._tcp.none", "dns:_http._tcp.empty"]
    assert {reason for _, reason in found.discovery.unresolved()} == {"not resolved yet"}
    await found.names.resolve_all()
    assert found.endpoints == written
    reasons = {endpoint.name: reason for endpoint, reason in found.discovery.unresolved()}
    assert reasons == dict(
        zip(written, ["no such host (NXDOMAIN)"] * 2 + ["there is no such service"], strict=True)
    )
    found.resolver.hosts["nowhere"] = ["10.0.0.9"]
    assert (await found.later())[0] == "10.0.0.9:8008"


async def test_a_service_has_targets_which_are_names() -> None:
    found = Found("dns:_http._tcp.synapse")
    found.resolver.services_known["_http._tcp.synapse"] = [
        record("worker", 8101, 60), record("synapse", 8008, 40), record("10.0.0.9", 8008, 20)
    ]  # fmt: skip
    await found.names.resolve_all()
    assert [(each.name, each.weight) for each in found.discovery.upstreams["u"].endpoints] == [
        ("10.0.0.9:8008", 1), ("synapse:8008", 2), ("worker:8101", 3)
    ]  # fmt: skip
    assert found.discovery.leads_to() == {
        "10.0.0.9:8008": None,
        "synapse:8008": frozenset({"10.0.0.8"}),
        "worker:8101": frozenset({"10.0.0.5", "10.0.0.6"}),
    }
    found.resolver.services_known["_http._tcp.synapse"] = [record("worker", 8101)]
    assert await found.later() == ["worker:8101"]
    assert found.names.hosts.keys() == {"worker"}, "a target that is gone is asked for no more"


async def test_a_port_of_replication_is_left_out_of_a_service() -> None:
    found = Found("dns:_http._tcp.synapse")
    found.resolver.services_known["_http._tcp.synapse"] = [
        record("127.0.0.1", 9093), record("worker", 9111), record("synapse", 8008)
    ]  # fmt: skip
    await found.names.resolve_all()
    assert found.endpoints == ["synapse:8008"]
    assert found.names.hosts.keys() == {"synapse"}, "what is closed is not even asked for"
    state = found.discovery.names[-1]
    assert state.closed == (
        "127.0.0.1:9093 has a replication port (9000-9999)",
        "worker:9111 has a replication port (9000-9999)",
    )
    said = [line for line in found.said if "gets no requests" in line]
    assert len(said) == 2
    assert said[0] == (
        "name _http._tcp.synapse: 127.0.0.1:9093 has a replication port (9000-9999), and gets no requests"
    )
    found.resolver.services_known["_http._tcp.synapse"] = [record("127.0.0.1", 9093)]
    assert await found.later() == ["dns:_http._tcp.synapse"]
    ((_, reason), _) = found.discovery.unresolved()
    assert reason == "127.0.0.1:9093 has a replication port (9000-9999)"
    assert len([line for line in found.said if "gets no requests" in line]) == 2, "said once"


async def test_an_address_that_is_a_listed_listener_is_left_out_for_as_long_as_it_is() -> None:
    found = Found("dns:worker:8008", listed=["10.0.0.6:8008"])
    await found.names.resolve_all()
    assert found.endpoints == ["10.0.0.5:8008"]
    found.resolver.hosts["worker"] = ["10.0.0.5", "10.0.0.7"]
    assert await found.later() == ["10.0.0.5:8008", "10.0.0.7:8008"]
    found.resolver.hosts["worker"] = ["10.0.0.6"]
    assert await found.later() == ["dns:worker:8008"]


async def test_a_listed_listener_may_be_a_name_that_moves() -> None:
    found = Found("dns:worker:8008", "synapse:8008", listed=["main.internal:8008"])
    found.resolver.hosts["main.internal"] = ["10.0.0.5"]
    await found.names.resolve_all()
    assert found.endpoints == ["10.0.0.6:8008", "synapse:8008"]
    found.resolver.hosts["main.internal"] = ["10.0.0.6", "10.0.0.8"]
    assert await found.later() == ["10.0.0.5:8008", "synapse:8008"]
    closed = {each.name: each.closed for each in found.discovery.names}
    assert closed["synapse"] == ("10.0.0.8:8008 is the replication listener main.internal:8008",)


async def test_a_listed_listener_that_is_not_resolved_yet_could_be_anywhere() -> None:
    found = Found("dns:worker:8008", "dns:worker:8009", listed=["main.internal:8008"])
    found.resolver.hosts["main.internal"] = "no name server answered in time (TIMEOUT)"
    await found.names.resolve_all()
    assert found.endpoints == ["dns:worker:8008", "10.0.0.5:8009", "10.0.0.6:8009"]
    assert any("has the port of the closed listener main.internal:8008" in line for line in found.said)
    found.resolver.hosts["main.internal"] = ["10.0.0.6"]
    assert await found.later() == ["10.0.0.5:8008", "10.0.0.5:8009", "10.0.0.6:8009"]
    found.resolver.hosts["main.internal"] = "the name server failed (SERVFAIL)"
    assert await found.later() == ["10.0.0.5:8008", "10.0.0.5:8009", "10.0.0.6:8009"]


async def test_a_listed_listener_that_does_not_exist_closes_nothing() -> None:
    found = Found("dns:worker:8008", listed=["main.internal:8008"])
    await found.names.resolve_all()
    assert found.endpoints == ["10.0.0.5:8008", "10.0.0.6:8008"]


async def test_a_name_that_failed_behind_its_back_is_asked_for_soon(workers: Found) -> None:
    workers.resolver.asked.clear()
    workers.discovery.endpoint_failed("127.0.0.1:8101")
    await workers.later(2)
    assert workers.resolver.asked == []
    workers.discovery.endpoint_failed("10.0.0.5:8008")
    await workers.later(2)
    assert workers.resolver.asked == ["worker"]


async def test_hundreds_of_addresses_are_cut_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router.upstream.discovery, "MOST_FOUND", 3)
    found = Found("dns:worker:8008")
    found.resolver.hosts["worker"] = [f"10.0.1.{number}" for number in range(200)]
    await found.names.resolve_all()
    assert found.endpoints == ["10.0.1.0:8008", "10.0.1.1:8008", "10.0.1.2:8008"]
    found.resolver.hosts["worker"] = [f"10.0.1.{number}" for number in range(100)]
    await found.later()
    assert [line for line in found.said if "are used" in line] == [
        "name worker: 200 endpoints, of which 3 are used"
    ]
