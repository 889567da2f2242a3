from __future__ import annotations

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from router.config.automaton import Automaton
from router.config.regex import NotRead, parse
from router.errors import InvalidPattern
from router.routing.pattern import compile_alone

ATOMS = (
    "a",
    "b",
    "/",
    ".",
    "-",
    "^",
    "$",
    r"\.",
    r"\d",
    r"\S",
    r"\w",
    r"\x41",
    r"\x{e9}",
    r"\101",
    r"\z",
    r"\A",
    r"\C",
    r"\n",
    "[^/]",
    "[a-c]",
    "[]a]",
    "[^]a]",
    "[a-]",
    "[[:alpha:]]",
    "[[:^digit:]b]",
    r"[\d/]",
    r"[^\s]",
    r"[\]x]",
    "{",
    "a{,2}",
    r"\Qa.b\E",
    "(?i:aB)",
    "(?i)",
    "(?s:.)",
    "(?i:[^b])",
    "(?i:[a-c])",
    "é",
)
ENDINGS = ("", "", "", "*", "+", "?", "*?", "{2}", "{1,}", "{0,2}", "{2,3}?")
GROUPS = ("({})", "(?:{})", "(?P<n>{})", "(?<n>{})")


@st.composite
def patterns(draw: st.DrawFn, depth: int = 2) -> str:
    pieces = []
    for _ in range(draw(st.integers(0, 4))):
        if depth and draw(st.booleans()):
            options = draw(st.lists(patterns(depth=depth - 1), min_size=1, max_size=3))
            atom = draw(st.sampled_from(GROUPS)).format("|".join(options))
        else:
            atom = draw(st.sampled_from(ATOMS))
        pieces.append(atom + draw(st.sampled_from(ENDINGS)))
    return "".join(pieces)


def matches(automaton: Automaton, text: bytes) -> bool:
    state = automaton.start
    for byte in text:
        state = automaton.after(state, byte)
    return state.accepting


@given(
    patterns(),
    st.lists(st.binary(max_size=8) | st.text("aAbB/.\n{1", max_size=8).map(str.encode), max_size=8),
)
def test_a_pattern_means_what_re2_takes_it_for(pattern: str, texts: list[bytes]) -> None:
    try:
        search = compile_alone(pattern)
    except InvalidPattern:
        reject()
    try:
        automaton = Automaton(pattern)
    except NotRead:
        assert "(?i" in pattern or r"\E" in pattern, "only these hold what is not read"
        reject()
    for text in [*texts, b"", b"\n", b"/a/b", b"aab\n"]:
        assert matches(automaton, text) == (search(text) is not None), (pattern, text)


@pytest.mark.parametrize(
    "pattern",
    [
        "a(?i)*",
        r"\Qab\E+",
        r"\Qab\E{2}",
        r"a\b",
        r"\pL",
        "(?m)^a",
        r"(?i:\x{e9})",
        r"a\B",
        "(?i:[à-ö])",
        "[[:<:]]",
        r"\x{100}",
    ],
)
def test_what_is_not_read_is_said(pattern: str) -> None:
    with pytest.raises(NotRead):
        parse(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        ".",
        r"\s",
        r"\w",
        "[[:punct:]]",
        "[[:space:]]",
        "[[:cntrl:]]",
        "[[:graph:]]",
        "[^/]",
        "(?i:k)",
        r"[\x80-\xff]",
    ],
)
def test_every_byte_of_a_set_is_as_re2_has_it(pattern: str) -> None:
    search = compile_alone(pattern)
    automaton = Automaton(pattern)
    for byte in range(256):
        assert matches(automaton, bytes([byte])) == (search(bytes([byte])) is not None), byte
