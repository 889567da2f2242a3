from __future__ import annotations

import pytest

from tests.config.files import UPSTREAMS, fix, marked, places


def table(written: str, form: str = "raw") -> str:
    return (
        UPSTREAMS
        + f"routes: [{{path: {written}, match: {form}, upstream: main}}, {{path: '^/x', upstream: w}}]\n"
    )


@pytest.mark.parametrize(
    ("pattern", "caret", "advice"),
    [
        ("'^/a(?=b)$'", "(?=", "look-ahead"),
        ("'^/a(?!b)$'", "(?!", "look-ahead"),
        ("'^/(?<=a)b'", "(?<=", "look-behind"),
        (r"'^/(a)\1'", r"\1", "back-reference"),
        (r"'^/a\Z'", r"\Z", r"\z"),
        ("'^/(?>a)'", "(?>", "(?:…)"),
        ("'^/a++'", "++", "never backtracks"),
        ("'*a'", "*", "repeated"),
        ("'^/a{1001}'", "{1001}", "1,000"),
        ("'^/(a'", "^/(a", "close the group"),
        ("'^/a)'", "^/a)", "open the group"),
        ("'^/[a'", "[a", "close the class"),
        ("'^/[z-a]'", "z-a", "low to high"),
        ("'^/a\\'", "'^/a\\'", "`\\\\`"),
        (r"'^/\y'", r"\y", "github.com/google/re2"),
        ('"^/\\x41\\\\1"', '"^/\\x41\\\\1"', "back-reference"),
        ("'^/it''s(?=b)'", "'^/it''s(?=b)'", "look-ahead"),
    ],
)
def test_a_pattern_that_re2_does_not_take(pattern: str, caret: str, advice: str) -> None:
    assert marked(table(pattern), "R101") == caret
    assert advice in fix(table(pattern), "R101")


@pytest.mark.parametrize(
    "pattern", ["'^/a(?:b)$'", r"'^/a\z'", "'^/a{1000}'", r"'^/\(a'", "'^/[a]'", "'^/(?P<n>a)'"]
)
def test_a_pattern_that_is_nearly_the_same_and_good(pattern: str) -> None:
    assert places(table(pattern)) == []


def test_characters_beyond_ascii_are_written_as_bytes() -> None:
    assert marked(table("'^/aéb'"), "R108") == "é"
    assert "`%C3%A9`" in fix(table("'^/aéb'"), "R108")
    assert r"`\xC3\xA9`" in fix(table("'^/aéb'", "normalised"), "R108")
    assert places(table(r"'^/a\xC3\xA9b'", "normalised")) == []
