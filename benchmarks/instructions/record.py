"""The counts that the repository keeps for builds of Python and locks, and whether a new one is near."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.instructions.build import Build

KEPT = Path(__file__).parents[1] / "results" / "instructions.json"

TOLERANCE = 0.05
"""By how much a count may differ; two runs of the same code differ by some thousandths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Instructions per request by kind, counted on that day with that build."""

    build: Build
    taken: str
    per_request: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One kind of request: what is recorded and what was counted, None where nothing is or was."""

    kind: str
    before: int | None
    now: int | None

    @property
    def share(self) -> float | None:
        """By how much it has grown; None where there is nothing to compare."""
        return self.now / self.before - 1 if self.now is not None and self.before else None

    @property
    def is_near(self) -> bool:
        """Whether it is within the tolerance; a kind that only one side knows is not."""
        return self.share is not None and abs(self.share) <= TOLERANCE


def load(file: Path = KEPT) -> list[Record]:
    """What is kept; nothing where there is no file yet."""
    if not file.exists():
        return []
    return [
        Record(build=Build(**each["build"]), taken=each["taken"], per_request=each["per_request"])
        for each in json.loads(file.read_text(encoding="utf-8"))
    ]


def save(records: list[Record], file: Path = KEPT) -> None:
    """Keeps them, in an order that makes a small diff."""
    ordered = sorted(records, key=lambda each: str(each.build))
    document = [{**asdict(each), "per_request": dict(each.per_request)} for each in ordered]
    file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def find(records: list[Record], build: Build) -> Record | None:
    """The one of that build."""
    return next((each for each in records if each.build == build), None)


def renewed(records: list[Record], record: Record) -> list[Record]:
    """With that one, without what it takes the place of: the same build, with whatever lock."""
    return [*(each for each in records if not record.build.succeeds(each.build)), record]


def compare(before: Mapping[str, int], now: Mapping[str, int]) -> list[Change]:
    """Every kind that either of them knows."""
    return [
        Change(kind=kind, before=before.get(kind), now=now.get(kind))
        for kind in dict.fromkeys([*now, *before])
    ]
