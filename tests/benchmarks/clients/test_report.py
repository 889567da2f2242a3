from __future__ import annotations

import json

from benchmarks.clients.report import ENOUGH, Results, as_json, as_markdown
from benchmarks.clients.samples import DIRECT, LANES, THROUGH, Samples


def results(count: int, *failures: str) -> Results:
    """So many sends on each lane: 1 ms straight, 1.5 ms through the router."""
    samples = Samples()
    for lane, spent in zip(LANES, (1.0, 1.5), strict=True):
        samples.times["send"][lane].extend([spent] * count)
    samples.failures.update(failures)
    return Results(machine={"python": "3"}, workers="stand-ins", users=9, seconds=60, samples=samples)


def test_a_line_for_each_kind() -> None:
    text = as_markdown(results(100))
    cells = "1.00 | 1.50 | **+0.50**"
    assert f"| send | 100 + 100 | {cells} | {cells} | {cells} |" in text
    assert "9 users for 60 s" in text
    assert "No request failed." in text


def test_a_percentile_of_too_few_is_left_out() -> None:
    cells = "1.00 | 1.50 | **+0.50**"
    assert ENOUGH["p99"] == 100
    assert f"| send | 99 + 99 | {cells} | {cells} |  |  |  |" in as_markdown(results(99))


def test_failures_are_told() -> None:
    text = as_markdown(results(1, "sync, direct: 502", "sync, direct: 502"))
    assert "- 2 failures: sync, direct: 502" in text


def test_json_has_the_percentiles() -> None:
    (endpoint,) = json.loads(as_json(results(100)))["endpoints"]
    assert endpoint["requests"] == {DIRECT: 100, THROUGH: 100}
    assert endpoint["added"] == {"p50": 0.5, "p95": 0.5, "p99": 0.5}
