"""The figures of the memory benchmark as a Markdown table, next to the targets."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.memory.contenders import CONTENDERS
from benchmarks.memory.scenarios import SCENARIOS


def as_markdown(figures: Mapping[str, Mapping[str, float | None]], machine: Mapping[str, str]) -> str:
    """One line for a scenario, one column for a contender; `-` for what was not measured."""
    shown = [each for each in CONTENDERS if any(each.name in row for row in figures.values())]
    lines = [
        "# Memory: peak growth of the process tree",
        "",
        "| | target | " + " | ".join(each.title for each in shown) + " |",
        "|---" * (len(shown) + 2) + "|",
    ]
    for scenario in SCENARIOS:
        row = figures.get(scenario.name)
        if row is None:
            continue
        count = f"{scenario.count:,} " if scenario.count > 1 else ""
        cells = [_cell(row, each.name) for each in shown]
        lines.append(
            f"| {count}{scenario.title}, {scenario.measure} | < {scenario.target:g} | {' | '.join(cells)} |"
        )
    lines += ["", "Machine: " + "; ".join(f"{name} {value}" for name, value in machine.items()), ""]
    return "\n".join(lines)


def _cell(row: Mapping[str, float | None], name: str) -> str:
    if name not in row:
        return "-"
    value = row[name]
    return "failed" if value is None else f"{value:.1f}"
