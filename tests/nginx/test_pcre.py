from __future__ import annotations

import pytest
import re2

from router.nginx.pcre import NotCarried, to_re2, with_group
from router.routing.pattern import options


@pytest.mark.parametrize(
    ("pattern", "hits", "misses"),
    [
        ("^/sync$", ["/sync", "/sync\n"], ["/sync\n\n", "/syncs", "x/sync"]),
        (r"^/a\Z", ["/a", "/a\n"], ["/a\nb"]),
        (r"^/a\z", ["/a"], ["/a\n"]),
        (r"a\sb", ["a b", "a\vb"], ["ab", "a\xa0b"]),
        (r"a[\s]b", ["a\vb"], ["a_b"]),
        (r"a\hb", ["a\tb", "a\xa0b"], ["a\nb"]),
        ("(?<room>!.*?):", ["!a:b"], ["a:b"]),
        ("(?'room'a)", ["a"], ["b"]),
        ("a(?#what)b", ["ab"], ["a(?#what)b"]),
        ("(?i:A)b", ["ab"], ["aB"]),
        (r"\Qa.b\E$", ["a.b"], ["axb"]),
        ("a{,2}", ["a{,2}"], ["aa"]),
        ("a{2}$", ["aa"], ["a"]),
        ("[]a]b", ["]b", "ab"], ["b"]),
        ("[^]]b", ["ab"], ["]b"]),
        ("[[:space:]]", ["\v"], ["x"]),
        (r"[\]\\]", ["]", "\\"], ["["]),
        (r"\/x\-y", ["/x-y"], ["/xy"]),
        (r"\xe9", ["\xe9"], ["e"]),
        ("a.b", ["axb", "a\xffb"], ["a\nb"]),
        ("a||b", ["", "x"], []),
    ],
)
def test_the_same_meaning(pattern: str, hits: list[str], misses: list[str]) -> None:
    search = re2.compile(to_re2(pattern).encode("latin-1"), options()).search
    assert [text for text in hits if not search(text.encode("latin-1"))] == []
    assert [text for text in misses if search(text.encode("latin-1"))] == []


def test_any_case() -> None:
    search = re2.compile(to_re2("^/_MATRIX$", caseless=True).encode(), options()).search
    assert search(b"/_matrix")
    assert not re2.compile(to_re2("^/_MATRIX$").encode(), options()).search(b"/_matrix")


@pytest.mark.parametrize(
    ("pattern", "part"),
    [
        ("a(?=b)", "(?=b"),
        ("a(?!b)", "(?!b"),
        ("(?<=a)b", "(?<="),
        (r"(a)\1", r"\1"),
        (r"(?<n>a)\k<n>", r"\k"),
        ("(?>a)", "(?>a"),
        ("a++", "+"),
        ("a*+b", "*+"),
        (r"a\Kb", r"\K"),
        ("(*UTF8)a", "(*"),
        ("(?x)a b", "(?x)"),
        (r"\R", r"\R"),
        ("a{1,1001}", "RE2"),
        ("a\\", "single"),
        ("[a", "without"),
        ("*a", "repeat"),
        ("(a", "RE2"),
    ],
)
def test_what_re2_cannot_say_is_named(pattern: str, part: str) -> None:
    with pytest.raises(NotCarried) as raised:
        to_re2(pattern)
    assert part in str(raised.value)


@pytest.mark.parametrize(
    ("pattern", "group", "text", "taken"),
    [
        ("^(?P<a>x+)(?P<b>y+)", "b", b"xxy", b"y"),
        ("^(x)(y)", "1", b"xy", b"x"),
        (r"\((a)[(](b)", "2", b"(a(b", b"b"),
        ("^(?:x)(?i)(Y)", "1", b"xy", b"y"),
    ],
)
def test_one_group_out_of_several(pattern: str, group: str, text: bytes, taken: bytes) -> None:
    found = re2.compile(with_group(pattern, group).encode(), options(groups=True)).search(text)
    assert (found[1], found.re.groups) == (taken, 1)


def test_a_group_that_is_not_there() -> None:
    with pytest.raises(NotCarried):
        with_group("(a)", "b")
