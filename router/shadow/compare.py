"""What another proxy has decided on live requests, held against what the table decides."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from router.request import RequestHead
from router.routing.decision import Decision, Forward, Refuse

AGREED, DISAGREED, REFUSED, UNLABELLED = "agreed", "disagreed", "refused", "unlabelled"
"""The last two are no judgement: the guard or the wire refuses on purpose, or nobody said what was chosen."""

LAST = 20
"""How many disagreements are kept."""

NOWHERE = "-"
"""In place of an upstream: the proxy answers by itself."""

NONE = "none"
"""In place of a route: the request was refused before any was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """One request that two proxies would send elsewhere; `time` in seconds since 1970.

    `shape` is its path with `*` for every part that is no word of the table's or Synapse's own. `ours` and
    `theirs` are upstreams, or `-`; `route` and `source` tell why it is ours.
    """

    time: float
    method: str
    shape: str
    ours: str
    theirs: str
    route: str
    source: str | None

    @property
    def reason(self) -> str:
        """Why this table sends it there."""
        where = f" ({self.source})" if self.source else ""
        answer = "answers it" if self.ours == NOWHERE else f"sends it to {self.ours}"
        return f"route {self.route}{where} {answer}, the other proxy " + (
            "answers it by itself" if self.theirs == NOWHERE else f"sends it to {self.theirs}"
        )


class Comparison:
    """Counts by (route, result), and refusals on purpose by their reason; `last` has the newest last."""

    __slots__ = ("_shape_of", "_wall_clock", "counts", "last", "refusals")

    def __init__(self, shape_of: Callable[[bytes], str], wall_clock: Callable[[], float]) -> None:
        self._shape_of = shape_of
        self._wall_clock = wall_clock
        self.counts = Counter[tuple[str, str]]()
        self.refusals = Counter[str]()
        self.last = deque[Disagreement](maxlen=LAST)

    def refused(self, reason: str) -> None:
        """A request that is refused before a table is asked."""
        self.counts[NONE, REFUSED] += 1
        self.refusals[reason] += 1

    def decided(self, head: RequestHead, decision: Decision, theirs: str) -> None:
        """A request that was decided on; `theirs` is empty where the other proxy did not say."""
        route = decision.route
        name = route.name if route is not None else NONE
        ours = decision.upstream.name if isinstance(decision, Forward) else NOWHERE
        if not theirs:
            self.counts[name, UNLABELLED] += 1
        elif ours == theirs:
            self.counts[name, AGREED] += 1
        elif isinstance(decision, Refuse) and route is None:
            self.refused(decision.refusal.error)
        else:
            self.counts[name, DISAGREED] += 1
            self.last.append(
                Disagreement(
                    time=self._wall_clock(),
                    method=head.method,
                    shape=self._shape_of(head.path),
                    ours=ours,
                    theirs=theirs,
                    route=name,
                    source=str(route.source) if route is not None and route.source else None,
                )
            )

    def total(self, result: str) -> int:
        """How many requests had that result."""
        return sum(count for (_, each), count in self.counts.items() if each == result)
