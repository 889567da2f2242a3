from __future__ import annotations

import contextlib

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import BadRequest, MethodNotAllowed, MethodNotImplemented, ProxyError
from router.request import METHODS, NEVER_PROXIED, RequestHead, normalise


def head(target: bytes, method: str = "GET") -> RequestHead:
    return RequestHead(method=method, target=target)


def test_path_query_and_target() -> None:
    asked = head(b"/a%2Fb/c?x=/../%zz&y=?")
    assert (asked.target, asked.path) == (b"/a%2Fb/c?x=/../%zz&y=?", b"/a%2Fb/c")
    assert (asked.query, asked.authority) == (b"x=/../%zz&y=?", b"")
    assert asked.normalised == b"/a/b/c"


@pytest.mark.parametrize(
    ("target", "origin_form", "authority"),
    [
        (b"http://h/p?q", b"/p?q", b"h"),
        (b"http://h", b"/", b"h"),
        (b"http://h?q", b"/?q", b"h"),
        (b"https://matrix.example.org:8448/p", b"/p", b"matrix.example.org:8448"),
        (b"HTTP://h./p", b"/p", b"h."),
        (b"http://h:/p", b"/p", b"h:"),
        (b"http://[::1]:80/p", b"/p", b"[::1]:80"),
        (b"http://h/http://i/", b"/http://i/", b"h"),
    ],
)
def test_absolute_form_becomes_origin_form(target: bytes, origin_form: bytes, authority: bytes) -> None:
    asked = head(target)
    assert (asked.target, asked.authority) == (origin_form, authority)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (b"*", "starts with `*`"),
        (b"", "starts with ``"),
        (b"h:443", "starts with `h:443`"),
        (b"ftp://h/p", "starts with `ftp://h/p`"),
        (b"http:/p", "starts with `http:/p`"),
        (b"http:///p", "host of the target is malformed"),
        (b"http://h_x/p", "host of the target is malformed"),
        (b"http://h..x/p", "host of the target is malformed"),
        (b"http://h:80:80/p", "host of the target is malformed"),
        (b"http://h:8a/p", "host of the target is malformed"),
        (b"http://[::1/p", "host of the target is malformed"),
        (b"http://h%41/p", "host of the target is malformed"),
        (b"http://bob:secret@h/p", "userinfo"),
        (b"http://bob@h", "userinfo"),
        (b"/a b", "byte 0x20 at byte 2 of the target: write it as %20"),
        (b"/a\tb", "byte 0x09 at byte 2"),
        (b"/a\x00", "byte 0x00 at byte 2"),
        (b"/a\x7f", "byte 0x7f at byte 2"),
        (b"/a\x80", "byte 0x80 at byte 2"),
        (b"/\xc3\xa9", "byte 0xc3 at byte 1"),
        (b"/a?b=\xff", "byte 0xff at byte 5"),
        (b"/a#b", "`#` at byte 2"),
        (b"/a?b#c", "`#` at byte 4"),
        (b"/a%zz", "`%zz` at byte 2 of the path"),
        (b"/a%4", "`%4` at byte 2"),
        (b"/%41%", "`%` at byte 4"),
        (b"/a%00", "`%00` at byte 2"),
        (b"/..", "above the root"),
        (b"/%2e%2E/a", "above the root"),
        (b"/a%2F..%2f..", "above the root"),
        (b"//..", "above the root"),
        (b"http://h/../x", "above the root"),
    ],
)
def test_targets_refused_outright_name_what_offends(target: bytes, said: str) -> None:
    with pytest.raises(BadRequest) as raised:
        head(target)
    assert said in raised.value.message
    assert "secret" not in raised.value.message
    assert raised.value.status == 400


@pytest.mark.parametrize(
    "target",
    [
        b"/a?%zz",
        b"/a?%00",
        b"/a?b=/../..",
        b"/a%25zz",
        b"/...",
        b"/a/..b",
        b"/%2E",
        b'/a|b{}^"<>\\`',
        b"//",
        b"/a;b=c",
    ],
)
def test_near_misses_pass(target: bytes) -> None:
    assert head(target).target == target


