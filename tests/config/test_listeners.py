"""Where clients and admins may connect: what `listen:` and `admin:` of a file say."""

from __future__ import annotations

import pytest

from router.answers import Redirect
from router.config.listeners import is_loopback
from router.config.loader import load_bytes
from router.settings import Listener, ListenerRole
from router.table import TcpAddress, UnixAddress, parse_address
from tests.config.files import CLEAN, marked, places


def test_a_listener_is_an_address_or_a_mapping_with_one() -> None:
    text = "listen: [{address: '127.0.0.1:80', proxy_protocol: yes}, 'unix:/run/x']\n"
    config = load_bytes((text + CLEAN).encode()).config
    assert config is not None
    assert config.settings.listen == (
        Listener(address=TcpAddress(host="127.0.0.1", port=80), proxy_protocol=True),
        Listener(address=UnixAddress(path="/run/x")),
    )


def test_a_listener_for_mirrored_requests() -> None:
    text = "listen: [127.0.0.1:80, {address: '127.0.0.1:81', role: shadow}]\n"
    config = load_bytes((text + CLEAN).encode()).config
    assert config is not None
    assert [each.role for each in config.settings.listen] == [ListenerRole.PROXY, ListenerRole.SHADOW]


def test_a_listener_may_redirect_what_comes_to_it() -> None:
    text = "listen: {address: '127.0.0.1:80', redirect: {to: 'https://$host$request_uri', status: 301}}\n"
    assert places(text + CLEAN) == []
    config = load_bytes((text + CLEAN).encode()).config
    assert config is not None
    assert config.settings.listen[0].redirect == Redirect(to="https://$host$request_uri", status=301)


def test_a_listener_does_not_redirect_to_itself() -> None:
    text = "listen: {address: '127.0.0.1:80', redirect: 'http://$host$request_uri'}\n"
    assert places(text + CLEAN) == ["R132 1:9"]


@pytest.mark.parametrize(
    ("text", "code", "caret"),
    [
        ("listen: {address: '127.0.0.1:80', redirect: https}\n", "R131", "https"),
        ("listen: {adress: 127.0.0.1:80}\n", "S008", "adress"),
        ("listen: [127.0.0.1:80, {address: 127.0.0.1:80}]\n", "S013", "{"),
        ("listen: {address: '127.0.0.1:80', proxy_protocol: v2}\n", "S011", "v2"),
        ("listen: {address: [127.0.0.1:80]}\n", "S009", "["),
        ("listen: {address: '127.0.0.1:80', role: mirror}\n", "S012", "mirror"),
        ("listen: {address: '127.0.0.1:80', role: shadow, redirect: 'https://a.org/'}\n", "S012", "'https"),
    ],
)
def test_what_is_no_listener_is_marked(text: str, code: str, caret: str) -> None:
    assert marked(text + CLEAN, code).startswith(caret)


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1:1", True),
        ("127.9.9.9:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("unix:/x", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("10.0.0.1:1", False),
        ("example.org:1", False),
        ("localhost.example.org:1", False),
    ],
)
def test_loopback(address: str, loopback: bool) -> None:
    assert is_loopback(parse_address(address)) is loopback


@pytest.mark.parametrize(
    ("listen", "endpoint", "found"),
    [
        ("0.0.0.0:8000", "127.0.0.1:8000", True),
        ("'[::]:8000'", "localhost:8000", True),
        ("127.0.0.1:8000", "localhost:8000", True),
        ("'unix:/run/a'", "'unix:/run/a'", True),
        ("'unix:/run/a'", "'unix:/run/b'", False),
        ("10.0.0.1:8000", "127.0.0.1:8000", False),
        ("0.0.0.0:8000", "127.0.0.1:8001", False),
        ("0.0.0.0:8000", "10.0.0.1:8000", False),
    ],
)
def test_an_endpoint_that_is_the_router_itself(listen: str, endpoint: str, found: bool) -> None:
    upstreams = f"upstreams: {{main: {{endpoints: [{endpoint}]}}}}\n"
    text = f"listen: {listen}\n{upstreams}routes: [{{path: '^/', upstream: main}}]\n"
    assert places(text) == (["W205 2:32"] if found else [])
