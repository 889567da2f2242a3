from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config import values
from router.config.findings import Findings
from router.config.nodes import Items, Mapping, Node, Scalar
from router.errors import Source
from router.table import TcpAddress, UnixAddress

PLACE = Source(file="f", line=1)


def word(text: str, *, quoted: bool = False) -> Scalar:
    return Scalar(text=text, source=PLACE, quoted=quoted)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("010", 10),
        ("1_000", 1000),
        ("1", 1),
        ("0", None),
        ("5001", None),
        ("-1", None),
        ("0x10", None),
        ("1.0", None),
        ("1__0", None),
        ("_1", None),
        ("\u0661", None),
        ("", None),
        ("~", None),
        ("9" * 5000, None),
    ],
)
@pytest.mark.parametrize("quoted", [True, False])
def test_whole_numbers_are_decimal(text: str, number: int | None, quoted: bool) -> None:
    findings = Findings()
    assert values.whole(word(text, quoted=quoted), findings, "`n`", least=1, most=5000) == number
    assert len(findings) == (number is None)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("50MiB", 52_428_800),
        ("8KiB", 8192),
        ("8 KiB", 8192),
        ("10MB", 10_000_000),
        ("16000", 16_000),
        ("16_000", 16_000),
        ("1GiB", 1 << 30),
        ("3B", 3),
        ("5kib", 5120),
        ("50M", None),
        ("8k", None),
        ("0", None),
        ("0MiB", None),
        ("-1", None),
        ("1.5MiB", None),
        ("MiB", None),
        ("1TiB", None),
        ("9" * 30, None),
        ("99999999GiB", None),
    ],
)
def test_sizes_are_bytes(text: str, number: int | None) -> None:
    findings = Findings()
    assert values.size(word(text), findings, "`n`") == number
    assert [one.code for one in findings] == ([] if number else ["S011"])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("600s", 600.0),
        ("10m", 600.0),
        ("500ms", 0.5),
        ("1.5s", 1.5),
        ("1h30m", 5400.0),
        ("1d", 86_400.0),
        ("60", None),
        ("0s", None),
        ("-1s", None),
        ("10 m", None),
        ("10min", None),
        ("1e3s", None),
        ("400d", None),
        ("9" * 400 + "s", None),
    ],
)
def test_times_are_seconds_and_have_a_unit(text: str, seconds: float | None) -> None:
    findings = Findings()
    assert values.seconds(word(text), findings, "`t`") == seconds
    assert [one.code for one in findings] == ([] if seconds else ["S011"])


def test_a_time_may_be_nought_where_that_is_meant() -> None:
    findings = Findings()
    assert values.seconds(word("0s"), findings, "`t`", zero=True) == 0.0
    assert not len(findings)


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("50M", "`50MiB` (by 1024) or `50MB` (by 1000)"),
        ("0", "no word for no limit"),
        ("much", "a number of bytes"),
    ],
)
def test_a_wrong_size_says_what_to_write(text: str, fix: str) -> None:
    findings = Findings()
    values.size(word(text), findings, "`n`")
    assert [fix in one.fix for one in findings] == [True]


def test_a_time_without_a_unit_says_what_to_write() -> None:
    findings = Findings()
    values.seconds(word("60"), findings, "`t`")
    assert ["`60s`" in one.fix for one in findings] == [True]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("yes", True),
        ("On", True),
        ("false", False),
        ("no", False),
        ("OFF", False),
        ("1", None),
        ("y", None),
    ],
)
def test_yes_and_no_mean_what_people_mean(text: str, value: bool | None) -> None:
    findings = Findings()
    for quoted in (True, False):
        assert values.yes_or_no(word(text, quoted=quoted), findings, "`b`") is value
    assert len(findings) == (2 if value is None else 0)


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("8080", "`127.0.0.1:8080`"),
        (":8080", "`0.0.0.0:8080`"),
        ("localhost", "add the port"),
        ("/run/x.sock", "`unix:/run/x.sock`"),
        ("http://h:80/x", "`h:80`"),
        ("::1:80", "[v6]:port"),
        ("h:80x", "host:port"),
        ("a b:80", "host:port"),
        ("h:99999", "host:port"),
        ("unix:x", "host:port"),
        ("h\x1b:80", "host:port"),
    ],
)
def test_what_is_no_address_says_what_to_write(text: str, fix: str) -> None:
    findings = Findings()
    assert values.address(word(text), findings, "`listen`") is None
    assert [(one.code, fix in one.fix) for one in findings] == [("S013", True)]
    assert all(one.message.isprintable() for one in findings)


def test_addresses_are_read() -> None:
    findings = Findings()
    assert values.address(word("22:22"), findings, "x") == TcpAddress(host="22", port=22)
    assert values.address(word("[::1]:80"), findings, "x") == TcpAddress(host="::1", port=80)
    assert values.address(word("unix:/x y"), findings, "x") is None
    assert values.address(word("unix:/x"), findings, "x") == UnixAddress(path="/x")


@pytest.mark.parametrize(
    ("node", "code"),
    [
        (Items(items=(), source=PLACE), "S009"),
        (Mapping(entries=(), source=PLACE), "S009"),
        (word("~"), "S010"),
        (word("", quoted=True), "S010"),
    ],
)
def test_what_is_no_word_is_said(node: Node, code: str) -> None:
    findings = Findings()
    assert values.word(node, findings, "`x`") is None
    assert [one.code for one in findings] == [code]


def test_a_quoted_tilde_is_a_word() -> None:
    assert values.word(word("~", quoted=True), Findings(), "`x`") is not None


@given(st.text())
def test_quoted_text_is_short_and_printable(text: str) -> None:
    shown = values.short(text)
    assert len(shown) <= 60
    assert shown.isprintable()
