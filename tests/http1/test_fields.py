from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.http1.fields import fault_in, is_token, join_repeated, persists, quote, split_fields


def test_splits_at_the_first_colon_and_strips_blanks_only_around_the_value() -> None:
    lines = [b"Host:h:80", b"X-Long-NAME: \t a \t b \t", b"Empty:"]
    assert split_fields(lines) == [(b"host", b"h:80"), (b"x-long-name", b"a \t b"), (b"empty", b"")]


def test_joins_repeated_fields_in_order_and_leaves_the_others() -> None:
    headers = [(b"a", b"1"), (b"b", b"x"), (b"a", b"2"), (b"a", b"")]
    assert join_repeated(headers) == {b"a": b"1, 2, ", b"b": b"x"}


@pytest.mark.parametrize(
    ("connection", "minor", "kept"),
    [
        (b"", 1, True),
        (b"", 0, False),
        (b"keep-alive", 0, True),
        (b"Keep-Alive", 0, True),
        (b"keep-alives", 0, False),
        (b"close", 1, False),
        (b"TE,\tClose ,x", 1, False),
        (b"enclose", 1, True),
        (b"keep-alive, close", 0, False),
        (b"upgrade", 1, True),
    ],
)
def test_close_wins_and_only_http_1_0_has_to_ask_for_more(connection: bytes, minor: int, kept: bool) -> None:
    assert persists(connection, minor) is kept


def test_a_token_is_made_of_the_characters_of_the_rfc() -> None:
    taken = bytes(byte for byte in range(256) if is_token(bytes([byte])))
    assert taken == b"!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~"
    assert not is_token(b"")
    assert not is_token(b"a\n")


@given(st.binary(max_size=100))
def test_a_quote_is_printable_ascii_and_short(data: bytes) -> None:
    quoted = quote(data)
    assert quoted.replace("…", "").isascii()
    assert quoted.isprintable()
    assert len(quoted) <= 4 * 40 + 3
    assert quoted.endswith("…`") == (len(data) > 40)


def test_finds_the_line_at_fault_and_says_nothing_of_lines_without_one() -> None:
    assert fault_in([b"A: b", b"C:d\t\xff"]) == ""
    assert fault_in([]) == ""
    assert fault_in([b"A: b", b"C"]) == "header line 2 has no colon"
