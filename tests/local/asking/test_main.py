from __future__ import annotations

from pathlib import Path

import pytest

from router.errors import LocalError
from router.local.asking import __main__ as program
from router.synapse.catalogue import FILE, Catalogue, shipped


def test_what_was_asked_is_written_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "ask_all", shipped)
    file = tmp_path / "catalogue.tsv"

    assert program.main(["--output", str(file)]) == 0

    assert file.read_bytes() == FILE.read_bytes()


def test_a_deployment_that_does_not_come_up_leaves_the_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> Catalogue:
        raise LocalError("main ended with exit code 1")

    monkeypatch.setattr(program, "ask_all", fail)
    file = tmp_path / "catalogue.tsv"
    file.write_text("kept")

    assert program.main(["--output", str(file)]) == 1

    assert file.read_text() == "kept"
    assert "main ended with exit code 1" in capsys.readouterr().err
