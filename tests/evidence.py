"""Which process served what, by Synapse's own logs: a pytest plugin with the fixture `evidence`.

A test ends a part of its run with `evidence.chapter(title)`; the chapters of all are printed at the end.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pytest

from router.config.loader import load_or_raise
from router.errors import ProxyError
from router.local.deployment import Deployment
from router.local.layout import HOST, Layout
from router.local.loopback import connection
from router.request import RequestHead
from router.routing.decision import Forward, decide
from router.routing.snapshot import Snapshot
from router.routing.view import EveryEndpointUp
from tests.synapse_log import Served, process_logs
from tests.tally import EVIDENCE

PATIENCE = 15.0
"""Seconds that a process has to write down the request that marks the end of a chapter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the table sends a request: by which route, to which instances, the preferred one first."""

    route: str
    instances: tuple[str, ...]


class ServedTable:
    """What the table that the deployment's router serves says about a request in a log."""

    def __init__(self, layout: Layout) -> None:
        config = load_or_raise(layout.config / "routes.yaml")
        self._snapshot = Snapshot.build(config.table, config.settings.guard)

    def place(self, served: Served) -> Place | None:
        """None where the router would have answered by itself; the log has no token, so no user's key."""
        return self._decide(served.method, served.target)

    def sync_worker(self, localpart: str) -> str:
        """The instance that the table prefers for every /sync of that user, all being up."""
        text = base64.b64encode(localpart.encode()).decode().rstrip("=")
        place = self._decide("GET", "/_matrix/client/v3/sync?since=", f"Bearer syt_{text}_x_y")
        if place is None:
            raise ValueError("the table has no /sync")
        return place.instances[0]

    def origin_worker(self, origin: str) -> str:
        """The instance that the table prefers for every transaction of that server, all being up."""
        signed = f'X-Matrix origin="{origin}",key="ed25519:1",sig="c2ln"'
        place = self._decide("PUT", "/_matrix/federation/v1/send/1", signed)
        if place is None:
            raise ValueError("the table has no /send/")
        return place.instances[0]

    def _decide(self, method: str, target: str, authorization: str = "") -> Place | None:
        headers = [(b"authorization", authorization.encode())] if authorization else []
        try:
            head = RequestHead(method=method, target=target.encode(), headers=headers, client=HOST)
            decision = decide(self._snapshot, head, EveryEndpointUp())
        except ProxyError:
            return None
        if not isinstance(decision, Forward):
            return None
        return Place(
            route=decision.route.name,
            instances=tuple(endpoint.instance or "?" for endpoint in decision.candidates),
        )


