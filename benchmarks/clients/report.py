"""Latency by endpoint, straight and through the router, as JSON and as a Markdown table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.clients.samples import DIRECT, NAMES, SHARES, THROUGH, Row, Samples, rows
from benchmarks.report import table

ENOUGH = {name: 100 / (100 - share) for name, share in zip(NAMES, SHARES, strict=True)}
"""Requests on each lane, without which a percentile would only be the slowest one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """One run: `workers` says what stood behind the router."""

    machine: Mapping[str, str]
    workers: str
    users: int
    seconds: float
    samples: Samples


def as_markdown(results: Results) -> str:
    """A line for each kind of request."""
    found = rows(results.samples)
    header = ("ms", "requests", *(f"{name} {lane}" for name in NAMES for lane in (DIRECT, THROUGH, "added")))
    lines = [
        (
            row.kind,
            f"{row.counts[DIRECT]:,} + {row.counts[THROUGH]:,}",
            *(cell for name in NAMES for cell in _cells(row, name)),
        )
        for row in found
    ]
    failures = [f"- {count} failures: {what}" for what, count in results.samples.failures.most_common()]
    pieces = [
        "# Latency by endpoint, for clients as they behave",
        "\n".join(f"- {name}: {value}" for name, value in results.machine.items()),
        f"{results.users} users for {results.seconds:g} s, every second request of a kind past the router.",
        f"Behind it: {results.workers}.",
        table(header, lines),
        "\n".join(failures) or "No request failed.",
    ]
    return "\n\n".join(pieces) + "\n"


def _cells(row: Row, name: str) -> tuple[str, str, str]:
    """Straight, through the router, and added; nothing where too few were asked for that percentile."""
    if min(row.counts.values()) < ENOUGH[name]:
        return "", "", ""
    return f"{row.direct[name]:.2f}", f"{row.through[name]:.2f}", f"**{row.added[name]:+.2f}**"


def as_json(results: Results) -> str:
    """The percentiles; single times are not kept."""
    document = {
        "machine": results.machine,
        "workers": results.workers,
        "users": results.users,
        "seconds": results.seconds,
        "endpoints": [
            {
                "kind": row.kind,
                "requests": row.counts,
                DIRECT: _rounded(row.direct),
                THROUGH: _rounded(row.through),
                "added": _rounded(row.added),
            }
            for row in rows(results.samples)
        ],
        "failures": dict(results.samples.failures),
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _rounded(times: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in times.items()}
