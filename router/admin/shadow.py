"""What the status tells of mirrored requests: how many agree, and the last that do not."""

from __future__ import annotations

from dataclasses import dataclass

from router.admin.state import AdminState
from router.settings import ListenerRole
from router.shadow.compare import AGREED, DISAGREED, REFUSED, UNLABELLED


@dataclass(frozen=True, slots=True, kw_only=True)
class DisagreementStatus:
    """One request that another proxy sends elsewhere; `time` in seconds since 1970, no ids in `shape`."""

    time: float
    method: str
    shape: str
    ours: str
    theirs: str
    route: str
    source: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowStatus:
    """All mirrored requests since the start, by result; `refused` are those refused here on purpose.

    `unlabelled` came without a word on what the other proxy chose. `by_route` has what disagreed by our
    route, `refusals` what was refused by its reason. The newest of `last` comes first.
    """

    requests: int
    agreed: int
    disagreed: int
    refused: int
    unlabelled: int
    by_route: dict[str, int]
    refusals: dict[str, int]
    last: tuple[DisagreementStatus, ...]


def shadow_of(state: AdminState) -> ShadowStatus | None:
    """None where no listener is for mirrored requests."""
    comparison = state.comparison
    listeners = state.config().settings.listen
    if comparison is None or all(each.role is not ListenerRole.SHADOW for each in listeners):
        return None
    return ShadowStatus(
        requests=comparison.counts.total(),
        agreed=comparison.total(AGREED),
        disagreed=comparison.total(DISAGREED),
        refused=comparison.total(REFUSED),
        unlabelled=comparison.total(UNLABELLED),
        by_route={
            route: count for (route, result), count in comparison.counts.items() if result == DISAGREED
        },
        refusals=dict(comparison.refusals),
        last=tuple(
            DisagreementStatus(
                time=each.time,
                method=each.method,
                shape=each.shape,
                ours=each.ours,
                theirs=each.theirs,
                route=each.route,
                source=each.source,
                reason=each.reason,
            )
            for each in reversed(comparison.last)
        ),
    )
