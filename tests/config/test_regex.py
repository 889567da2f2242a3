from __future__ import annotations

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from router.config.automaton import Automaton
from router.config.regex import NotRead, parse
from router.routing.pattern import compile_alone

ATOMS = (
    "a", "b", "/", ".", "-", "^", "$", r"\.", r"\d", r"\S", r"\w", r"\x41", r"\x{e9}", r"\101", r"\z", r"\A", r"\C", r"\n",
    "[^/]", "[a-c]", "[]a]", "[^]a]", "[a-]", "[[:alpha:]]", "[[:^digit:]b]", r"[\d/]", r"[^\s]", r"[\]x]", "{", "a{,2}",
    r"\Qa.b\E", "(?i:aB)", "(?i)", "(?s:.)", "(?i:[^b])", "(?i:[a-c])", "é",
)  # fmt: skip
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
    except Exception:  # noqa: BLE001
        return
    automaton = Automaton(pattern)
    for text in [*texts, b"", b"\n", b"/a/b", b"aab\n"]:
        assert matches(automaton, text) == (search(text) is not None), (pattern, text)


@pytest.mark.parametrize(
    "pattern", [r"a\b", r"\pL", "(?m)^a", r"(?i:\x{e9})", r"a\B", "(?i:[à-ö])", "[[:<:]]", r"\x{100}"]
)
def test_what_is_not_read_is_said(pattern: str) -> None:
    with pytest.raises(NotRead):
        parse(pattern)


def test_every_byte_of_a_set_is_as_re2_has_it() -> None:
    for pattern in (
        ".",
        r"\s",
        r"\w",
        r"[[:punct:]]",
        r"[[:space:]]",
        r"[[:cntrl:]]",
        r"[[:graph:]]",
        "[^/]",
        "(?i:k)",
        r"[\x80-\xff]",
    ):
        search = re2.compile(pattern.encode(), compile_options()).search
        automaton = Automaton(pattern)
        for byte in range(256):
            assert matches(automaton, bytes([byte])) == (search(bytes([byte])) is not None), (pattern, byte)


def compile_options() -> re2.Options:
    from router.routing.pattern import options

    return options()
