from __future__ import annotations

from pathlib import Path

import pytest

from router.nginx.locations import find_locations
from tests.nginx.files import tree


def order(folder: Path, text: str) -> list[str]:
    (server,) = tree(folder, f"server {{\n{text}\n}}")
    return [
        " & ".join([each.pattern for each in conditions] or ["all"])
        + " -> "
        + " ".join(location.directive.args)
        for conditions, location in find_locations(server)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["all -> "]),
        (
            "location /a {} location /ab {} location = /a {} location ~ b$ {} location ~* C {}",
            [
                r"\A/a\z -> = /a",
                r"b(?:\n)?\z -> ~ b$",
                "(?i)C -> ~* C",
                "^/ab -> /ab",
                "^/a -> /a",
                "all -> ",
            ],
        ),
        ("location ~ x {} location ^~ /m/ {}", ["^/m/ -> ^~ /m/", "x -> ~ x", "all -> "]),
        (
            "location ~ x {} location ^~ /m/ {} location /m/n {} location / {}",
            ["^/m/n & x -> ~ x", "^/m/n -> /m/n", "^/m/ -> ^~ /m/", "x -> ~ x", "^/ -> /"],
        ),
        (
            "location /m/ { location ~ y {} location /m/k {} } location ~ x {}",
            [
                "^/m/ & y -> ~ y",
                "^/m/ & x -> ~ x",
                "^/m/ & ^/m/k -> /m/k",
                "^/m/ -> /m/",
                "x -> ~ x",
                "all -> ",
            ],
        ),
        ("location @here {} location /.well {}", [r"^/\.well -> /.well", "all -> "]),
    ],
)
def test_the_order_in_which_nginx_asks(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert order(tmp_path, text) == expected


def test_directives_come_from_the_block_around(tmp_path: Path) -> None:
    (server,) = tree(tmp_path, "server { root /a; location / { index x; location ~ y { root /b; } } }")
    (_, inner), (_, outer) = find_locations(server)
    assert [each.args for each in (inner.last("root"), inner.last("index")) if each] == [("/b",), ("x",)]
    assert [each.args for each in (outer.last("root"),) if each] == [("/a",)]
    assert outer.last("alias") is None
