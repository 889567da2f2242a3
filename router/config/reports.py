"""Findings for machines: JSON, GitHub's workflow commands and SARIF."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from router.config.codes import CODES, Severity
from router.config.diagnostics import Summary
from router.config.findings import Finding
from router.errors import Source

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


def as_json(findings: Sequence[Finding], summary: Summary) -> str:
    """One object: `findings` with every field of theirs, and `summary`."""
    listed: list[Json] = [_finding(finding) for finding in findings]
    counts: Json = dataclasses.asdict(summary)
    return json.dumps({"findings": listed, "summary": counts}, indent=2, ensure_ascii=False)


def as_github(findings: Sequence[Finding], summary: Summary) -> str:
    """A workflow command for each, which GitHub shows beside the line in a review.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions
    """
    lines = []
    for finding in findings:
        place = finding.source
        properties = {"title": f"{finding.code} {CODES[finding.code].title}"}
        if place is not None:
            properties |= {
                "file": place.file,
                "line": str(place.line),
                "col": str(place.column),
                "endColumn": str(place.column + place.length),
            }
        written = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in properties.items())
        text = "\n".join(part for part in (finding.message, finding.fix) if part)
        lines.append(f"::{finding.severity.value} {written}::{_escaped(text)}")
    return "\n".join([*lines, str(summary)])


def as_sarif(findings: Sequence[Finding], version: str) -> str:
    """SARIF 2.1.0 (OASIS, 27 March 2020): one run, one rule for each code that was found."""
    rules: list[Json] = [
        {
            "id": code,
            "shortDescription": {"text": CODES[code].title},
            "fullDescription": {"text": CODES[code].why},
        }
        for code in sorted({finding.code for finding in findings})
    ]
    results: list[Json] = [_result(finding) for finding in findings]
    driver: Json = {"name": "synapse-router", "version": version, "rules": rules}
    log: Json = {
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }
    return json.dumps(log, indent=2, ensure_ascii=False)


def _finding(finding: Finding) -> Json:
    related: list[Json] = [{**_place(one.source), "note": one.note} for one in finding.related]
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "message": finding.message,
        **(_place(finding.source) if finding.source else {}),
        "why": finding.why,
        "fix": finding.fix,
        "related": related,
        "witness": finding.witness,
    }


def _place(source: Source) -> dict[str, Json]:
    return {"file": source.file, "line": source.line, "column": source.column, "length": source.length}


def _result(finding: Finding) -> Json:
    text = " ".join(part for part in (finding.message, finding.fix, finding.witness) if part)
    result: dict[str, Json] = {
        "ruleId": finding.code,
        "level": "error" if finding.severity is Severity.ERROR else "warning",
        "message": {"text": text},
    }
    if finding.source is not None:
        result["locations"] = [_location(finding.source)]
    if finding.related:
        result["relatedLocations"] = [
            {**_location(one.source), "message": {"text": one.note}} for one in finding.related
        ]
    return result


def _location(source: Source) -> dict[str, Json]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": source.file},
            "region": {
                "startLine": source.line,
                "startColumn": source.column,
                "endColumn": source.column + source.length,
            },
        }
    }


def _escaped(text: str, more: str = "") -> str:
    for character in "%\r\n" + more:
        text = text.replace(character, f"%{ord(character):02X}")
    return text
