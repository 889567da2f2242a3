from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from router.cli.main import main


def test_without_a_command_the_usage_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert re.fullmatch(r"synapse-router 0\.\S+, (pure|compiled) modules\n", capsys.readouterr().out)


def test_only_commands_that_exist_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    assert all(word in out for word in ("serve", "check", "explain", "import", "diff"))
    assert not any(word in out for word in ("export", "audit", "reload", " top "))


def test_what_is_too_much_is_counted_and_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", "Bearer", "syt_secret"])
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert "syt_secret" not in captured.out + captured.err


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "router", "check", "-c", str(tmp_path / "none.yaml")],
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")
