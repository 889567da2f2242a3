from __future__ import annotations

from pathlib import Path

import pytest

from router.cli.main import main
from router.config.loader import load

CLEAN = """\
upstream m { server 127.0.0.1:8008; }
server { listen 127.0.0.1:8080; location / { proxy_pass http://m; } }
"""


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    file = tmp_path / "nginx.conf"
    file.write_text(CLEAN)
    return file


def test_a_file_that_is_carried_over_whole_serves(conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = conf.with_name("routes.yaml")
    assert main(["import", "nginx", str(conf), "-o", str(output)]) == 0
    assert load(output).config is not None
    assert "1 routes, 1 upstreams | 0 unresolved" in capsys.readouterr().err


def test_a_file_that_is_there_is_not_written_over(conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = conf.with_name("routes.yaml")
    output.write_text("mine")
    assert main(["import", "nginx", str(conf), "-o", str(output)]) == 2
    assert "--force" in capsys.readouterr().err
    assert output.read_text() == "mine"
    assert main(["import", "nginx", str(conf), "-o", str(output), "--force"]) == 0


def test_findings_name_the_line_and_keep_it_from_serving(
    conf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conf.write_text(CLEAN.replace("proxy_pass", "rewrite ^/a /b; proxy_pass"))
    assert main(["import", "nginx", str(conf)]) == 1
    said = capsys.readouterr()
    assert f"{conf}:2" in said.err
    assert "it is not served before `unresolved:` is empty" in said.err
    output = conf.with_name("routes.yaml")
    output.write_text(said.out)
    assert main(["check", "-c", str(output)]) == 2


def test_what_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "nginx", str(tmp_path / "none.conf")]) == 2
    assert "nothing is imported" in capsys.readouterr().err
