"""`make endpoints`: prints where a table sends every endpoint of Synapse, and why main has what it has."""

from __future__ import annotations

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from router.config.loader import load_or_raise
from router.errors import ConfigError
from router.routing.snapshot import Snapshot
from router.synapse import catalogue as catalogues
from router.synapse import reasons as committed
from router.synapse.catalogue import Catalogue
from router.synapse.coverage import Judged, Verdict, judge
from router.synapse.reasons import Reviewed, review

RIGHT, NOT_RIGHT, CANNOT = 0, 1, 2

WORST_FIRST = (Verdict.WRONG, Verdict.CLOSED, Verdict.CHOICE, Verdict.ONLY, Verdict.WORKER)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the report on the table that `-c` names.

    Exit status 1 says that something is wrong or without its reason, 2 that the table does not load.
    """
    parser = argparse.ArgumentParser(prog="python -m router.synapse", description=__doc__)
    parser.add_argument("-c", "--config", type=Path, default=Path("routes.yaml"), metavar="FILE")
    shipped = catalogues.shipped()
    try:
        config = load_or_raise(parser.parse_args(arguments).config)
        judged = tuple(judge(Snapshot.build(config.table, config.settings.guard), shipped))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return CANNOT
    reviewed = review(judged, committed.shipped())
    try:
        print("\n".join(report(shipped, judged, reviewed)), flush=True)
    except BrokenPipeError:
        # Whoever read this, `head` say, has seen enough; nothing may be flushed to it on the way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return RIGHT if is_right(judged, reviewed) else NOT_RIGHT


def is_right(judged: Iterable[Judged], reviewed: Reviewed) -> bool:
    """Nothing wrong, a reason for all that needs one, and no reason that nothing needs."""
    wrong = any(one.verdict is Verdict.WRONG for one in judged)
    return not (wrong or reviewed.unexplained or reviewed.unused)


def report(catalogue: Catalogue, judged: Sequence[Judged], reviewed: Reviewed) -> Iterator[str]:
    """The lines of the report: the summary, the reasons, and what is not as it should be."""
    yield from summary(catalogue, judged)
    for verdict in (Verdict.CHOICE, Verdict.ONLY, Verdict.CLOSED):
        yield from _section(verdict, reviewed)
    yield from _complaints("wrong", [str(one) for one in judged if one.verdict is Verdict.WRONG])
    without = [f"{one} ({one.verdict.value})" for one in reviewed.unexplained]
    yield from _complaints(f"without a line in {committed.FILE.name}", without)
    unused = [f"line {reason.line}: {reason.path.pattern}" for reason in reviewed.unused]
    yield from _complaints(f"in {committed.FILE.name}, and not needed", unused)


def summary(catalogue: Catalogue, judged: Sequence[Judged]) -> Iterator[str]:
    """How many endpoints there are of each verdict."""
    counted = count(judged)
    asked = f"{len(catalogue.endpoints)} endpoints, asked for by {len(judged)} requests"
    yield f"Synapse {catalogue.synapse}: {asked}"
    yield f"{counted[Verdict.WORKER] + counted[Verdict.ONLY]:6}  right"
    for verdict in (Verdict.WORKER, Verdict.ONLY):
        yield f"{counted[verdict]:14}  {verdict.value}"
    for verdict in (Verdict.CHOICE, Verdict.CLOSED, Verdict.WRONG):
        yield f"{counted[verdict]:6}  {verdict.value}"


def count(judged: Iterable[Judged]) -> dict[Verdict, int]:
    """How many endpoints have each verdict; one whose requests differ has the worst of theirs."""
    verdicts = defaultdict(set)
    for one in judged:
        verdicts[one.endpoint.method, one.endpoint.pattern].add(one.verdict)
    counted = dict.fromkeys(WORST_FIRST, 0)
    for found in verdicts.values():
        counted[next(verdict for verdict in WORST_FIRST if verdict in found)] += 1
    return counted


def _section(verdict: Verdict, reviewed: Reviewed) -> Iterator[str]:
    groups: dict[str, list[Judged]] = defaultdict(list)
    for reason, found in reviewed.explained.items():
        if reason.verdict is verdict:
            groups[reason.reason] += found
    if groups:
        yield from ("", f"{verdict.value}:")
    for why, found_for_it in groups.items():
        yield f"  {why}"
        # The catalogued path comes first, but another spelling of it may be the only one that is meant.
        first: dict[tuple[str, str], str] = {}
        for one in found_for_it:
            first.setdefault((one.endpoint.method, one.endpoint.pattern), one.path)
        methods: dict[str, set[str]] = defaultdict(set)
        for (method, _), path in first.items():
            methods[path].add(method)
        for path in sorted(methods):
            yield f"    {', '.join(sorted(methods[path])):12}  {path}"


def _complaints(what: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield from ("", f"{what}:", *(f"  {line}" for line in lines))
