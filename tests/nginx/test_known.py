from __future__ import annotations

from pathlib import Path

import pytest

from router.config.findings import Findings
from router.nginx.directives import Directive
from router.nginx.known import unknown_directives
from tests.nginx.files import tree


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("server { location / { proxy_pass http://x; gzip on; } }", []),
        ("proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;", []),
        ("server { proxy_set_header X-Mine 1; }", ["N402"]),
        ("server { location / { location /a { allow all; deny all; } } }", ["N402", "N402"]),
        ("merge_slashes on;", ["N402"]),
        ("merge_slashes off;", ["N404"]),
    ],
)
def test_what_would_be_lost_without_a_word(tmp_path: Path, text: str, codes: list[str]) -> None:
    findings = Findings()
    inner = tree(tmp_path, text)
    unknown_directives(Directive(name="http", args=(), source=inner[0].source, block=inner), findings)
    assert [each.code for each in findings] == codes
