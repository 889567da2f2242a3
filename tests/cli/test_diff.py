from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path

import pytest

from router.cli.main import main

OLD = """\
upstreams: {main: {endpoints: [h:1]}, w: {endpoints: [h:2]}}
routes:
- {path: '^/a', upstream: w}
- {path: '^/', upstream: main}
"""
CONF = """\
upstream main { server h:1; }
upstream w { server h:2; }
server { location /a { proxy_pass http://w; } location / { proxy_pass http://main; } }
"""
LINE = '192.0.2.7 - - [24/Nov/2026:10:00:00 +0000] "GET {} HTTP/1.1" 200 1 "-" "-"\n'


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "old.yaml").write_text(OLD)
    (tmp_path / "new.yaml").write_text(OLD.replace("^/a'", "^/b'"))
    (tmp_path / "nginx.conf").write_text(CONF)
    (tmp_path / "access.log").write_text("".join(LINE.format(each) for each in ("/a?t=1", "/b", "/c", "/a")))
    return tmp_path


def ask(files: Path, *arguments: str) -> int:
    log = ["--log", str(files / "access.log")] if "--log" not in arguments else []
    named = [str(files / each) if each.endswith((".yaml", ".conf")) else each for each in arguments]
    return main(["diff", *named, *log])


def test_what_changes_is_printed_and_is_status_1(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(files, "old.yaml", "new.yaml") == 1
    out = capsys.readouterr().out
    assert "2  50.00%  w (route w-3)  ->  main (route main-4)" in out
    assert "GET /a?…\n" in out
    assert "t=1" not in out
    assert "3 of 4 requests would go elsewhere" in out
    assert "4 lines (combined) in " in out


def test_an_nginx_conf_that_decides_alike_is_status_0(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(files, "nginx.conf", "old.yaml") == 0
    assert "0 of 4 requests would go elsewhere" in capsys.readouterr().out


def test_as_json(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(files, "old.yaml", "new.yaml", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["requests"], told["disagreements"], told["format"]) == (4, 3, "combined")
    assert told["changed"][0] == {
        "from": {"route": "w-3", "does": "w"},
        "to": {"route": "main-4", "does": "main"},
        "requests": 2,
        "examples": ["GET /a?…", "GET /a"],
    }


def test_upstreams_of_other_names(files: Path) -> None:
    assert ask(files, "old.yaml", "new.yaml", "--map", "w=main", "--map", "main=w") == 1
    assert ask(files, "old.yaml", "old.yaml", "--map", "w") == 2


def test_a_packed_log_and_standard_input(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = files / "access.log.1.gz"
    packed.write_bytes(gzip.compress((files / "access.log").read_bytes()))
    assert ask(files, "old.yaml", "new.yaml", "--log", str(packed), "--progress") == 1
    said = capsys.readouterr()
    assert "3 of 4" in said.out
    assert "4 lines, " in said.err
    assert ", 100%, 0 s left" in said.err
    stdin = io.TextIOWrapper(io.BytesIO(b"GET /a\nGET /c\n"))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert ask(files, "old.yaml", "new.yaml", "--log", "-") == 1
    assert "1 of 2 requests" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "no request in 0 lines"), ("nothing\n", "no request in 1 lines")],
)
def test_a_log_without_requests(
    files: Path, text: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "access.log").write_text(text)
    assert ask(files, "old.yaml", "new.yaml") == 2
    assert words in capsys.readouterr().err


def test_what_cannot_be_read(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(files, "old.yaml", "none.yaml") == 2
    assert ask(files, "none.conf", "old.yaml") == 2
    assert ask(files, "old.yaml", "new.yaml", "--log", str(files / "none.log")) == 2
    assert "none.log" in capsys.readouterr().err


def test_lines_that_are_no_requests_and_facts_that_no_log_has(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asking = OLD.replace("'^/a',", "'^/a', when: {header: X-A, has: b},")
    (files / "asking.yaml").write_text(asking)
    (files / "access.log").write_text(LINE.format("/a") + "garbage\n")
    assert ask(files, "old.yaml", "asking.yaml") == 1
    out = capsys.readouterr().out
    assert "1 lines are no requests: 2" in out
    assert "the tables ask for header x-a" in out
