"""How long requests took, by kind and by lane, and what of it the router added."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.percentiles import percentiles

DIRECT, THROUGH = "direct", "through"
LANES = (DIRECT, THROUGH)

SHARES = (50.0, 95.0, 99.0)
NAMES = tuple(f"p{share:g}" for share in SHARES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Milliseconds by kind and lane; failures by what they were."""

    times: defaultdict[str, dict[str, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: {lane: [] for lane in LANES})
    )
    failures: Counter[str] = field(default_factory=Counter)

    def write(self, file: Path) -> None:
        """As JSON."""
        document = {"times": self.times, "failures": self.failures}
        file.write_text(json.dumps(document), encoding="utf-8")


def read(file: Path) -> Samples:
    """What `write` wrote."""
    document = json.loads(file.read_text(encoding="utf-8"))
    samples = Samples(failures=Counter(document["failures"]))
    samples.times.update(document["times"])
    return samples


class Row(NamedTuple):
    """One kind of request: how many on each lane, and milliseconds by percentile."""

    kind: str
    counts: dict[str, int]
    direct: dict[str, float]
    through: dict[str, float]

    @property
    def added(self) -> dict[str, float]:
        """The difference, percentile by percentile."""
        return {name: self.through[name] - self.direct[name] for name in NAMES}


def rows(samples: Samples) -> list[Row]:
    """Every kind that was asked on both lanes, by name."""
    return [
        Row(
            kind=kind,
            counts={lane: len(lanes[lane]) for lane in LANES},
            direct=percentiles(lanes[DIRECT], SHARES),
            through=percentiles(lanes[THROUGH], SHARES),
        )
        for kind, lanes in sorted(samples.times.items())
        if all(lanes[lane] for lane in LANES)
    ]