@pytest.mark.parametrize(
    ("path", "normalised"),
    [
        (b"/", b"/"),
        (b"/a//b///c", b"/a/b/c"),
        (b"/a/./b/.", b"/a/b/"),
        (b"/a/../b", b"/b"),
        (b"/a/b/..", b"/a/"),
        (b"/a/..", b"/"),
        (b"/a/...", b"/a/..."),
        (b"/a/..b/.c", b"/a/..b/.c"),
        (b"/a%2Fb%2f%2fc", b"/a/b/c"),
        (b"/a/%2e%2E/b", b"/b"),
        (b"/a/.%2e/b", b"/b"),
        (b"/%252e%252e/%252F", b"/%2e%2e/%2F"),
        (b"/%3F%23%25", b"/?#%"),
        (b"/%FF%0a", b"/\xff\n"),
        (b"/a%5C..", b"/a\\.."),
        (b"/a+b;c", b"/a+b;c"),
        (b"//a//..//b", b"/b"),
    ],
)
def test_the_normalised_path_is_nginx_s(path: bytes, normalised: bytes) -> None:
    assert head(path).normalised == normalised
    assert head(path).path == path


@given(
    st.lists(
        st.sampled_from([b"a", b"/", b".", b"..", b"%2F", b"%2e", b"%61", b"%25", b"%0A", b"//"]), max_size=10
    )
)
def test_the_short_ways_to_the_normalised_path_are_the_long_one(pieces: list[bytes]) -> None:
    path = b"/" + b"".join(pieces)
    try:
        whole = normalise(path)
    except BadRequest:
        with pytest.raises(BadRequest):
            head(path)
        return
    asked = head(path)
    assert asked.normalised == whole
    if not asked.reshaped:
        assert asked.normalised.count(b"/") == path.count(b"/")


@pytest.mark.parametrize("method", sorted(METHODS))
def test_methods_that_are_known(method: str) -> None:
    assert head(b"/", method).method == method


@pytest.mark.parametrize(
    "method", ["get", "Get", "FOO", "GETX", "", "PRI", "DESCRIBE", "G T", "\u20ac", "A" * 9000]
)
def test_methods_that_are_not(method: str) -> None:
    with pytest.raises(MethodNotImplemented) as raised:
        head(b"/", method)
    assert raised.value.status == 501
    assert len(raised.value.message) < 200


@pytest.mark.parametrize("method", ["CONNECT", "TRACE"])
def test_methods_that_are_never_proxied(method: str) -> None:
    with pytest.raises(MethodNotAllowed):
        head(b"/", method)


def test_a_lower_case_method_is_told_its_spelling() -> None:
    with pytest.raises(MethodNotImplemented, match="GET"):
        head(b"/", "get")


def llhttp_takes(method: str, target: bytes = b"/") -> bool:
    parser = httptools.HttpRequestParser(object())
    try:
        parser.feed_data(method.encode() + b" " + target + b" HTTP/1.1\r\nHost: h\r\n\r\n")
    except httptools.HttpParserUpgrade:
        return True
    except httptools.HttpParserError:
        return False
    return True


def test_the_method_table_is_llhttp_s() -> None:
    rtsp = "DESCRIBE ANNOUNCE SETUP PLAY PAUSE TEARDOWN GET_PARAMETER SET_PARAMETER REDIRECT RECORD FLUSH"
    other = f"{rtsp} PRI BASELINE-CONTROL UPDATE LABEL VERSION-CONTROL ORDERPATCH get FOO GETX BREW"
    assert [method for method in METHODS | NEVER_PROXIED if not llhttp_takes(method)] == []
    assert [method for method in other.split() if llhttp_takes(method)] == []


@given(st.binary(max_size=12))
def test_the_parser_never_takes_less_than_what_is_let_through(rest: bytes) -> None:
    """A head that passes here is never one that llhttp refuses: explain and the wire agree."""
    with contextlib.suppress(ProxyError):
        asked = head(b"/" + rest)
        assert llhttp_takes("GET", asked.target)


def test_every_byte_is_passed_or_refused_as_llhttp_does_but_for_the_number_sign() -> None:
    for byte in range(256):
        target = b"/a?" + bytes([byte])
        try:
            head(target)
        except BadRequest:
            passed = False
        else:
            passed = True
        assert passed == (llhttp_takes("GET", target) and byte not in b"# \t\n\x0c\r"), byte


def test_headers_are_found_by_their_first_value() -> None:
    asked = RequestHead(method="GET", target=b"/", headers=[(b"a", b"1"), (b"b", b"2"), (b"a", b"3")])
    assert asked.header(b"a") == b"1"
    assert asked.header(b"b") == b"2"
    assert asked.header(b"c") == b""
