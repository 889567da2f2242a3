"""Which endpoint gets which request while some fail: a real nginx's passive counting, and ours."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from router.table import Policy
from tests.dialogues import Hire, Serve
from tests.real_nginx import free_ports, nginx
from tests.routing.tables import by_header
from tests.wire import Peer, all_to, settle
from tests.worker import Worker

pytestmark = [pytest.mark.nginx, pytest.mark.xdist_group("nginx")]

FAIL_TIMEOUT = 1
OVER = 2.1
"""Seconds after which it is over for nginx too, which counts whole ones."""

AT_MOST = 5
"""How often nginx is asked again, where a busy machine let `fail_timeout` pass while it should not."""

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What happens to the endpoints a, b, c; `max_fails` of each of them.

    A step is a number of requests, `over` (`fail_timeout` passes), or a name: in capitals that endpoint
    hangs up from now on, else it answers.
    """

    steps: str
    max_fails: Sequence[int] = (1, 1, 1)


SCENARIOS = {
    "comes back": Scenario(steps="6 A 12 a 12 over 20"),
    "fails when it is tried": Scenario(steps="A 12 over 12 over 12 a 6 over 20"),
    "two are too many": Scenario(steps="6 B 12 b 6 over 20", max_fails=(2, 2, 2)),
    "two of three are forgotten": Scenario(steps="3 C 6 c 3 over 12 C 12", max_fails=(3, 3, 3)),
    "an answer between failures": Scenario(steps="A 15 a 9 A 15 over 12", max_fails=(6, 6, 6)),
    "nothing counts": Scenario(steps="A 9 a 6", max_fails=(0, 0, 0)),
    "one after the other": Scenario(steps="A 9 B 9 over a 12 over b 20"),
    "all": Scenario(steps="A B 4 over 4 a 4 over 12", max_fails=(1, 1)),
    "the only one": Scenario(steps="A 3 a 2", max_fails=(1,)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Between two changes: who was asked by each request, and who would have hung up."""

    failing: frozenset[str]
    asked: list[str] = field(default_factory=list)

    @property
    def failed(self) -> Counter[str]:
        """How often each was asked in vain."""
        return Counter(name for name in "".join(self.asked) if name in self.failing)


class Team:
    """The workers of one scenario, which answer or hang up."""

    def __init__(self, scenario: Scenario, hire: Hire) -> None:
        self.scenario = scenario
        self.workers = [hire() for _ in scenario.max_fails]
        self._asked: list[str] = []
        self._failing: set[str] = set()
        for name, worker in zip("abc", self.workers, strict=False):
            worker.behave(self._behaviour(name))

    def _behaviour(self, name: str) -> Callable[[Peer], Awaitable[None]]:
        async def serve(peer: Peer) -> None:
            await peer.until()
            self._asked.append(name)
            if name not in self._failing:
                await peer.send(ANSWER)

        return serve

    def named(self) -> list[tuple[Worker, int]]:
        """Each worker with its `max_fails`."""
        return list(zip(self.workers, self.scenario.max_fails, strict=True))

    async def play(
        self, ask: Callable[[bytes], Awaitable[None]], over: Callable[[], Awaitable[None]]
    ) -> tuple[list[Phase], float]:
        """What happened, and the longest time in which `fail_timeout` should not have passed."""
        phases: list[Phase] = []
        longest, begun = 0.0, time.monotonic()
        self._failing.clear()
        for step in self.scenario.steps.split():
            if step == "over":
                await over()
                begun = time.monotonic()
            elif step.isdigit():
                phases.append(Phase(failing=frozenset(self._failing)))
                for number in range(int(step)):
                    self._asked.clear()
                    await ask(b"GET / HTTP/1.1\r\nHost: h\r\nX-Key: %d\r\nConnection: close\r\n\r\n" % number)
                    phases[-1].asked.append("".join(self._asked))
                longest = max(longest, time.monotonic() - begun)
            elif step.isupper():
                self._failing.add(step.lower())
            else:
                self._failing.discard(step)
        return phases, longest


async def by_nginx(teams: Sequence[Team], directive: str, folder: Path) -> list[list[Phase]]:
    """What happened in each scenario; all are played side by side."""
    blocks = []
    ports = free_ports(len(teams))
    for port, team in zip(ports, teams, strict=True):
        servers = "".join(
            f"server {worker.endpoint.name} max_fails={fails} fail_timeout={FAIL_TIMEOUT}s;\n"
            for worker, fails in team.named()
        )
        blocks.append(
            f"upstream u{port} {{ {directive}\n{servers} }}\nserver {{ listen 127.0.0.1:{port};\n"
            f"location / {{ proxy_pass http://u{port}; proxy_next_upstream_tries 2; }} }}\n"
        )

    async def play(team: Team, port: int) -> tuple[list[Phase], float]:
        async def ask(request: bytes) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            await reader.read()
            writer.close()
            await writer.wait_closed()

        return await team.play(ask, lambda: asyncio.sleep(OVER))

    for number in range(AT_MOST):
        own = folder / f"{number}"
        own.mkdir()
        with nginx(own, "".join(blocks)):
            played = await asyncio.gather(*map(play, teams, ports))
        if max(longest for _, longest in played) < FAIL_TIMEOUT:
            return [phases for phases, _ in played]
    pytest.fail("this machine is too busy to ask nginx anything within a second")


async def by_ours(team: Team, serve: Serve, policy: Policy) -> list[Phase]:
    """What happened in one scenario."""
    endpoints = (
        replace(worker.endpoint, max_fails=fails, fail_timeout=FAIL_TIMEOUT) for worker, fails in team.named()
    )
    proxy = await serve(table=all_to(*endpoints, policy=policy))

    async def ask(request: bytes) -> None:
        client = await proxy.ask(request)
        await client.rest()
        client.close()
        await settle()

    phases, _ = await team.play(ask, lambda: proxy.pass_time(OVER))
    return phases


@pytest.mark.timeout(180)
async def test_by_hash_every_request_goes_to_the_same_endpoint(
    serve: Serve, workers: Hire, tmp_path: Path
) -> None:
    teams = [Team(scenario, workers) for scenario in SCENARIOS.values()]
    theirs = await by_nginx(teams, "hash $http_x_key consistent;", tmp_path)
    for name, team, phases in zip(SCENARIOS, teams, theirs, strict=True):
        assert await by_ours(team, serve, by_header("x-key")) == phases, name
    # Ports are the system's, and with them the ring: in one scenario no key may lead to the one that fails.
    assert any(phase.failed for phases in theirs for phase in phases)


@pytest.mark.timeout(180)
async def test_by_round_robin_as_many_requests_meet_an_endpoint_that_fails(
    serve: Serve, workers: Hire, tmp_path: Path
) -> None:
    """Not always the same: nginx's turns go on with each try, and weigh less for a while where one failed."""
    teams = [Team(scenario, workers) for name, scenario in SCENARIOS.items() if name != "nothing counts"]
    for team, phases in zip(teams, await by_nginx(teams, "", tmp_path), strict=True):
        ours = await by_ours(team, serve, Policy())
        assert [phase.failed for phase in ours] == [phase.failed for phase in phases], team.scenario
