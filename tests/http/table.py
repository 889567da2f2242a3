"""The table of docs/http.md: for each case what this router does, and what nginx and HAProxy do."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop

from tests.http.cases import Case, topics
from tests.http.ours import by_ours
from tests.http.stage import Outcome
from tests.http.theirs import by_haproxy, by_nginx, haproxy_version, nginx_version
from tests.http.verdict import summary

PAGE = Path(__file__).parents[2] / "docs" / "http.md"

MARK = "<!-- From here on: written by `make http` from tests/http/*.yaml. -->\n"

NOT_ASKED = "-"

ASKED_AT_MOST = 4

Pair = tuple[str, str]
"""What nginx does, and what HAProxy does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One case in the table, each answer in the words of `summary`."""

    name: str
    ours: str
    nginx: str
    haproxy: str


def ours(case: Case) -> str:
    """What this router does with a case, asked now."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return said(case, runner.run(by_ours(case)))


def said(case: Case, outcome: Outcome) -> str:
    """An outcome as a cell of the table."""
    return _cell(summary(case, outcome))


def theirs(cases: Sequence[Case], rows: Mapping[str, Row]) -> dict[str, Pair]:
    """What nginx and HAProxy do with each case that is for them, asked now, by the case's id.

    What isn't as in `rows` is asked again, with fewer others at a time, until two answers are alike: a busy
    machine answers late.
    """
    asked = [case for case in cases if not case.alone]
    found: dict[str, Pair] = {}
    known = {name: (row.nginx, row.haproxy) for name, row in rows.items()}
    for _ in range(ASKED_AT_MOST):
        if not asked:
            break
        now = _ask(asked)
        asked = [case for case in asked if now[case.id] != known.get(case.id)]
        known |= now
        found |= now
    return found


def _ask(cases: Sequence[Case]) -> dict[str, Pair]:
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        nginx, haproxy = by_nginx(cases, Path(first)), by_haproxy(cases, Path(second))
    return {case.id: (said(case, nginx[case.id]), said(case, haproxy[case.id])) for case in cases}


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def versions() -> str:
    return f"nginx {nginx_version()} and HAProxy {haproxy_version()}"


def rendered(cases: Sequence[Case], rows: Mapping[str, Row], asked: str) -> str:
    """The generated end of the page; `asked` names the versions."""
    parts = [f"\nAsked: {asked}.\n"]
    for topic, title in topics().items():
        parts.append(f"\n### {title}\n\n| case | RFC | router | nginx | HAProxy |\n|---|---|---|---|---|\n")
        for case in cases:
            if case.topic == topic:
                row = rows[case.id]
                rfc = case.rfc.replace("RFC ", "").replace("section ", "")
                cells = (_cell(case.name), rfc, row.ours, row.nginx, row.haproxy)
                parts.append(f"| {' | '.join(cells)} |\n")
        parts.append(_reasons([case for case in cases if case.topic == topic]))
    return "".join(parts)


def objection(case: Case, row: Row) -> str:
    """What this router does without a reason that the case gives, or the reason that it gives for nothing."""
    if row.nginx == NOT_ASKED:
        return ""
    alone = row.nginx == row.haproxy != row.ours
    if alone != bool(case.differs):
        return f"`differs` {'is missing' if alone else 'says nothing that is so'}: {row}"
    laxer = _requests(row.ours) > min(_requests(row.nginx), _requests(row.haproxy))
    if laxer != bool(case.laxer):
        return f"`laxer` {'is missing' if laxer else 'says nothing that is so'}: {row}"
    return ""


def _requests(said: str) -> int:
    found = re.search(r"→ (\d+) request", said)
    return int(found[1]) if found else 0


def _reasons(cases: Sequence[Case]) -> str:
    """Why the router does otherwise than nginx and HAProxy, lets more through, or asks them not."""
    given = [
        f"- {case.name}: {reason}\n"
        for case in cases
        for reason in (case.differs, case.laxer, case.alone)
        if reason
    ]
    return (
        "".join(["\nOtherwise than the two, laxer than one, or not asked of them:\n\n", *given])
        if given
        else ""
    )


def write(cases: Sequence[Case], only: Collection[str] = ()) -> None:
    """Writes the generated end of the page anew.

    With `only` the two others are asked the cases of these topics and those that the page lacks.
    """
    rows = committed()[1]
    kept = {
        case.id: (rows[case.id].nginx, rows[case.id].haproxy)
        for case in cases
        if only and case.topic not in only and case.id in rows and not case.alone
    }
    answers = kept | theirs([case for case in cases if case.id not in kept], rows)
    text, mark, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    assert mark, f"{PAGE} has lost the line {MARK!r}"
    rows = {case.id: _row(case, answers.get(case.id, (NOT_ASKED, NOT_ASKED))) for case in cases}
    PAGE.write_text(f"{text}{mark}{rendered(cases, rows, versions())}", encoding="utf-8")


def _row(case: Case, answers: Pair) -> Row:
    return Row(name=case.name, ours=ours(case), nginx=answers[0], haproxy=answers[1])


def generated() -> str:
    """What the page has behind the mark."""
    return PAGE.read_text(encoding="utf-8").partition(MARK)[2]


def committed() -> tuple[str, dict[str, Row]]:
    """The line with the versions, and the rows by case id, as the page has them."""
    titles = {title: topic for topic, title in topics().items()}
    lines = generated().splitlines()
    rows: dict[str, Row] = {}
    topic = asked = ""
    for line in lines:
        if line.startswith("Asked: "):
            asked = line.removeprefix("Asked: ").removesuffix(".")
        elif line.startswith("### "):
            topic = titles.get(line.removeprefix("### "), "")
        elif topic and line.startswith("| ") and not line.startswith("| case |"):
            name, _, *cells = line.removeprefix("| ").removesuffix(" |").split(" | ")
            row = Row(name=name.replace("\\|", "|"), ours=cells[0], nginx=cells[1], haproxy=cells[2])
            rows[f"{topic}: {row.name}"] = row
    return asked, rows
