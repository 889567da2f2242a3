"""What was measured, as numbers to compare, as JSON and as Markdown tables."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.micro import WHOLE, Deciding
from benchmarks.profile import Profile
from benchmarks.proxies import CONTENDERS, HANDLER, ROUTER, SHIPPED, TUNED
from benchmarks.rounds import Sample

TARGETS = {SHIPPED: 0.6, TUNED: 1.0, HANDLER: 0.15}
"""At most so much of the other's CPU per request is what the router is meant to use in the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One contender over all rounds: medians; times in microseconds, `ratio` is ours over theirs."""

    contender: str
    title: str
    user: float
    system: float
    per_second: float
    p50: float
    p99: float
    ratio: float
    lowest: float
    highest: float
    errors: int

    @property
    def cpu(self) -> float:
        """User and system."""
        return self.user + self.system


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Everything of one run; what could not be measured is empty, and `missing` says why."""

    machine: dict[str, str]
    deciding: dict[str, list[Deciding]] = field(default_factory=dict)
    parts: dict[str, float] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    profile: Profile | None = None
    missing: list[str] = field(default_factory=list)


def ratios(samples: Iterable[Sample], contender: str) -> list[float]:
    """The router's CPU per request over the contender's, in each round that has both."""
    by_round: dict[int, dict[str, Sample]] = {}
    for sample in samples:
        by_round.setdefault(sample.round, {})[sample.contender] = sample
    return [
        each[ROUTER].per_request / each[contender].per_request
        for each in by_round.values()
        if ROUTER in each and contender in each and each[contender].per_request
    ]


def rows(samples: Sequence[Sample]) -> list[Row]:
    """The contenders that took part, in their order."""
    found = []
    for contender in CONTENDERS:
        own = [sample for sample in samples if sample.contender == contender.name]
        against = ratios(samples, contender.name)
        if not own or not against:
            continue
        found.append(
            Row(
                contender=contender.name,
                title=contender.title,
                user=median(1e6 * each.user / each.requests for each in own),
                system=median(1e6 * each.system / each.requests for each in own),
                per_second=median(each.requests / each.seconds for each in own),
                p50=median(each.p50 for each in own),
                p99=median(each.p99 for each in own),
                ratio=median(against),
                lowest=min(against),
                highest=max(against),
                errors=sum(each.errors for each in own),
            )
        )
    return found


def as_json(results: Results) -> str:
    """The whole of it, with every single sample."""
    document = {
        "machine": results.machine,
        "missing": results.missing,
        "deciding": {name: [each._asdict() for each in lines] for name, lines in results.deciding.items()},
        "parts": results.parts,
        "rows": [dataclasses.asdict(row) for row in rows(results.samples)],
        "profile": results.profile._asdict() if results.profile else None,
        "samples": [dataclasses.asdict(sample) for sample in results.samples],
    }
    return json.dumps(_rounded(document), indent=1, ensure_ascii=False) + "\n"


def _rounded(value: object) -> object:
    """Numbers to as many digits as they are worth."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return value


def as_markdown(results: Results) -> str:
    """What a reader wants to see."""
    pieces = ["# Benchmark results", _facts(results.machine)]
    pieces += [f"**Not measured:** {each}" for each in results.missing]
    if results.samples:
        pieces += ["## CPU per request", _load_table(rows(results.samples))]
    if results.profile:
        pieces += ["## Where the router's goes", _profile_tables(results.profile)]
    if results.parts:
        pieces += ["## One request, part by part, without sockets", _parts_table(results.parts)]
    for name, lines in results.deciding.items():
        pieces += [f"## Deciding: {name}", _deciding_table(lines)]
    return "\n\n".join(pieces) + "\n"


def _facts(machine: dict[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in machine.items())


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose first column is text and the others numbers."""
    ruler = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, ruler, *lines))


def _load_table(contenders: list[Row]) -> str:
    header = (
        "",
        "CPU µs",
        "user",
        "system",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "router ÷ this (lowest-highest)",
        "target",
        "errors",
    )
    return table(
        header,
        [
            (
                row.title,
                f"{row.cpu:.1f}",
                f"{row.user:.1f}",
                f"{row.system:.1f}",
                f"{row.per_second:,.0f}",
                f"{row.p50 / 1e3:.1f}",
                f"{row.p99 / 1e3:.1f}",
                ""
                if row.contender == ROUTER
                else f"**{row.ratio:.2f}** ({row.lowest:.2f}-{row.highest:.2f})",
                f"≤ {TARGETS[row.contender]}" if row.contender in TARGETS else "",
                str(row.errors),
            )
            for row in contenders
        ],
    )


def _profile_tables(profile: Profile) -> str:
    pieces = [f"User {profile.user_share:.0f} %, system {profile.system_share:.0f} %."]
    if profile.note:
        pieces.append(f"No more than that: {profile.note}.")
    if profile.parts:
        pieces.append(table(("part", "%"), [(name, f"{each:.1f}") for name, each in profile.parts.items()]))
        pieces.append(table(("function", "%"), [(name, f"{each:.1f}") for name, each in profile.top.items()]))
    return "\n\n".join(pieces)


def _parts_table(parts: dict[str, float]) -> str:
    whole = parts[WHOLE]
    lines = [(name, f"{each:.2f}", f"{100 * each / whole:.0f}") for name, each in parts.items()]
    return table(("part", "µs", "%"), lines)


def _deciding_table(lines: list[Deciding]) -> str:
    return table(
        ("path", "loop over `re`, µs", "match, µs", "decide(), µs", "loop ÷ match"),
        [
            (
                each.path,
                f"{each.loop:.2f}",
                f"{each.match:.2f}",
                f"{each.decide:.2f}",
                f"{each.loop / each.match:.1f}",
            )
            for each in lines
        ],
    )
