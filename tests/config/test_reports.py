from __future__ import annotations

import json

from router.config.diagnostics import Summary
from router.config.findings import Finding, Findings, Related
from router.config.reports import as_github, as_json, as_sarif
from router.errors import Source

SUMMARY = Summary(
    file="routes.yaml", errors=1, warnings=1, routes=2, patterns=2, upstreams=1, endpoints=1, milliseconds=3
)
PLACE = Source(file="a,b:c.yaml", line=3, column=5, length=4)


def two() -> list[Finding]:
    findings = Findings()
    findings.add(
        "R110",
        "100% shadowed, really",
        PLACE,
        fix="move it",
        related=(Related(source=Source(file="routes.yaml", line=1), note="`first`"),),
        witness="GET /é  ->  main",
    )
    findings.add("W202", "unused", None)
    return list(findings)


def test_json_has_every_field() -> None:
    document = json.loads(as_json(two(), SUMMARY))
    first, second = document["findings"]
    assert first == {
        "code": "R110",
        "severity": "error",
        "message": "100% shadowed, really",
        "file": "a,b:c.yaml",
        "line": 3,
        "column": 5,
        "length": 4,
        "why": "first match wins, and an earlier route takes every request that this one could take",
        "fix": "move it",
        "related": [{"file": "routes.yaml", "line": 1, "column": 1, "length": 1, "note": "`first`"}],
        "witness": "GET /é  ->  main",
    }
    assert (second["severity"], "line" in second) == ("warning", False)
    assert document["summary"]["errors"] == 1


def test_github_commands_are_one_line_each_and_escaped() -> None:
    assert as_github(two(), SUMMARY).split("\n") == [
        (
            "::error title=R110 the route can never win,file=a%2Cb%3Ac.yaml,line=3,col=5,endColumn=9"
            "::100%25 shadowed, really%0Amove it"
        ),
        "::warning title=W202 no route uses the upstream::unused",
        str(SUMMARY),
    ]


def test_sarif_has_a_rule_for_each_code_and_a_place_for_each_result() -> None:
    document = json.loads(as_sarif(two(), "0.1.0"))
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["R110", "W202"]
    first, second = run["results"]
    assert first["level"] == "error"
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "a,b:c.yaml"},
        "region": {"startLine": 3, "startColumn": 5, "endColumn": 9},
    }
    assert first["relatedLocations"][0]["message"] == {"text": "`first`"}
    assert "GET /é" in first["message"]["text"]
    assert (second["level"], "locations" in second) == ("warning", False)


def test_nothing_found_is_a_document_too() -> None:
    assert json.loads(as_json([], SUMMARY))["findings"] == []
    assert json.loads(as_sarif([], "0.1.0"))["runs"][0]["results"] == []
    assert as_github([], SUMMARY) == str(SUMMARY)
