"""Cost by size as JSON, as Markdown tables, and as a plot with one field for each series."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.report import table
from benchmarks.scale.contenders import CONTENDERS, ROUTER
from benchmarks.scale.measure import SERIES, Sample, Series, points

FLAT = 1.1
"""A cost is called flat that is nowhere more than so many times that of the smallest size."""

_COLOURS = {ROUTER: "#1b6ca8", "nginx": "#6e7781"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """One run."""

    machine: Mapping[str, str]
    samples: Sequence[Sample]
    missing: Sequence[str] = ()

    def series(self) -> list[Series]:
        """Those that were measured."""
        return [each for each in SERIES if any(sample.series == each.name for sample in self.samples)]


def verdict(samples: Sequence[Sample], series: Series) -> str:
    """Whether the router's cost is flat."""
    found = points(samples, series.name, ROUTER)
    worst = max(found, key=lambda point: point.ratio)
    if worst.ratio <= FLAT:
        return f"The router's cost is **flat**: at most {worst.ratio:.2f} of that at {found[0].size}."
    return (
        f"The router's cost is **not flat**: {worst.ratio:.2f} of that at {found[0].size} "
        f"with {worst.size:,} (flat: at most {FLAT})."
    )


def as_markdown(results: Results) -> str:
    """One table for each series."""
    pieces = [
        "# CPU per request by size",
        "\n".join(f"- {name}: {value}" for name, value in results.machine.items()),
    ]
    pieces += [f"**Not measured:** {each}" for each in results.missing]
    for series in results.series():
        pieces += [f"## {series.title.capitalize()}", _table(results.samples, series)]
        pieces.append(verdict(results.samples, series))
    pieces.append("![CPU per request over connections and over routes](scale.svg)")
    return "\n\n".join(pieces) + "\n"


def _table(samples: Sequence[Sample], series: Series) -> str:
    by_size: dict[int, list[str]] = {}
    shown = []
    for contender in CONTENDERS:
        found = points(samples, series.name, contender.name)
        if found:
            shown += [f"{contender.title}, µs (lowest-highest)", "÷ smallest", "errors"]
        for point in found:
            by_size.setdefault(point.size, []).extend(
                (
                    f"**{point.cpu:.1f}** ({point.lowest:.1f}-{point.highest:.1f})",
                    f"{point.ratio:.2f}",
                    str(point.errors),
                )
            )
    return table((series.name, *shown), [(f"{size:,}", *cells) for size, cells in by_size.items()])


def as_json(results: Results) -> str:
    """The whole of it, with every sample."""
    document = {
        "machine": results.machine,
        "missing": list(results.missing),
        "flat": FLAT,
        "points": {
            series.name: {
                contender.name: [
                    {name: round(value, 3) for name, value in dataclasses.asdict(point).items()}
                    for point in points(results.samples, series.name, contender.name)
                ]
                for contender in CONTENDERS
            }
            for series in results.series()
        },
        "samples": [dataclasses.asdict(sample) for sample in results.samples],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def plot(results: Results, folder: Path) -> list[str]:
    """As PNG and as SVG, the same bytes for the same figures; the names of the files."""
    shown = results.series()
    with mpl.rc_context({"svg.hashsalt": "benchmarks", "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(5.5 * len(shown), 4), layout="constrained")
        fields = figure.subplots(1, len(shown), squeeze=False)[0]
        for field, series in zip(fields, shown, strict=True):
            _draw(field, results.samples, series)
        figure.suptitle("CPU per request as the deployment grows (line: median, band: lowest to highest)")
        figure.savefig(folder / "scale.png", dpi=120)
        figure.savefig(folder / "scale.svg", metadata={"Date": None})
    return ["scale.png", "scale.svg"]


def _draw(field: Axes, samples: Sequence[Sample], series: Series) -> None:
    for contender in CONTENDERS:
        found = points(samples, series.name, contender.name)
        if not found:
            continue
        sizes, colour = [point.size for point in found], _COLOURS[contender.name]
        field.fill_between(
            sizes, [each.lowest for each in found], [each.highest for each in found], color=colour, alpha=0.15
        )
        field.plot(sizes, [each.cpu for each in found], marker="o", color=colour, label=contender.title)
        for point in found:
            field.annotate(
                f"{point.cpu:.0f}",
                (point.size, point.cpu),
                xytext=(0, 7),
                textcoords="offset points",
                ha="center",
                color=colour,
            )
    field.set_xscale("log")
    field.set_xticks(series.sizes, [f"{size:,}" for size in series.sizes])
    field.set_xticks([], minor=True)
    field.set_ylim(0, 1.12 * field.get_ylim()[1])
    field.grid(axis="y", alpha=0.3)
    field.set_xlabel(series.title)
    field.set_ylabel("µs per request, user and system")
    field.legend(frameon=False, loc="best")
