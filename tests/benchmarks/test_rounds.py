from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks import proxies, rounds
from router.local.loopback import answers


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_whatever_happens_nothing_is_left_running(tmp_path: Path) -> None:
    ours = [each for each in proxies.CONTENDERS if not each.needs]
    pids: list[int] = []

    def interrupted() -> None:
        with rounds.arena(tmp_path, ours) as running:
            assert all(answers(each.port, "/_matrix/client/versions") for each in running)
            pids.extend(each.pid for each in running)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(pids) == 2
    assert not any(map(alive, pids))
    assert not list(tmp_path.glob("*.pid"))
