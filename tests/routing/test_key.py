from __future__ import annotations

import pytest

from router.routing.key import of_token, reader
from router.table import HashKey
from tests.routing.tables import head

user = reader(HashKey(kind="user"))


@pytest.mark.parametrize(
    ("token", "key"),
    [
        (b"syt_YWxpY2U_abcdefghij_1a2b3c", b"YWxpY2U"),
        (b"syt_YWxpY2U_", b"YWxpY2U"),
        (b"syt_a+b/c_x", b"a+b/c"),
        (b"syt_YWxpY2U", b"syt_YWxpY2U"),  # no second `_`: not of the form
        (b"syt__x_y", b"syt__x_y"),
        (b"SYT_YWxpY2U_x", b"SYT_YWxpY2U_x"),
        (b"syt-YWxpY2U_x", b"syt-YWxpY2U_x"),
        (b"mat_abc_def", b"mat_abc_def"),
        (b"mct_abc", b"mct_abc"),
        (b"", b""),
    ],
)
def test_the_user_part_of_a_token(token: bytes, key: bytes) -> None:
    assert of_token(token) == key


@pytest.mark.parametrize(
    ("authorization", "key"),
    [
        ("Bearer syt_YWxpY2U_x_y", b"YWxpY2U"),
        ("Bearer syt_YWxpY2U_x_y \t", b"YWxpY2U"),
        ("Bearer opaque", b"opaque"),
        ("bearer opaque", b""),  # Synapse takes no other spelling
        ("Bearer  opaque", b""),
        ("Bearer two words", b""),
        ("Beareropaque", b""),
        ("Bearer", b""),
        ("X-Matrix origin=a,key=b,sig=c", b""),
        ("Basic YTpi", b""),
    ],
)
def test_the_token_of_an_authorization_field(authorization: str, key: bytes) -> None:
    assert user(head("/", authorization=authorization)) == key


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("access_token=syt_YWxpY2U_x_y", b"YWxpY2U"),
        ("since=1&access_token=opaque", b"opaque"),
        ("access%5Ftoken=syt%5FYWxpY2U%5Fx", b"YWxpY2U"),
        ("access_token=a&access_token=b", b"a"),
        ("access_token=", b""),
        ("access_token", b""),
        ("xaccess_token=opaque", b""),
        ("since=1", b""),
        ("", b""),
    ],
)
def test_the_token_of_a_query(query: str, key: bytes) -> None:
    assert user(head("/sync?" + query)) == key


def test_the_header_wins_over_the_query() -> None:
    assert user(head("/?access_token=b", authorization="Bearer a")) == b"a"
    assert user(head("/?access_token=b", authorization="Basic a")) == b""


def test_a_header_key_is_the_first_value_as_received() -> None:
    by_origin = reader(HashKey(kind="header", name="x-origin"))
    assert by_origin(head("/", x_origin="A b,c")) == b"A b,c"
    assert by_origin(head("/", x_origin=" A ")) == b"A"
    assert by_origin(head("/", x_other="A")) == b""
    assert by_origin(head("/")) == b""
