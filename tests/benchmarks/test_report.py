from __future__ import annotations

import json

from benchmarks.report import Results, as_json, as_markdown, table
from tests.benchmarks.test_figures import ROUNDS


def test_markdown_shows_what_there_is() -> None:
    results = Results(
        machine={"python": "3"},
        samples={"small": ROUNDS, "media-down": ROUNDS},
        missing=["HAProxy: not installed"],
    )
    text = as_markdown(results)
    numbers = "2,000 | 1.0 | 2.0 | 3.0 | 4.0 | 22 | **1.50** | 1.20-2.00 | 3 |"
    assert f"| nginx tuned | 20.0 | 15.0 | 5.0 | {numbers}" in text
    assert f"| nginx tuned | 20.0 | 15.0 | 5.0 | 20 | 2,000 | {numbers}" in text
    assert "| nginx tuned | small JSON | **1.50** | 1.20-2.00 | ≤ 1.0 | missed |" in text
    assert "| nginx tuned | media down, 1 MiB, per byte | **1.50** | 1.20-2.00 | ≤ 1.3 | missed |" in text
    assert "| small JSON | - | 1.50 | - | - | - |" in text
    assert "**Not measured:** HAProxy: not installed" in text


def test_markdown_leaves_out_what_there_is_not() -> None:
    text = as_markdown(Results(machine={"python": "3"}))
    assert "##" not in text


def test_json_keeps_every_sample() -> None:
    document = json.loads(as_json(Results(machine={}, samples={"small": ROUNDS})))
    assert [each["round"] for each in document["scenarios"]["small"]["samples"]] == [0, 0, 1, 1, 2, 2]
    assert document["scenarios"]["small"]["rows"][1]["ratio"] == 1.5


def test_a_table_has_a_line_for_each_row() -> None:
    assert table(("a", "b"), [("x", "1")]) == "| a | b |\n| --- | ---: |\n| x | 1 |"
