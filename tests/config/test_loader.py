from __future__ import annotations

from pathlib import Path

from router.config.loader import load, load_or_raise
from router.settings import Settings
from router.table import UNMATCHED, Endpoint, TcpAddress

SMALLEST = """\
listen: [127.0.0.1:8080]          # optional, like admin: --listen and --admin win over both
upstreams:
  main: {endpoints: [127.0.0.1:8008]}
routes:
  - {path: '^/', upstream: main}
"""


def test_the_smallest_file_loads(tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(SMALLEST, encoding="utf-8")
    config = load_or_raise(file)
    assert [route.pattern.text for route in config.table.routes] == ["^/", ""]
    assert config.table.routes[-1] is UNMATCHED
    endpoints = config.table.upstreams["main"].endpoints
    assert endpoints == (Endpoint(address=TcpAddress(host="127.0.0.1", port=8008)),)
    assert config.settings == Settings()
    assert len(config.digest) == 6
    assert load(file).findings == ()
