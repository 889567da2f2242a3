from __future__ import annotations

from pathlib import Path

import pytest

from router.config.findings import Findings
from router.nginx.actions import Action, Actions
from router.nginx.locations import find_locations
from router.nginx.values import Values
from router.table import Endpoint, TcpAddress, Upstream
from tests.nginx.files import tree

MAIN = Upstream(name="main", endpoints=(Endpoint(address=TcpAddress(host="h", port=1)),))


def actions(folder: Path, inner: str) -> tuple[list[Action], list[str], dict[str, Upstream]]:
    """What becomes of requests in the first location of a server."""
    findings = Findings()
    upstreams = {"main": MAIN}
    (server,) = tree(folder, f"server {{ {inner} }}")
    reader = Actions(Values({}), upstreams, findings)
    return list(reader.of(find_locations(server)[0][1])), [each.code for each in findings], upstreams


@pytest.mark.parametrize(
    ("written", "upstream", "address"),
    [
        ("http://main", "main", "h:1"),
        ("http://main$request_uri", "main", "h:1"),
        ("http://127.0.0.1:8008", "127.0.0.1-8008", "127.0.0.1:8008"),
        ("http://localhost", "localhost", "localhost:80"),
        ("https://synapse.example.org", "synapse.example.org", "synapse.example.org:443"),
        ("http://unix:/run/s.sock", "unix--run-s.sock", "unix:/run/s.sock"),
    ],
)
def test_where_a_request_is_passed(tmp_path: Path, written: str, upstream: str, address: str) -> None:
    (action,), found, upstreams = actions(tmp_path, f"location / {{ proxy_pass {written}; }}")
    assert (action.upstream, found) == (upstream, [])
    (endpoint,) = upstreams[upstream].endpoints
    assert endpoint.name == address
    assert (endpoint.tls is not None) is written.startswith("https")


@pytest.mark.parametrize(
    ("inner", "first_byte", "max_body", "upgrade"),
    [
        ("location / { proxy_pass http://main; }", 60.0, 1 << 20, ()),
        (
            "proxy_read_timeout 10m; client_max_body_size 5k; location / { proxy_pass http://main; }",
            600,
            5120,
            (),
        ),
        ("client_max_body_size 0; location / { proxy_pass http://main; }", 60, None, ()),
        (
            "location / { proxy_set_header Upgrade $http_upgrade; proxy_pass http://main; }",
            60,
            1 << 20,
            ("websocket",),
        ),
    ],
)
def test_the_limits_of_a_location(
    tmp_path: Path, inner: str, first_byte: float, max_body: int | None, upgrade: tuple[str, ...]
) -> None:
    (action,), _, _ = actions(tmp_path, inner)
    assert (action.first_byte, action.max_body, action.upgrade) == (first_byte, max_body, upgrade)


@pytest.mark.parametrize(
    ("inner", "code"),
    [
        ("location / { proxy_pass http://main/other; }", "N404"),
        ("location / { proxy_pass http://nowhere; }", "N404"),
        ("location / { proxy_pass ftp://main; }", "N404"),
        ("location / { auth_request /x; proxy_pass http://main; }", "N404"),
        ("location / { proxy_read_timeout soon; proxy_pass http://main; }", "N404"),
        ("location /a { proxy_pass http://main/a; }", "N406"),
        ("location / { proxy_pass http://main$uri$is_args$args; }", "N406"),
        ("location / { root /x; }", "N405"),
        ("client_max_body_size 0; location / { proxy_pass http://main; }", "N402"),
    ],
)
def test_what_is_told(tmp_path: Path, inner: str, code: str) -> None:
    found, codes, _ = actions(tmp_path, inner)
    assert codes == [code]
    assert (found[0].refusal is not None and found[0].refusal.status == 503) is (code == "N404")


def test_a_server_that_only_redirects(tmp_path: Path) -> None:
    reader = Actions(Values({}), {}, Findings())
    for inner, redirects in (
        ("return 301 https://$host$request_uri;", True),
        ("location / { return 301 https://$host$request_uri; }", True),
        ("location / { return 301 https://$host$request_uri; } location /x { return 404; }", False),
        ("return 404;", False),
        ("return 301 $scheme://x;", False),
    ):
        (server,) = tree(tmp_path, f"server {{ {inner} }}")
        assert (reader.redirect_of(server) is not None) is redirects
