"""What a request costs and where, as one value, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.instructions.callgrind import Spent
from benchmarks.micro.results import Timed
from benchmarks.profile.functions import Function
from benchmarks.profile.live import Live
from benchmarks.profile.perf import TOP, Sampled, largest, part_of
from benchmarks.rounding import rounded

RECORD = Path(__file__).parents[1] / "results" / "performance.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One run. `kinds` are instructions per request, `times` and `instructions` are of single calls by name.

    `counted` says where the instructions of all kinds in turn went; `functions` are Python's. What could not
    be measured is empty or None, and `missing` says why.
    """

    machine: Mapping[str, str]
    kinds: Mapping[str, int]
    times: Mapping[str, Timed]
    instructions: Mapping[str, int]
    live: Live | None
    counted: Sampled
    functions: list[Function]
    missing: Mapping[str, str] = field(default_factory=dict)


def shares(spent: Iterable[Spent]) -> Sampled:
    """Counted instructions as shares by part and function, as samples are told."""
    spent = list(spent)
    whole = sum(each.instructions for each in spent) or 1
    parts: dict[str, float] = {}
    functions: dict[str, float] = {}
    for each in spent:
        part, share = part_of(each.shared_object), 100 * each.instructions / whole
        parts[part] = parts.get(part, 0.0) + share
        name = f"{part}: {each.function[:60]}"
        functions[name] = functions.get(name, 0.0) + share
    return Sampled(largest(parts, len(parts)), largest(functions, TOP), "")


def save(profile: Profile, file: Path) -> None:
    """As JSON, with as many digits as are worth it."""
    document = json.dumps(rounded(_plain(profile)), indent=1, ensure_ascii=False)
    file.write_text(document + "\n", encoding="utf-8")


def load(file: Path = RECORD) -> Profile:
    """What was saved."""
    document = json.loads(file.read_text(encoding="utf-8"))
    live = document["live"]
    return Profile(
        **{
            **document,
            "times": {name: Timed(**each) for name, each in document["times"].items()},
            "live": Live(**{**live, "sampled": Sampled(**live["sampled"])}) if live else None,
            "counted": Sampled(**document["counted"]),
            "functions": [Function(**each) for each in document["functions"]],
        }
    )


def _plain(profile: Profile) -> dict[str, object]:
    live = profile.live
    return {
        **asdict(profile),
        "times": {name: each._asdict() for name, each in profile.times.items()},
        "live": {**live._asdict(), "sampled": live.sampled._asdict()} if live else None,
        "counted": profile.counted._asdict(),
        "functions": [each._asdict() for each in profile.functions],
    }
