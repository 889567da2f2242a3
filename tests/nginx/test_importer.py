from __future__ import annotations

from pathlib import Path

import pytest

from router.config.loader import load_bytes
from router.config.writer import write
from router.nginx.importer import import_nginx
from router.table import TcpAddress
from tests.conformance.comparison import SHAPES
from tests.nginx.files import codes, imported, routes


def test_the_rows_of_the_reference_come_out_as_they_are() -> None:
    reference = import_nginx(SHAPES / "reference" / "nginx.conf")
    assert reference.config is not None
    rows = [
        each
        for each in reference.config.table.routes
        if each.upstream and not each.pattern.text.startswith("(?i)")
    ]
    assert len(rows) == 71
    assert not any(each.conditions for each in reference.config.table.routes)
    assert reference.config.settings.timeouts.first_byte == 600
    assert reference.config.settings.limits.body == 10 << 20
    assert {each.code for each in reference.findings} == {"N405"}


@pytest.mark.parametrize("shape", sorted(each.name for each in SHAPES.iterdir()))
def test_what_is_imported_loads_again_as_the_same_table(shape: str) -> None:
    config = import_nginx(SHAPES / shape / "nginx.conf").config
    assert config is not None
    loaded = load_bytes(write(config).encode()).config
    assert loaded is not None
    assert loaded.table == config.table
    assert loaded.settings == config.settings
    assert write(loaded) == write(config)


SERVED = "\nserver { location /a { proxy_pass http://$to; } }"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("server { location /a { proxy_pass http://main; } return 404; }", ["^ -> 404"]),
        (
            "map $uri $to { default main; ~^/a/b$ w; ~^/x w; }" + SERVED,
            [r"^/a/b(?:\n)?\z -> w", "^/a -> main", "^ -> 404"],
        ),
        (
            "map $uri $to { default main; ~b w; }" + SERVED.replace("$to", "$to$request_uri"),
            ["b and normalised has ^/a -> w", "^/a -> main", "^ -> 404"],
        ),
        (
            "map $arg_since $to { default w; '' main; }" + SERVED.replace("/a", "= /sync"),
            [r"\A/sync\z and argument since has \A\z -> main", r"\A/sync\z -> w", "^ -> 404"],
        ),
        (
            (
                "server { listen 1; location / { proxy_pass http://w; } }\n"
                "server { listen 2; location / { proxy_pass http://main; } }"
            ),
            [r"^/ and port has \A1\z -> w", r"^/ and port has \A2\z -> main"],
        ),
        (
            (
                "server { server_name a.org; location / { proxy_pass http://w; } }\n"
                "server { server_name b.org; location / { proxy_pass http://main; } }"
            ),
            [r"^/ and host has \Aa\.org\z -> w", r"^/ and host has \Ab\.org\z -> main", "^/ -> w"],
        ),
        (
            "server { location / { try_files $uri @m; } location @m { proxy_pass http://main; } }",
            ["^/ -> main"],
        ),
    ],
)
def test_routes(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert routes(imported(tmp_path, text)) == expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("server { location / { proxy_pass http://main/other/; } }", ["N404 1"]),
        ("server { location / { proxy_pass http://nowhere; } }", ["N404 1"]),
        ("server { location / { proxy_pass http://$http_x; } }", ["N404 1"]),
        ("server {\nlocation / { rewrite ^/a /b; proxy_pass http://main; } }", ["N404 2"]),
        ("server { location / { if ($arg_x) { return 403; } proxy_pass http://main; } }", ["N404 1"]),
        ("server { location ~ (?=a) { proxy_pass http://main; } }", ["N404 1"]),
        ("server { merge_slashes off; location / { proxy_pass http://main; } }", ["N404 1"]),
        ("server { location /a/ { proxy_pass http://main/a/; } location / { return 404; } }", ["N406 1"]),
        ("server { location / { root /var/www; } }", ["N405 1"]),
        ("server { location / { limit_req zone=x; proxy_pass http://main; } }", ["N402 1"]),
        ("server { location / { proxy_set_header X-Custom a; proxy_pass http://main; } }", ["N402 1"]),
        ("server { location / { proxy_pass http://127.0.0.1:9093; } }", ["H301 1"]),
        ("server { location / { proxy_pass http://main; } }", []),
    ],
)
def test_nothing_is_dropped_in_silence(tmp_path: Path, text: str, found: list[str]) -> None:
    assert codes(imported(tmp_path, text)) == found


def test_what_is_unresolved_keeps_the_file_from_being_served(tmp_path: Path) -> None:
    result = imported(
        tmp_path,
        "server { location / { rewrite ^/a /b; proxy_pass http://main; }\n"
        "location /x { proxy_pass http://main; } }",
    )
    assert result.config is not None
    text = write(result.config, unresolved=result.unresolved)
    loaded = load_bytes(text.encode())
    assert loaded.config is None
    assert [each.code for each in loaded.findings if each.severity.value == "error"] == ["R140"]
    assert "nginx.conf:2" in next(each.message for each in loaded.findings if each.code == "R140")


def test_a_server_that_only_redirects_is_a_listener(tmp_path: Path) -> None:
    result = imported(
        tmp_path,
        "server { listen 80; return 301 https://$host$request_uri; }\n"
        "server { listen 8443; location / { proxy_pass http://main; } }",
    )
    assert result.config is not None
    plain, served = result.config.settings.listen
    assert plain.redirect is not None
    assert (plain.redirect.status, plain.redirect.to) == (301, "https://$host$request_uri")
    assert (served.address, served.redirect) == (TcpAddress(host="0.0.0.0", port=8443), None)
    assert routes(result) == ["^/ -> main"]


def test_servers_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text(
        "server { server_name a; location / { proxy_pass http://127.0.0.1:1; } }\n"
        "server { server_name b; location / { proxy_pass http://127.0.0.1:2; } }\n"
    )
    assert routes(import_nginx(tmp_path / "nginx.conf", server="b")) == ["^/ -> 127.0.0.1-2"]
    assert import_nginx(tmp_path / "nginx.conf", server="c").config is None


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    result = import_nginx(tmp_path / "none.conf")
    assert (result.config, [each.code for each in result.findings]) == (None, ["N401"])
