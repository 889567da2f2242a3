from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.scale.measure import ROUTES, SERIES, Sample
from benchmarks.scale.report import Results, as_json, as_markdown, plot, verdict

SIZES = (10, 100, 300, 1000)


def results(*router: float) -> Results:
    """So many microseconds at each size, in each of two rounds; nginx takes ten and twenty in turn."""
    samples = [
        Sample(
            series=ROUTES,
            size=size,
            contender=name,
            round=number,
            requests=1_000_000,
            cpu=spent * (1 + number),
            errors=0,
        )
        for number in range(2)
        for name, prices in {"router": router, "nginx": (10, 20, 10, 20)}.items()
        for size, spent in zip(SIZES, prices, strict=True)
    ]
    return Results(machine={"python": "3"}, samples=samples, missing=["10,000 connections: too many"])


def test_a_line_for_each_size() -> None:
    text = as_markdown(results(20, 20, 21, 22))
    assert "| routes | router, µs (lowest-highest) | ÷ smallest | errors | nginx tuned, µs" in text
    assert "| 1,000 | **33.0** (22.0-44.0) | 1.10 | 0 | **30.0** (20.0-40.0) | 2.00 | 0 |" in text
    assert "**Not measured:** 10,000 connections: too many" in text
    assert "Open client" not in text


@pytest.mark.parametrize(
    ("prices", "said"),
    [
        ((20, 20, 21, 22), "**flat**: at most 1.10 of that at 10."),
        ((20, 20, 23, 22), "**not flat**: 1.15 of that at 10 with 300 (flat: at most 1.1)."),
    ],
)
def test_it_says_whether_the_cost_is_flat(prices: tuple[float, ...], said: str) -> None:
    series = next(each for each in SERIES if each.name == ROUTES)
    assert said in verdict(results(*prices).samples, series)


def test_json_keeps_points_and_samples() -> None:
    document = json.loads(as_json(results(20, 20, 21, 22)))
    assert [point["ratio"] for point in document["points"][ROUTES]["router"]] == [1.0, 1.0, 1.05, 1.1]
    assert len(document["samples"]) == 16


def test_the_same_figures_give_the_same_pictures(tmp_path: Path) -> None:
    pictures = []
    for turn in ("one", "two"):
        folder = tmp_path / turn
        folder.mkdir()
        assert plot(results(20, 20, 21, 22), folder) == ["scale.png", "scale.svg"]
        pictures.append([(folder / name).read_bytes() for name in ("scale.png", "scale.svg")])
    assert pictures[0] == pictures[1]
    png, svg = pictures[0]
    assert png.startswith(b"\x89PNG")
    assert b"<svg" in svg
