from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.codes import CODES, Severity
from router.config.diagnostics import WIDTH, Renderer, Summary
from router.config.findings import Finding, Findings, Related
from router.errors import Source

FILE = "routes.yaml"
LINE = "  - {path: '^/_matrix/client/(r0|v3)/sync$', upstream: generic-wroker}"


def at(line: int, column: int, length: int = 1) -> Source:
    return Source(file=FILE, line=line, column=column, length=length)


def finding(
    source: Source | None, *, label: str = "", related: tuple[Related, ...] = (), witness: str = ""
) -> Finding:
    findings = Findings()
    findings.add(
        "R102",
        "there is no upstream `generic-wroker`",
        source,
        label=label,
        fix="write `generic-worker`",
        related=related,
        witness=witness,
    )
    return next(iter(findings))


def full(one: Finding, *lines: str, colour: bool = False) -> str:
    return Renderer({FILE: lines}, colour=colour).full(one)


def test_a_finding_in_full() -> None:
    related = (Related(source=at(3, 1), note="defined here"),)
    shown = full(
        finding(at(2, 56, 14), label="did you mean?", related=related, witness="GET /  ->  main"),
        "routes:",
        LINE,
    )
    assert shown == (
        "error[R102]: there is no upstream `generic-wroker`\n"
        "  --> routes.yaml:2:56\n"
        "  |\n"
        "2 |   - {path: '^/_matrix/client/(r0|v3)/sync$', upstream: generic-wroker}\n"
        "  |                                                        ^^^^^^^^^^^^^^\n"
        "  | did you mean?\n"
        "see:     routes.yaml:3  defined here\n"
        "witness: GET /  ->  main\n"
        "why:     requests of this route would have nowhere to go\n"
        "fix:     write `generic-worker`"
    )


def test_a_label_stands_behind_the_caret_where_it_fits() -> None:
    assert "  | ^^^^^^ what?" in full(finding(at(1, 1, 6), label="what?"), "routes:")


def test_without_a_place_there_is_no_quotation() -> None:
    shown = full(finding(None), "routes:")
    assert "-->" not in shown
    assert "|" not in shown


@pytest.mark.parametrize("place", [at(9, 1), at(1, 1)])
def test_a_line_that_is_not_there_is_not_quoted(place: Source) -> None:
    assert "|" not in full(finding(place))


def test_colours_are_only_added() -> None:
    one = finding(at(1, 1, 6), label="what?")
    plain, coloured = full(one, "routes:"), full(one, "routes:", colour=True)
    assert "\x1b[1;31m" in coloured
    assert "\x1b" not in plain
    without = coloured
    for code in ("\x1b[1;31m", "\x1b[34m", "\x1b[1m", "\x1b[0m"):
        without = without.replace(code, "")
    assert without == plain


def test_what_would_move_the_cursor_is_shown_as_one_column() -> None:
    shown = full(finding(at(1, 5, 3)), "\ta\x1b[\x9bxyz")
    assert "\n1 |  a\N{REPLACEMENT CHARACTER}[\N{REPLACEMENT CHARACTER}xyz\n" in shown
    assert "\n  |     ^^^" in shown


def columns(text: str) -> int:
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1
        for each in text
    )


@pytest.mark.parametrize("before", ["ascii", "日本", "e\u0301e\u0301", "x" * 200, "日" * 200, ""])
@pytest.mark.parametrize("behind", ["", "y" * 200])
def test_the_caret_stands_under_what_is_meant(before: str, behind: str) -> None:
    line = f"{before}HERE{behind}"
    rows = full(finding(at(1, len(before) + 1, 4)), line).split("\n")
    quoted, carets = rows[3], rows[4]
    assert columns(quoted) <= WIDTH
    start = columns(quoted[: quoted.index("HERE")])
    assert carets == "  |" + " " * (start - 3) + "^^^^"


@given(st.text(max_size=300), st.integers(1, 400), st.integers(1, 400), st.integers(1, 99_999))
def test_no_line_is_wider_than_a_terminal(line: str, column: int, length: int, number: int) -> None:
    lines = [""] * (number - 1) + [line.replace("\n", " ")]
    rows = full(finding(at(number, column, length), label="did you mean `x`?"), *lines).split("\n")
    for row in rows[1:]:
        assert columns(row) <= WIDTH
        assert row.isprintable()


def test_in_one_line() -> None:
    renderer = Renderer({})
    assert renderer.concise(finding(at(2, 56, 14))) == (
        "routes.yaml:2:56: error[R102] there is no upstream `generic-wroker`; write `generic-worker`"
    )
    assert renderer.concise(finding(None)).startswith("error[R102] ")


@pytest.mark.parametrize(
    ("errors", "warnings", "words"),
    [(0, 0, "no findings"), (1, 0, "1 error, 0 warnings"), (2, 1, "2 errors, 1 warning")],
)
def test_the_last_line_counts(errors: int, warnings: int, words: str) -> None:
    summary = Summary(
        file=FILE,
        errors=errors,
        warnings=warnings,
        routes=1,
        patterns=2,
        upstreams=3,
        endpoints=1,
        milliseconds=7,
    )
    assert str(summary) == f"routes.yaml: {words} | 1 route, 2 patterns | 3 upstreams, 1 endpoint | 7 ms"


def test_every_code_fits_into_the_width() -> None:
    for code in CODES.values():
        findings = Findings()
        findings.add(code.code, code.title, None, fix="x")
        rows = full(next(iter(findings))).split("\n")
        assert max(map(len, rows)) <= WIDTH
        assert rows[0].startswith("error" if code.severity is Severity.ERROR else "warning")
