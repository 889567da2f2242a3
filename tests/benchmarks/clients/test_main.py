"""locust, the locustfile, the router and the stand-in together, each a process of its own, for seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.clients.__main__ import LocustFailed, drive

ALWAYS = {
    *("register", "join", "sync, initial", "send", "typing", "receipt", "transaction"),
    "message until a waiting /sync has it",
}


def run(folder: Path, seconds: int) -> dict[str, dict[str, int]]:
    """How many requests of each kind there were by lane; none has failed."""
    command = [sys.executable, "-m", "benchmarks.clients", "--users", "27", "--seconds", str(seconds)]
    ended = subprocess.run([*command, "--output", str(folder)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    document = json.loads((folder / "clients.json").read_text())
    assert document["failures"] == {}
    return {endpoint["kind"]: endpoint["requests"] for endpoint in document["endpoints"]}


@pytest.mark.timeout(180)
def test_every_kind_of_request_is_asked_and_none_fails(tmp_path: Path) -> None:
    kinds = run(tmp_path, 8)
    if not kinds.keys() >= ALWAYS:  # on a busy machine everybody has only just arrived by then
        kinds = run(tmp_path, 40)
    assert kinds.keys() >= ALWAYS
    for kind in ("send", "typing", "receipt"):
        assert abs(kinds[kind]["direct"] - kinds[kind]["through"]) < 0.4 * sum(kinds[kind].values())
    assert "locust" not in sys.modules


def test_without_a_server_it_fails_and_says_why(tmp_path: Path) -> None:
    table = tmp_path / "routes.yaml"
    table.write_text(
        "upstreams: {main: {endpoints: ['127.0.0.1:1']}}\nroutes: [{path: '^/', upstream: main}]"
    )
    with pytest.raises(LocustFailed, match="register"):
        drive(tmp_path, url="http://127.0.0.1:1", table=table, users=2, seconds=1)
