from __future__ import annotations

from pathlib import Path

import pytest

from router.cli.loading import load_or_say
from tests.config.files import CLEAN


def test_a_table_is_given_and_warnings_are_left_to_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(CLEAN + "limits: {headers: 17000}\n", encoding="utf-8")
    assert load_or_say(str(file)) is not None
    assert capsys.readouterr() == ("", "")


def test_every_error_is_said_on_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(CLEAN + "limits: {headers: 17000}\ngaurd: {}\nlisten: 8080\n", encoding="utf-8")
    assert load_or_say(str(file)) is None
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "error[S008]" in captured.err
    assert "error[S013]" in captured.err
    assert "H305" not in captured.err
    assert captured.err.endswith("routes.yaml: 2 errors keep the table from being served\n")
