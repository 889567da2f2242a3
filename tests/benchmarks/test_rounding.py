from __future__ import annotations

from benchmarks.rounding import rounded


def test_floats_are_rounded_wherever_they_stand() -> None:
    assert rounded({"a": [1.23456789, {"b": 0.00004}], "c": 7, "d": "1.23456789"}) == {
        "a": [1.2346, {"b": 0.0}],
        "c": 7,
        "d": "1.23456789",
    }
