from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from router.local import valkey
from router.local.credentials import Credentials
from router.local.layout import Layout
from router.local.processes import Process, wait_until_ready


def test_it_answers_with_the_password_only_and_ends_at_once(tmp_path: Path) -> None:
    layout = Layout.free(tmp_path)
    for folder in (layout.config, layout.logs):
        folder.mkdir()
    credentials = Credentials.kept_in(tmp_path / "credentials.json")
    valkey.write_config(layout, credentials)
    server = Process(valkey.program(layout, credentials))
    assert not server.program.ready()

    server.start()
    try:
        wait_until_ready([server])
        assert not valkey.program(layout, replace(credentials, valkey_password="guess")).ready()
    finally:
        server.stop()

    assert not server.program.ready()
