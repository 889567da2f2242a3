from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.clients.samples import DIRECT, THROUGH, Samples, read, rows


@pytest.fixture
def samples() -> Samples:
    """100 sends of 1 to 100 ms straight, each 2 ms longer through the router; one picture."""
    found = Samples()
    for number in range(1, 101):
        found.times["send"][DIRECT].append(float(number))
        found.times["send"][THROUGH].append(float(number + 2))
    found.times["picture"][DIRECT].append(5.0)
    found.failures["sync, direct: 502"] += 3
    return found


def test_what_is_added_is_the_difference_of_percentiles(samples: Samples) -> None:
    (row,) = rows(samples)
    assert row.kind == "send"
    assert row.counts == {DIRECT: 100, THROUGH: 100}
    assert row.direct == {"p50": 50, "p95": 95, "p99": 99}
    assert row.added == {"p50": 2, "p95": 2, "p99": 2}


def test_a_file_keeps_them(samples: Samples, tmp_path: Path) -> None:
    samples.write(tmp_path / "samples.json")
    again = read(tmp_path / "samples.json")
    assert rows(again) == rows(samples)
    assert again.failures == samples.failures
