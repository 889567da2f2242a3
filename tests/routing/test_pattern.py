from __future__ import annotations

import pytest

from router.errors import InvalidPattern, Source
from router.routing.pattern import compile_alone

WHERE = Source(file="routes.yaml", line=9)


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("sync$", b"/_matrix/client/v3/sync", True),
        ("sync$", b"/sync\n", False),  # `$` is the end and nothing else
        ("(?:\\n)?\\z", b"/sync\n", True),  # how nginx's `$` is written
        ("^/a.b$", b"/a\xffb", True),
        ("^/a.b$", b"/a\nb", False),
        ("^/[^/]+$", b"/\x80\xff", True),
        ("^/\xe9$", b"/\xe9", True),
        ("^/\xe9$", b"/\xc3\xa9", False),
        ("(?i)^/health", b"/HEALTH", True),
        ("^/health", b"/HEALTH", False),
    ],
)
def test_patterns_are_searched_for_in_bytes(pattern: str, path: bytes, *, found: bool) -> None:
    assert (compile_alone(pattern)(path) is not None) is found


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("^/a(?=b)", "invalid perl operator"),
        ("^/(a", "missing )"),
        ("(a)\\1", "invalid escape sequence"),
        ("^/\u20ac", "no single byte"),
    ],
)
def test_an_invalid_pattern_says_why_and_where(pattern: str, said: str) -> None:
    with pytest.raises(InvalidPattern) as raised:
        compile_alone(pattern, WHERE)
    assert said in raised.value.message
    assert str(raised.value).startswith("routes.yaml:9: ")
    assert raised.value.hint
