from __future__ import annotations

import pytest

from router.config.codes import Severity
from router.config.findings import Findings, in_file_order, suggest
from router.errors import InvalidPattern, Source


def at(line: int, column: int = 1) -> Source:
    return Source(file="f", line=line, column=column)


def test_severity_and_why_are_the_codes_own() -> None:
    findings = Findings()
    findings.add("W202", "x", at(1))
    findings.add("W202", "x", at(1), severity=Severity.ERROR, why="since")
    first, second = findings
    assert (first.severity, second.severity) == (Severity.WARNING, Severity.ERROR)
    assert first.why
    assert second.why == "since"
    assert (len(findings), findings.errors) == (2, 1)


def test_a_finding_becomes_the_error_of_its_code() -> None:
    findings = Findings()
    findings.add("R101", "no good", at(7), fix="write another")
    error = next(iter(findings)).as_error()
    assert isinstance(error, InvalidPattern)
    assert (str(error), error.hint, error.source) == ("f:7: no good", "write another", at(7))


def test_the_order_is_that_of_the_file() -> None:
    findings = Findings()
    a, b = Source(file="a", line=2), Source(file="b", line=1)
    for place in (b, a, at(3), at(1, 9), None, at(1, 2)):
        findings.add("S008", "x", place)
    expected = [None, at(1, 2), at(1, 9), at(3), a, b]
    assert [one.source for one in in_file_order(findings, "f")] == expected
    assert findings.sorted("f") == in_file_order(findings, "f")
    assert [one.source for one in findings.sorted("b")][:3] == [None, b, a]


@pytest.mark.parametrize(
    ("word", "meant"),
    [("endpoint", "endpoints"), ("ENDPOINTS", "endpoints"), ("kye", "key"), ("zzz", None), ("", None)],
)
def test_the_word_that_was_meant(word: str, meant: str | None) -> None:
    assert suggest(word, ("policy", "key", "endpoints")) == meant


def test_a_message_is_one_line_whatever_it_quotes() -> None:
    found = Findings()
    found.add("R101", "missing ]: [\n\u2028\x9f", None, label="a\rb")
    (finding,) = found
    assert (finding.message, finding.label) == ("missing ]: [\\n\\u2028\\x9f", "a\\rb")
