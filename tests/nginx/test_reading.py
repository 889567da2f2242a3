from __future__ import annotations

from pathlib import Path

import pytest

from router.config.findings import Findings
from router.nginx.reading import read, unescaped
from tests.nginx.files import tree


@pytest.mark.parametrize(
    ("word", "taken"),
    [(r"^/a\.b$", r"^/a\.b$"), (r"a\\.b", r"a\.b"), (r"\"a\"", '"a"'), (r"\t\n", "\t\n"), (r"\d\s", r"\d\s")],
)
def test_a_word_as_nginx_takes_it(word: str, taken: str) -> None:
    assert unescaped(word) == taken


def test_includes_stand_where_they_are_named_each_line_with_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "rows.conf").write_text("~^/a$ w;\n")
    (tmp_path / "parts" / "map.conf").write_text(
        "\nmap $uri $to {\n default main;\n include parts/rows.conf;\n}\n"
    )
    found = tree(tmp_path, "include parts/m*.conf;\nserver {\n listen 80;\n}\n")
    rows, server = found
    assert [(line.name, line.args) for line in rows.block or ()] == [
        ("default", ("main",)),
        ("~^/a$", ("w",)),
    ]
    assert [(Path(line.source.file).name, line.source.line) for line in rows.block or ()] == [
        ("map.conf", 3),
        ("rows.conf", 1),
    ]
    assert (Path(server.source.file).name, server.source.line) == ("nginx.conf", 2)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("events { } http { server {\n listen 80\n} }\n", 2, "not terminated"),
        ("server {\n listen 80;\n", 2, "unexpected end of file"),
        ("}\n", 1, "unexpected"),
        ("\ninclude nowhere.conf;\n", 2, "No such file"),
    ],
)
def test_what_nginx_does_not_read_either_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, words: str
) -> None:
    file = tmp_path / "nginx.conf"
    file.write_text(text)
    findings = Findings()
    assert read(file, findings) is None
    first = next(iter(findings))
    assert (first.code, first.source.line if first.source else 0) == ("N401", line)
    assert words in first.message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    findings = Findings()
    assert read(tmp_path / "none.conf", findings) is None
    assert [each.code for each in findings] == ["N401"]
