"""What was measured, as JSON and as Markdown tables."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from benchmarks.figures import Row, Verdict, rows, verdicts
from benchmarks.proxies import CONTENDERS, ROUTER
from benchmarks.rounding import rounded
from benchmarks.rounds import Sample
from benchmarks.scenarios import SCENARIOS, Scenario

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Everything of one run; what could not be measured is empty, and `missing` says why.

    `samples` are by the scenario's name.
    """

    machine: dict[str, str]
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def measured(self) -> list[tuple[Scenario, list[Row]]]:
        """The scenarios that were played, in their order, with a row for each contender."""
        return [(each, rows(self.samples[each.name])) for each in SCENARIOS if each.name in self.samples]


def as_json(results: Results) -> str:
    """The whole of it, with every single sample."""
    document = {
        "machine": results.machine,
        "missing": results.missing,
        "scenarios": {
            scenario.name: {
                "title": scenario.title,
                "mebibytes": scenario.mebibytes,
                "targets": dict(scenario.targets),
                "rows": [dataclasses.asdict(row) for row in measured],
                "samples": [dataclasses.asdict(sample) for sample in results.samples[scenario.name]],
            }
            for scenario, measured in results.measured()
        },
    }
    return json.dumps(rounded(document), indent=1, ensure_ascii=False) + "\n"


def as_markdown(results: Results) -> str:
    """What a reader wants to see."""
    pieces = ["# Benchmark results", _facts(results.machine)]
    pieces += [f"**Not measured:** {each}" for each in results.missing]
    pieces += _load_pieces(results.measured())
    return "\n\n".join(pieces) + "\n"


def _facts(machine: dict[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in machine.items())


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose first column is text and the others numbers."""
    ruler = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, ruler, *lines))


def _load_pieces(measured: list[tuple[Scenario, list[Row]]]) -> list[str]:
    pieces = []
    aims = [(scenario, verdict) for scenario, each in measured for verdict in verdicts(scenario, each)]
    if aims:
        pieces += ["## Targets: the router's CPU per request over another's", _verdict_table(aims)]
    if len(measured) > 1:
        pieces += ["## The router's CPU per request over another's, by scenario", _ratio_table(measured)]
    for scenario, each in measured:
        pieces += [f"## {scenario.title[0].upper()}{scenario.title[1:]}", _load_table(scenario, each)]
    return pieces


def _verdict_table(aims: Iterable[tuple[Scenario, Verdict]]) -> str:
    return table(
        ("against", "requests", "router ÷ this", "lowest-highest", "target", ""),
        [
            (
                verdict.title,
                f"{scenario.title}, per byte" if scenario.mebibytes else scenario.title,
                f"**{verdict.ratio:.2f}**",
                f"{verdict.lowest:.2f}-{verdict.highest:.2f}",
                f"≤ {verdict.target}",
                "met" if verdict.met else "missed",
            )
            for scenario, verdict in aims
        ],
    )


def _ratio_table(measured: Iterable[tuple[Scenario, list[Row]]]) -> str:
    others = [each for each in CONTENDERS if each.name != ROUTER]
    lines = []
    for scenario, found in measured:
        by_name = {row.contender: row for row in found}
        lines.append(
            (
                scenario.title,
                *(f"{by_name[each.name].ratio:.2f}" if each.name in by_name else "-" for each in others),
            )
        )
    return table(("", *(each.title for each in others)), lines)


def _load_table(scenario: Scenario, contenders: list[Row]) -> str:
    bulk = scenario.mebibytes
    header = (
        *("", "CPU µs", "user", "system"),
        *(("CPU µs/MiB", "MiB/s") if bulk else ()),
        *("requests/s", "p50 ms", "p90", "p99", "p99.9", "peak MiB", "router ÷ this", "lowest-highest"),
        "errors",
    )
    return table(
        header,
        [
            (
                *(row.title, f"{row.cpu:.1f}", f"{row.user:.1f}", f"{row.system:.1f}"),
                *((f"{row.cpu / bulk:,.0f}", f"{row.per_second * bulk:,.0f}") if bulk else ()),
                f"{row.per_second:,.0f}",
                *(f"{each / 1e3:.1f}" for each in (row.p50, row.p90, row.p99, row.p999)),
                f"{row.peak / MIB:.0f}",
                "" if row.contender == ROUTER else f"**{row.ratio:.2f}**",
                "" if row.contender == ROUTER else f"{row.lowest:.2f}-{row.highest:.2f}",
                str(row.errors),
            )
            for row in contenders
        ],
    )
