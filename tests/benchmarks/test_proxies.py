from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks import proxies
from benchmarks.reference import DEFAULT, Ports, rules
from router.config.loader import load
from tests.real_nginx import program

PORTS = Ports(synapse=41001, generic=(41002, 41003, 41004), receipts=41005)


def test_the_router_takes_its_file(tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(proxies.routes_yaml(tmp_path, PORTS, 41000))
    loaded = load(file)
    assert loaded.config is not None
    table = loaded.config.table
    assert [route.upstream for route in table.routes[:71]] == [rule.upstream for rule in rules()]
    assert table.routes[71].upstream == DEFAULT
    assert {name: len(each.endpoints) for name, each in table.upstreams.items()} == {
        "synapse": 1,
        "generic-worker": 3,
        "generic-worker-user": 3,
        "receipts": 1,
    }


@pytest.mark.nginx
@pytest.mark.parametrize("tuned", [False, True])
def test_nginx_takes_its_file(tmp_path: Path, tuned: bool) -> None:
    nginx = program()
    file = tmp_path / "nginx.conf"
    file.write_text(proxies.nginx_conf("x", tmp_path, PORTS, 41000, tuned=tuned))
    checked = subprocess.run(
        [nginx, "-t", "-q", "-p", str(tmp_path), "-c", str(file)], capture_output=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, b"")


def test_only_the_tuned_nginx_keeps_connections() -> None:
    shipped, tuned = (
        proxies.nginx_conf("x", Path("/x"), PORTS, 41000, tuned=tuned) for tuned in (False, True)
    )
    assert "proxy_http_version 1.1" not in shipped
    assert "keepalive 64" not in shipped
    assert "proxy_http_version 1.1" in tuned
    assert tuned.count("keepalive 64") == 4


def test_what_is_not_installed_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_args, **_options: None)
    assert [each.name for each in proxies.CONTENDERS if each.installed] == ["router", "aiohttp-handler"]
