"""Reads reasons.tsv, which says why main serves what it serves, and finds its line for a request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from router.synapse.coverage import Judged, Verdict

FILE = Path(__file__).parent / "reasons.tsv"

COLUMNS = ("verdict", "methods", "path", "reason")

VERDICTS = {"only": Verdict.ONLY, "choice": Verdict.CHOICE, "closed": Verdict.CLOSED}
"""The words of the first column; the other verdicts need no reason, or have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One line: why requests of these methods (None: all) whose path matches get that verdict."""

    line: int
    verdict: Verdict
    methods: frozenset[str] | None
    path: re.Pattern[str]
    reason: str

    def covers(self, judged: Judged) -> bool:
        """Whether the line speaks of that request."""
        return (
            judged.verdict is self.verdict
            and (self.methods is None or judged.endpoint.method in self.methods)
            and self.path.search(judged.path) is not None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """Requests by the line that gives their reason; those without one, and lines without a request."""

    explained: dict[Reason, tuple[Judged, ...]]
    unexplained: tuple[Judged, ...]
    unused: tuple[Reason, ...]


@cache
def shipped() -> tuple[Reason, ...]:
    """The lines that come with this package, for the shipped table."""
    return parse(FILE.read_text(encoding="utf-8"))


def parse(text: str) -> tuple[Reason, ...]:
    """Reads lines of `COLUMNS` between tabs; raises ValueError with the line's number."""
    return tuple(_reasons(text.splitlines()))


def _reasons(lines: list[str]) -> Iterator[Reason]:
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        cells = line.split("\t")
        if len(cells) != len(COLUMNS) or not all(cells):
            raise ValueError(f"line {number}: {', '.join(COLUMNS)} are expected, between tabs")
        verdict, methods, path, reason = cells
        if verdict not in VERDICTS:
            raise ValueError(f"line {number}: the verdict is one of {', '.join(VERDICTS)}, not `{verdict}`")
        try:
            compiled = re.compile(path)
        except re.error as error:
            raise ValueError(f"line {number}: the path does not compile: {error}") from error
        yield Reason(
            line=number,
            verdict=VERDICTS[verdict],
            methods=None if methods == "*" else frozenset(methods.split(",")),
            path=compiled,
            reason=reason,
        )


def review(judged: Iterable[Judged], reasons: Iterable[Reason]) -> Reviewed:
    """The first line that speaks of each request that needs a reason."""
    explained: dict[Reason, list[Judged]] = {reason: [] for reason in reasons}
    unexplained = []
    for one in judged:
        if one.verdict not in VERDICTS.values():
            continue
        reason = next((reason for reason in explained if reason.covers(one)), None)
        if reason is None:
            unexplained.append(one)
        else:
            explained[reason].append(one)
    return Reviewed(
        explained={reason: tuple(found) for reason, found in explained.items() if found},
        unexplained=tuple(unexplained),
        unused=tuple(reason for reason, found in explained.items() if not found),
    )
