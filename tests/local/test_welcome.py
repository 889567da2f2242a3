from __future__ import annotations

from pathlib import Path

import pytest

from router.local.layout import Layout
from router.local.welcome import PASSWORD, shown, welcome


def test_it_says_where_to_go_and_who_may_enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    text = welcome(Layout.standard(Path(".run")), python=".venv/bin/python")

    for what in ("http://localhost:8080", "http://localhost:8081", "alice and bob", PASSWORD, ".run/logs/"):
        assert what in text
    assert ".venv/bin/python -m router explain GET /_matrix/client/v3/sync" in text
    assert "kill $(cat .run/generic2.pid)" in text


def test_the_box_is_a_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    box = [
        line for line in welcome(Layout.free(Path(".run")), python="python").splitlines() if line[0] in "+|"
    ]

    assert len(box) == 5
    assert len({len(line) for line in box}) == 1
    assert all(line[-1] == line[0] for line in box)


def test_a_path_elsewhere_is_shown_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    assert shown(tmp_path / "here" / "a" / "b") == "a/b"
    assert shown(tmp_path / "there") == str(tmp_path / "there")
