from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from router.cli.main import main
from router.config.codes import CODES
from tests.config.files import CLEAN, ROUTES, UPSTREAMS

SHADOWED = """\
upstreams:
  main: {endpoints: [127.0.0.1:8008]}
  sync: {endpoints: [127.0.0.1:8101]}
routes:
  - {name: client, path: '^/_matrix/client/', upstream: main}
  - name: sync
    path: '^/_matrix/client/(r0|v3)/sync$'
    upstream: sync
  - {path: '^/', upstream: main}
"""


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    monkeypatch.chdir(tmp_path)
    return Check(tmp_path / "routes.yaml", capsys)


class Check:
    """Runs `check` over a text and gives its exit status and what it prints."""

    def __init__(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._file = file
        self._capsys = capsys

    def __call__(self, text: str | None, *arguments: str) -> tuple[int, str]:
        if text is not None:
            self._file.write_text(text, encoding="utf-8")
        status = main(["check", *arguments])
        captured = self._capsys.readouterr()
        assert captured.err == ""
        return status, re.sub(r"\d+ ms", "N ms", captured.out)


def test_a_shadowed_route_as_a_person_sees_it(check: Check) -> None:
    assert check(SHADOWED) == (
        1,
        (
            "error[R110]: `sync` can never win: `client` takes every request that it matches\n"
            "  --> routes.yaml:7:11\n"
            "  |\n"
            "7 |     path: '^/_matrix/client/(r0|v3)/sync$'\n"
            "  |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
            "see:     routes.yaml:5  `client`\n"
            "witness: GET /_matrix/client/r0/sync  ->  main\n"
            "why:     first match wins, and an earlier route takes every request that this\n"
            "         one could take\n"
            "fix:     move it before `client`, or remove it\n"
            "\n"
            "routes.yaml: 1 error, 0 warnings | 3 routes, 3 patterns | 2 upstreams, 2 endpoints | N ms\n"
            "more: synapse-router check --explain R110\n"
        ),
    )


def test_a_file_that_does_not_load(check: Check) -> None:
    assert check("upstreams:\n\tmain: x\n") == (
        2,
        (
            "error[S003]: found character '\\t' that cannot start any token (while scanning\n"
            "    for the next token)\n"
            "  --> routes.yaml:2:1\n"
            "  |\n"
            "2 |  main: x\n"
            "  | ^\n"
            "why:     the rest of the file cannot be read past this place\n"
            "fix:     indent with spaces: YAML takes no tabs there\n"
            "\n"
            "routes.yaml: 1 error, 0 warnings | 0 routes, 0 patterns | 0 upstreams, 0 endpoints | N ms\n"
            "more: synapse-router check --explain S003\n"
        ),
    )


def test_a_clean_file_has_a_summary_and_is_silent_when_that_is_wanted(check: Check) -> None:
    words = "routes.yaml: no findings | 2 routes, 2 patterns | 2 upstreams, 2 endpoints | N ms\n"
    assert check(CLEAN) == (0, words)
    assert check(CLEAN, "-q") == (0, "")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (CLEAN, 0),
        (CLEAN + "limits: {headers: 17000}\n", 1),
        (SHADOWED, 1),
        (CLEAN + "gaurd: {}\n", 2),
        (UPSTREAMS + "routes: [{path: '^/', upstream: q}]\n", 2),
        ("upstreams: {main: {endpoints: [127.0.0.1:9093]}}\n" + ROUTES, 2),
        ("", 2),
        (None, 2),
    ],
)
@pytest.mark.parametrize("form", ["full", "concise", "json", "github", "sarif"])
def test_the_exit_status_is_the_same_in_every_format(
    check: Check, text: str | None, status: int, form: str
) -> None:
    got, out = check(text, "--output-format", form)
    assert got == status
    if form in ("json", "sarif"):
        json.loads(out)


def test_findings_of_loading_and_of_the_table_come_together_in_order(check: Check) -> None:
    text = SHADOWED.replace("routes:", "limits: {headers: 17000}\nroutes:", 1)
    _, out = check(text, "--output-format", "concise", "-q")
    assert [line.split(" ")[0:2] for line in out.splitlines()] == [
        ["routes.yaml:4:19:", "warning[H305]"],
        ["routes.yaml:8:11:", "error[R110]"],
    ]


def test_another_file_is_named(check: Check, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(CLEAN, encoding="utf-8")
    assert check(None, "-c", "other.yaml")[0] == 0


def test_no_colours_where_nobody_sees_them(check: Check) -> None:
    assert "\x1b" not in check(SHADOWED)[1]


@pytest.mark.parametrize("code", ["R110", "r110"])
def test_a_code_is_explained_without_a_file(check: Check, code: str) -> None:
    assert check(None, "--explain", code) == (
        0,
        (
            "error[R110]: the route can never win\n"
            "\n"
            "First match wins, and an earlier route takes every request that this one could\n"
            "take.\n"
        ),
    )


def test_every_code_can_be_explained(check: Check) -> None:
    for code in CODES:
        assert check(None, "--explain", code)[0] == 0


def test_an_unknown_code_names_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--explain", "X1"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "R110" in captured.err
