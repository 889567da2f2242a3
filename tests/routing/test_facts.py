from __future__ import annotations

import pytest

from router.request import RequestHead
from router.routing.facts import fact_reader

HEAD = RequestHead(
    method="GET",
    target=b"http://Matrix.Example:8448/_matrix//a%2Fb?Since=s1&since=s2&empty=&x;y=1",
    headers=[(b"host", b"other"), (b"x-a", b" one\t"), (b"x-a", b"two"), (b"cookie", b"a=1; Sid = x y ;b=2")],
    client="192.0.2.7",
    port=8448,
)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("header", "x-a", b"one"),
        ("header", "x-b", b""),
        ("cookie", "sid", b"x y "),
        ("cookie", "a", b"1"),
        ("cookie", "id", b""),
        ("argument", "since", b"s1"),
        ("argument", "empty", b""),
        ("argument", "y", b""),  # nginx parts parameters at `&` alone
        ("method", "", b"GET"),
        ("target", "", b"/_matrix//a%2Fb?Since=s1&since=s2&empty=&x;y=1"),
        ("path", "", b"/_matrix//a%2Fb"),
        ("normalised", "", b"/_matrix/a/b"),
        ("query", "", b"Since=s1&since=s2&empty=&x;y=1"),
        ("host", "", b"matrix.example"),
        ("port", "", b"8448"),
        ("client", "", b"192.0.2.7"),
    ],
)
def test_facts_of_a_request(kind: str, name: str, value: bytes) -> None:
    assert fact_reader(kind, name)(HEAD) == value


@pytest.mark.parametrize(
    ("field", "host"),
    [
        (b"h", b"h"),
        (b"H.example:80", b"h.example"),
        (b"[::1]:80", b"[::1]"),
        (b"[::1]", b"[::1]"),
        (b"", b""),
    ],
)
def test_the_host_as_nginx_has_it(field: bytes, host: bytes) -> None:
    assert fact_reader("host")(RequestHead(method="GET", target=b"/", headers=[(b"host", field)])) == host


def test_a_unix_socket_has_no_port_and_a_capture_is_no_fact_of_a_head() -> None:
    assert fact_reader("port")(RequestHead(method="GET", target=b"/")) == b""
    with pytest.raises(KeyError):
        fact_reader("capture")
