"""Added latency as JSON and as a Markdown table, next to its target."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.latency.measure import DIRECT, GENERATOR, PROXY, WORKERS, Lane, Sample, added, times
from benchmarks.latency.relay import NAME as RELAY
from benchmarks.percentiles import SHOWN
from benchmarks.proxies import ROUTER

TARGET = 500.0
"""Microseconds that the router may add at the 99th percentile."""

NAMES = tuple(f"p{share:g}" for share in SHOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """One run: requests a second at saturation (None: not asked) and as sent, and every sample."""

    machine: Mapping[str, str]
    saturation: float | None
    rate: float
    lanes: Sequence[tuple[str, str]]
    """Names and titles, in their order."""

    samples: Sequence[Sample]
    missing: Sequence[str] = ()


def titled(lanes: Sequence[Lane]) -> list[tuple[str, str]]:
    """What `Results` keeps of them."""
    return [(lane.name, lane.title) for lane in lanes]


def verdict(results: Results) -> str:
    """What counts, and at half of saturation, which the target is for, whether that was met."""
    measured = median(added(results.samples, ROUTER, "p99"))
    told = f"p99 added by the router: {measured / 1000:.2f} ms"
    if results.saturation is None:
        return told
    met = "met" if measured <= TARGET else "missed"
    return f"{told}; target ≤ {TARGET / 1000:g} ms: **{met}**"


def as_markdown(results: Results) -> str:
    """A line for each lane, then one for what each proxy adds."""
    if results.saturation is None:
        load, how = f"{results.rate:,.0f} requests a second", "as asked for"
    else:
        load = "half of saturation"
        how = f"half of the {results.saturation:,.0f} at which the router is saturated"
    rounds = len({each.round for each in results.samples})
    lines = [
        f"# Added latency at {load}",
        "",
        *(f"- {name}: {value}" for name, value in results.machine.items()),
        *(f"- not measured: {each}" for each in results.missing),
        "",
        f"{results.rate:,.0f} requests a second, {how}; open loop; {rounds} rounds; medians over the rounds.",
        "",
        "| ms | " + " | ".join(NAMES) + " | errors |",
        "| --- |" + " ---: |" * (len(NAMES) + 1),
    ]
    for lane, title in results.lanes:
        cells = [_ms(median(times(results.samples, lane, name))) for name in NAMES]
        errors = sum(each.outcome.errors for each in results.samples if each.lane == lane)
        lines.append(f"| {title} | {' | '.join(cells)} | {errors} |")
    for lane, title in results.lanes:
        if lane != DIRECT:
            cells = [_spread(added(results.samples, lane, name)) for name in NAMES]
            lines.append(f"| added {title} (lowest to highest) | {' | '.join(cells)} | |")
    lines += ["", verdict(results), *_of_the_relay(results), ""]
    late = median(each.outcome.late for each in results.samples)
    lines.append(f"The generator was {_ms(late)} ms behind its clock at its p99, which is in every line.")
    return "\n".join([*lines, "", *_waits(results)]) + "\n"


def _of_the_relay(results: Results) -> list[str]:
    """What the target comes to on this machine, where there was a relay."""
    if RELAY not in {each.lane for each in results.samples}:
        return []
    found = median(added(results.samples, RELAY, "p99"))
    told = f"p99 added by a relay that reads nothing: {found / 1000:.2f} ms"
    return ["", f"{told}, the price of one more process in the way here."]


def _waits(results: Results) -> list[str]:
    """A line for each lane; a proxy has a core of its own."""
    names = (GENERATOR, WORKERS, PROXY)
    lines = [
        "Ready to run, but no core was free (µs a request, the kernel's count, medians over the rounds):",
        "",
        f"| | {' | '.join(names)} |",
        "| --- |" + " ---: |" * len(names),
    ]
    for lane, title in results.lanes:
        of_lane = [each.waits for each in results.samples if each.lane == lane]
        cells = [
            f"{median(each[name] for each in of_lane):.1f}" if name in of_lane[0] else "" for name in names
        ]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def _ms(microseconds: float) -> str:
    return f"{microseconds / 1000:.2f}"


def _spread(microseconds: Sequence[float]) -> str:
    lowest, highest = min(microseconds), max(microseconds)
    return f"**{_ms(median(microseconds))}** ({_ms(lowest)} to {_ms(highest)})"


def as_json(results: Results) -> str:
    """The whole of it, with every sample."""
    document = {
        "machine": results.machine,
        "missing": list(results.missing),
        "saturation": results.saturation,
        "rate": results.rate,
        "target": TARGET,
        "added": {
            lane: {name: round(median(added(results.samples, lane, name)), 1) for name in NAMES}
            for lane, _ in results.lanes
            if lane != DIRECT
        },
        "samples": [
            {"lane": each.lane, "round": each.round, "waits": each.waits, **each.outcome._asdict()}
            for each in results.samples
        ],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
