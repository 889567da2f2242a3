"""A log through two tables: which requests would go elsewhere, by route, with counts and examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from router.errors import DownstreamError
from router.memory import remember
from router.proxy.admission import admit
from router.request import RequestHead
from router.routing.decision import Forward, Refuse, decide
from router.routing.snapshot import Snapshot
from router.routing.view import EveryEndpointUp
from router.settings import Config
from router.shadow.logs import Logged, Read

MOST_REMEMBERED = 65536
"""Requests whose outcome is remembered: what comes again, as a poll does, is not decided again."""

_VIEW = EveryEndpointUp()
_LOCAL = ((b"host", b"localhost"),)

_ROOM = 256
"""Bytes of a head that are not its target: method, version and the one field that is put in."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one table does: `does` is an upstream, or `refused 404`, `answered 200`; `route` decided it."""

    route: str
    does: str


@dataclass(slots=True)
class Group:
    """Requests that go from one outcome to another; `examples` are `METHOD PATH`, without a query."""

    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Replayed:
    """The figures of one log; `unread` are lines that are no requests, the first few by their number."""

    requests: int = 0
    lines: int = 0
    refused: int = 0
    unread: int = 0
    first_unread: list[int] = field(default_factory=list)
    changed: dict[tuple[Outcome, Outcome], Group] = field(default_factory=dict)

    @property
    def disagreements(self) -> int:
        """How many requests would go elsewhere."""
        return sum(group.count for group in self.changed.values())


class Replay:
    """Asks two tables the same; `names` are upstreams of the first that the second calls otherwise."""

    def __init__(
        self, first: Config, second: Config, *, names: Mapping[str, str] | None = None, examples: int = 3
    ) -> None:
        self._tables = tuple(
            Snapshot.build(config.table, config.settings.guard) for config in (first, second)
        )
        self._limits = first.settings.limits
        self._ports = tuple(config.settings.listen[0].port for config in (first, second))
        self._names = names or {}
        self._examples = examples
        self._remembered: dict[tuple[str, bytes], tuple[Outcome, Outcome] | None] = {}
        self.told = Replayed()

    def feed(self, lines: Iterable[bytes], read: Read) -> None:
        """Takes some lines more."""
        told = self.told
        for line in lines:
            told.lines += 1
            logged = read(line)
            if logged is None:
                if line.strip():
                    told.unread += 1
                    if len(told.first_unread) < 5:
                        told.first_unread.append(told.lines)
                continue
            self._count(logged)

    def _count(self, logged: Logged) -> None:
        told = self.told
        told.requests += 1
        outcomes = self._outcomes(logged)
        if outcomes is None:
            told.refused += 1
            return
        first, second = outcomes
        if self._names.get(first.does, first.does) == second.does:
            return
        group = told.changed.setdefault(outcomes, Group())
        group.count += 1
        if len(group.examples) < self._examples:
            path, mark, _ = logged.target.decode("latin-1").partition("?")
            example = f"{logged.method} {path}{'?…' * bool(mark)}"
            if example not in group.examples:
                group.examples.append(example)

    def _outcomes(self, logged: Logged) -> tuple[Outcome, Outcome] | None:
        """What both do; None for what is refused before a table is asked."""
        if logged.fields:
            return self._decide(logged)
        known = (logged.method, logged.target)
        try:
            return self._remembered[known]
        except KeyError:
            return remember(self._remembered, known, self._decide(logged), MOST_REMEMBERED)

    def _decide(self, logged: Logged) -> tuple[Outcome, Outcome] | None:
        try:
            head = self._head(logged)
        except DownstreamError:
            return None
        first, second = (
            _outcome(snapshot, head, port) for snapshot, port in zip(self._tables, self._ports, strict=True)
        )
        return first, second

    def _head(self, logged: Logged) -> RequestHead:
        """As the wire takes it; of a line well within its limits, only the line can be refused."""
        limits = self._limits
        if logged.fields or len(logged.target) + _ROOM > min(limits.request_line, limits.headers):
            fields = logged.fields or _LOCAL
            return admit(
                method=logged.method,
                target=logged.target,
                headers=fields,
                client=logged.client,
                limits=limits,
            ).head
        return RequestHead(method=logged.method, target=logged.target, headers=_LOCAL, client=logged.client)


def _outcome(snapshot: Snapshot, head: RequestHead, port: int) -> Outcome:
    head.port = port
    decision = decide(snapshot, head, _VIEW)
    route = decision.route.name if decision.route is not None else "guard"
    if isinstance(decision, Forward):
        return Outcome(route, decision.upstream.name)
    if isinstance(decision, Refuse):
        return Outcome(route, f"refused {decision.refusal.status}")
    return Outcome(route, f"answered {decision.response.status}")