@dataclass(frozen=True, slots=True)
class Chapter:
    """What the processes say they have answered in one part of a run."""

    title: str
    served: tuple[Served, ...]
    table: ServedTable
    seconds: float = field(default=0.0)

    def of_clients(self) -> list[Served]:
        """Without what Synapse's processes ask each other."""
        return [served for served in self.served if served.listener == "client"]

    def misplaced(self) -> list[str]:
        """What was served where the table sends no such request."""
        wrong = []
        for served in self.of_clients():
            place = self.table.place(served)
            if place is None:
                wrong.append(f"{served}: the router forwards no such request")
            elif served.process not in place.instances:
                wrong.append(f"{served}: route {place.route} leads to {', '.join(place.instances)}")
        return wrong

    def misrouted(self) -> list[str]:
        """What a process answered that can't serve it: M_UNRECOGNIZED, or 500 as on a stream's non-writer."""
        return [str(s) for s in self.of_clients() if s.unrecognized or s.status == 500]

    def processes(self, route: str) -> Counter[str]:
        """How many requests of that route each process has served."""
        return Counter(s.process for s in self.of_clients() if self._route(s) == route)

    def of(self, *words: str) -> Counter[str]:
        """How many requests with one of these in their path each process has served."""
        return Counter(s.process for s in self.of_clients() if any(word in s.shape for word in words))

    def syncs(self) -> dict[str, Counter[str]]:
        """For each user, how many /sync each process has served."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for served in self.of_clients():
            if served.user and served.target.partition("?")[0].endswith("/sync"):
                found[served.user][served.process] += 1
        return dict(sorted(found.items()))

    def transactions(self) -> dict[str, Counter[str]]:
        """For each other server, how many of its transactions each process has taken."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for served in self.of_clients():
            if served.user and served.target.startswith("/_matrix/federation/v1/send/"):
                found[served.user][served.process] += 1
        return dict(found)

    def rooms(self, last: str) -> dict[str, Counter[str]]:
        """For each room, how many `/rooms/ROOM/{last}` each process has served."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for served in self.of_clients():
            segments = served.target.partition("?")[0].split("/")
            if segments[-1] == last and segments[-3] == "rooms":
                found[segments[-2].replace("%21", "!")][served.process] += 1
        return dict(found)

    def lines(self, processes: Iterable[str]) -> Iterator[str]:
        """The chapter as a table: process by process what it served, user by user where the /syncs were."""
        clients = self.of_clients()
        yield f"{self.title}: {len(clients)} requests in {self.seconds:.1f} s"
        for process in processes:
            own = [served for served in self.served if served.process == process]
            asked = [served for served in own if served.listener == "client"]
            groups: dict[str, Counter[int]] = defaultdict(Counter)
            for served in asked:
                groups[self._route(served)][served.status] += 1
            text = ", ".join(_group(name, statuses) for name, statuses in sorted(groups.items()))
            inside = sum(served.listener == "replication" for served in own)
            inner = f"  [replication {inside}]" if inside else ""
            yield f"  {process:<18} {len(asked):>4}  {text or '-'}{inner}"
        where: dict[str, list[str]] = defaultdict(list)
        for user, counted in self.syncs().items():
            name = user.partition(":")[0]
            for process, times in counted.items():
                where[process].append(f"{name} {times}")
        for process in sorted(where):
            yield f"    /sync on {process}: {', '.join(where[process])}"
        for origin, counted in self.transactions().items():
            text = ", ".join(f"{process} {times}" for process, times in counted.items())
            yield f"    /send/ of {origin}: {text}"

    def _route(self, served: Served) -> str:
        place = self.table.place(served)
        return "(none)" if place is None else place.route


def _group(name: str, statuses: Counter[int]) -> str:
    """`sync 12`, and in brackets how many had which status but 200."""
    rest = ", ".join(f"{status}: {times}" for status, times in sorted(statuses.items()) if status != 200)
    return f"{name} {statuses.total()}{f' ({rest})' if rest else ''}"


class Evidence:
    """Reads along in the logs of all Synapse processes, chapter by chapter.

    Between two restarts of one process `collect` has to be called. Everything here blocks for
    milliseconds and can be called from a coroutine.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._layout = deployment.layout
        self._logs = process_logs(self._layout)
        self._served: list[Served] = []
        self._begun = time.monotonic()
        self.chapters: list[Chapter] = []

    @cached_property
    def table(self) -> ServedTable:
        """The table that the router serves."""
        return ServedTable(self._layout)

    @property
    def processes(self) -> list[str]:
        """Synapse's processes by name, in the deployment's order."""
        return list(self._logs)

    def collect(self) -> list[Served]:
        """What the current chapter has so far, without what the processes have yet to write."""
        for log in self._logs.values():
            self._served += log.read()
        return list(self._served)

    def chapter(self, title: str) -> Chapter:
        """Waits until all processes have written down what they served, and gives what is new.

        All have to be up. A process writes a request down just after the client has its answer; one more
        request, to its own port, is therefore written behind all that were answered before.
        """
        seconds = time.monotonic() - self._begun
        mark = f"mark{secrets.token_hex(6)}"
        for instance in self._layout.instances:
            _ask(next(iter(self._layout.listeners(instance).values())), f"/_matrix/{mark}")
        waiting = set(self._logs)
        deadline = time.monotonic() + PATIENCE
        while True:
            self.collect()
            waiting -= {served.process for served in self._served if mark in served.target}
            if not waiting:
                break
            if time.monotonic() > deadline:
                raise TimeoutError(f"no request in the log of {', '.join(sorted(waiting))}")
            time.sleep(0.01)
        served = tuple(served for served in self._served if "/_matrix/mark" not in served.target)
        self._served = []
        self._begun = time.monotonic()
        chapter = Chapter(title, served, self.table, seconds)
        self.chapters.append(chapter)
        return chapter


def wait_until_all_up(layout: Layout) -> None:
    """Waits until the router knows that every endpoint is up, whatever was killed before."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with urllib.request.urlopen(f"http://{HOST}:{layout.admin_port}/status") as answer:
            upstreams = json.load(answer)["upstreams"]
        down = {e["endpoint"] for upstream in upstreams for e in upstream["endpoints"] if not e["up"]}
        if not down:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"still down: {', '.join(sorted(down))}")
        time.sleep(0.05)


def _ask(place: int | Path, target: str) -> None:
    asking = connection(place, timeout=PATIENCE)
    try:
        asking.request("GET", target)
        asking.getresponse().read()
    finally:
        asking.close()


@pytest.fixture
def evidence(deployment: Deployment, request: pytest.FixtureRequest) -> Iterator[Evidence]:
    """What the processes serve while the test runs; its chapters are printed at the end of the suite."""
    wait_until_all_up(deployment.layout)
    reading = Evidence(deployment)
    yield reading
    lines = [line for chapter in reading.chapters for line in chapter.lines(reading.processes)]
    if lines:
        request.node.user_properties.append((EVIDENCE, "\n".join(lines)))
