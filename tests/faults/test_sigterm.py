from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.faults import sigterm
from tests.faults.client import End
from tests.faults.sigterm import POLL, POLLS, THINKING


async def test_nobody_loses_anything(tmp_path: Path, losses: Callable[[list[str]], None]) -> None:
    ended = await sigterm.run(tmp_path)
    losses(ended.lines())
    sigterm.require(ended)
    assert ended.tally["poll", End.WHOLE] == POLLS, "a poll that was under way is answered"
    assert ended.told >= THINKING, "who was idle got one more answer, and was told"
    assert ended.unasked == 0
    assert POLL - 0.5 < ended.ended_after < POLL + 5, "it waits for the polls and for nothing else"


async def test_what_lasts_longer_than_drain_timeout_is_cut_then_and_not_before(tmp_path: Path) -> None:
    ended = await sigterm.run(tmp_path, poll=15.0, drain_timeout="3s")
    assert ended.status == 0
    assert 3.0 <= ended.ended_after < 6.0
    assert {end for name, end in ended.tally if name != "poll"} == {End.WHOLE}
    assert ended.tally["poll", End.LOST] == POLLS
