"""The figures as pictures: CPU by scenario and contender, and each ratio next to its target."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.figures import Row, Verdict, verdicts
from benchmarks.proxies import ROUTER
from benchmarks.scenarios import Scenario

Measured = Sequence[tuple[Scenario, Sequence[Row]]]

USER, SYSTEM, OURS_USER, OURS_SYSTEM = "#8a94a6", "#c9cfd8", "#1b6ca8", "#8fc1e3"
MET, MISSED, INK = "#1a7f37", "#b35900", "#24292f"
COLUMNS = 3
TICKS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.6, 1, 1.3, 2, 3, 4)

_SHORT = {"nginx as the reference ships it": "nginx as shipped", "aiohttp handler proxy": "aiohttp handler"}


def write(measured: Measured, folder: Path) -> list[str]:
    """Each picture as PNG and as SVG, the same bytes for the same figures; returns the names of the files."""
    aims = [verdict for scenario, rows in measured for verdict in verdicts(scenario, rows)]
    written = []
    with mpl.rc_context():
        _style()
        pictures = {"cpu": cpu(measured)} if measured else {}
        if aims:
            pictures["targets"] = targets(aims, {scenario.name: scenario for scenario, _ in measured})
        for name, figure in pictures.items():
            figure.savefig(folder / f"{name}.png", dpi=120)
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
            written += [f"{name}.png", f"{name}.svg"]
    return written


def _style() -> None:
    """Of all pictures; the salt gives the parts of an SVG the same names each time."""
    mpl.rc("svg", hashsalt="benchmarks")
    mpl.rc("font", size=10)
    mpl.rc("text", color=INK)
    mpl.rc("axes", titlesize=11, titleweight="bold", labelcolor=INK)
    mpl.rc("axes.spines", top=False, right=False)


def cpu(measured: Measured) -> Figure:
    """One field for each scenario, one bar for each contender: user and system time, stacked."""
    lines = -(-len(measured) // COLUMNS)
    figure = Figure(figsize=(13, 0.9 + 2.5 * lines), layout="constrained")
    axes = figure.subplots(lines, COLUMNS, squeeze=False).flat
    for field, (scenario, rows) in zip(axes, measured, strict=False):
        _bars(field, scenario, rows)
    for field in list(axes)[len(measured) :]:
        field.set_visible(False)
    figure.suptitle("CPU that a proxy uses, user (dark) and system (light); shorter is better", fontsize=13)
    return figure


def _bars(field: Axes, scenario: Scenario, rows: Sequence[Row]) -> None:
    share = scenario.mebibytes or 1.0
    names = [_SHORT.get(row.title, row.title) for row in rows]
    user, system = (
        [each / share for each in part] for part in zip(*((r.user, r.system) for r in rows), strict=True)
    )
    ours = [row.contender == ROUTER for row in rows]
    field.barh(names, user, color=[OURS_USER if each else USER for each in ours])
    bars = field.barh(names, system, left=user, color=[OURS_SYSTEM if each else SYSTEM for each in ours])
    field.bar_label(bars, [f"{a + b:,.0f}" for a, b in zip(user, system, strict=True)], padding=3)
    field.invert_yaxis()
    field.margins(x=0.14)
    field.set_title(scenario.title, loc="left")
    field.set_xlabel("µs per MiB" if scenario.mebibytes else "µs per request")
    field.tick_params(axis="y", length=0)


def targets(aims: Sequence[Verdict], scenarios: dict[str, Scenario]) -> Figure:
    """One line for each target: the median of the ratios with their span, and the target as a bar across."""
    figure = Figure(figsize=(10, 1.4 + 0.55 * len(aims)), layout="constrained")
    field = figure.subplots()
    for at, aim in enumerate(aims):
        colour = MET if aim.met else MISSED
        field.plot(
            [aim.lowest, aim.highest], [at, at], color=colour, linewidth=3, alpha=0.4, solid_capstyle="round"
        )
        field.plot(aim.ratio, at, marker="o", markersize=9, color=colour)
        field.plot([aim.target] * 2, [at - 0.35, at + 0.35], color=INK, linewidth=2)
        field.annotate(
            f"{aim.ratio:.2f}, target {aim.target:g}: {'met' if aim.met else 'missed'}",
            (1.01, at),
            xycoords=("axes fraction", "data"),
            va="center",
            color=colour,
        )
    field.set_yticks(
        range(len(aims)),
        [f"{_SHORT.get(each.title, each.title)}, {scenarios[each.scenario].title}" for each in aims],
    )
    field.set_xscale("log")
    field.set_xticks(TICKS, [f"{each:g}" for each in TICKS], minor=False)
    field.set_xticks([], minor=True)
    field.invert_yaxis()
    field.grid(axis="x", alpha=0.3)
    field.set_xlabel("the router's CPU over the other's, per request or per byte")
    field.set_title("Ratios (dot: median, line: lowest to highest) and targets (upright bar)", loc="left")
    return figure
