from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import kills
from tests.faults.client import End
from tests.faults.kills import Losses

SECONDS = 9.0


async def test_nobody_loses_a_request_that_may_be_repeated(
    tmp_path: Path, losses: Callable[[list[str]], None]
) -> None:
    found = await kills.run(tmp_path, SECONDS)
    losses(found.lines())
    found.require()


def counted(*ends: tuple[str, End], sent: int | None = None) -> Losses:
    made = Losses(kills=1, retries=1)
    made.tally.update(ends)
    made.sent = made.counted = len(ends) if sent is None else sent
    return made


def test_what_may_happen() -> None:
    counted(("GET", End.WHOLE), ("GET", End.CUT), ("POST", End.REFUSED_502), ("PUT >64K", End.CUT)).require()


@pytest.mark.parametrize(
    "found",
    [
        counted(("GET", End.REFUSED_502)),
        counted(("PUT", End.REFUSED_503)),
        counted(("PUT", End.NOT_CONNECTED)),
        counted(("POST", End.LOST)),
        counted(("GET", End.WHOLE), sent=2),
    ],
)
def test_what_must_not(found: Losses) -> None:
    with pytest.raises(AssertionError):
        found.require()
