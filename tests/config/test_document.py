from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.document import MAX_BYTES, parse, read
from router.config.findings import Findings
from router.config.lint import lint
from router.config.loader import load_bytes
from router.config.nodes import Items, Mapping, Scalar
from tests.config.files import CLEAN, fix, marked, places

DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "S004 1:1"),
        (b"# nothing\n", "S004 1:1"),
        (b"~\n", "S004 1:1"),
        (b"a: \xff\n", "S002 1:4"),
        (b"\xef\xbb\xbfa: 1\nb: \xc3(\n", "S002 2:4"),
        (b"a: 1\nb: \x00\n", "S002 2:4"),
        (b"a: 1\r\nb: \x07\n", "S002 2:4"),
        (b'a: "\\0"\n', "S002 1:4"),
        (b'a: "\\ud800"\n', "S002 1:4"),
        (b'a: "\\UFFFFFFFF"\n', "S003 1:1"),
        (b"upstreams:\n\tmain: x\n", "S003 2:1"),
        (b"a: [1, 2\nb: 3\n", "S003 2:2"),
        (b"a: 'x\n", "S003 2:1"),
        (b"a: b: c\n", "S003 1:5"),
        (b'path: "^/\\d"\n', "S003 1:11"),
        (b"a: {b: ^/[^/]+, c: 1}\n", "S003 1:10"),
        (b"a: @x\n", "S003 1:4"),
        (b"- a\nb: 1\n", "S003 2:1"),
        (DEEP.encode(), "S003 1:34"),
        (b"a: 1\n---\nb: 2\n", "S005 2:1"),
        (b"a: *x\n", "S006 1:4"),
        (b"a: &x 1\n", "S006 1:4"),
        (b"a: !!int 1\n", "S006 1:4"),
        (b"a: {<<: 1}\n", "S006 1:5"),
        (b"a: 1\nb: 2\na: 3\n", "S007 3:1"),
        (b"'a': 1\na: 3\n", "S007 2:1"),
        (b"? [a]\n: 1\n", "S009 1:3"),
        (b"? {a: 1}\n: 1\n", "S009 1:3"),
        (b"~: 1\n", "S009 1:1"),
    ],
)
def test_what_is_no_file_of_ours_is_found_at_its_place(content: bytes, expected: str) -> None:
    findings = Findings()
    parse(content, file="routes.yaml", findings=findings)
    assert [f"{one.code} {one.source.line}:{one.source.column}" for one in findings if one.source] == [
        expected
    ]
    assert expected in places(content)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("upstreams:\n\tmain: x\n", "tabs"),
        ('path: "^/\\d"\n', "single quotes"),
        ("a: {b: ^/[^/]+, c: 1}\n", "single quotes"),
        ("a: b: c\n", "indentation"),
    ],
)
def test_the_usual_slips_have_advice(text: str, advice: str) -> None:
    assert advice in fix(text, "S003")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, words in (
        (tmp_path / "none.yaml", "No such file"),
        (tmp_path / "pipe", "it is a named pipe, not a regular file"),
        (Path(os.devnull), "it is a device"),
        (tmp_path, "Is a directory"),
        (Path("a\0b"), "null byte"),
    ):
        findings = Findings()
        assert read(path, findings).root is None
        assert [(one.code, words in one.message) for one in findings] == [("S001", True)]
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (MAX_BYTES + 1))
    findings = Findings()
    read(large, findings)
    assert [one.code for one in findings] == ["S001"]
    large.write_bytes(b"#" * MAX_BYTES)
    findings = Findings()
    read(large, findings)
    assert [one.code for one in findings] == ["S004"]


def root_of(text: str) -> Mapping:
    findings = Findings()
    document = parse(text.encode(), file="f", findings=findings)
    assert not len(findings)
    assert isinstance(document.root, Mapping)
    return document.root


def test_words_stay_words_and_know_their_place() -> None:
    root = root_of("a: 22:22\nb: 010\nc: on\nd: '1_000'\ne: 2001-01-01\n")
    assert [entry.value.text for entry in root.entries if isinstance(entry.value, Scalar)] == [
        "22:22",
        "010",
        "on",
        "1_000",
        "2001-01-01",
    ]
    assert [entry.value.source.column for entry in root.entries] == [4] * 5
    assert [entry.value.source.length for entry in root.entries] == [5, 3, 2, 7, 10]
    assert [entry.value.source.line for entry in root.entries] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("written", "verbatim"),
    [("^/a(b", 4), ("'^/a(b'", 5), ('"^/a(b"', 5), ("'it''s'", None), ('"\\x41"', None), ("|\n  ^/a", None)],
)
def test_a_part_of_a_word_is_placed_where_it_stands_as_it_is(written: str, verbatim: int | None) -> None:
    scalar = root_of(f"a: {written}\n").entries[0].value
    assert isinstance(scalar, Scalar)
    assert scalar.verbatim == verbatim
    part = scalar.part(2, 2)
    assert (part.column, part.length) == ((verbatim + 2, 2) if verbatim else (4, scalar.source.length))


def test_columns_count_characters() -> None:
    text = "é: ['日本', \U0001d4b3, x]\nupstreams: {a: 1}\n"
    root = root_of(text)
    items = root.entries[0].value
    assert isinstance(items, Items)
    assert [item.source.column for item in items.items] == [5, 11, 14]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r", "\u2028", "\x85"])
def test_lines_are_cut_where_yaml_cuts_them(ending: str) -> None:
    assert marked(CLEAN.replace("\n", ending) + "foo: 1" + ending, "S008") == "foo"


def test_the_second_of_two_keys_names_the_first() -> None:
    (finding,) = [one for one in load_bytes((CLEAN + ROUTES_AGAIN).encode()).findings if one.code == "S007"]
    assert [related.source.line for related in finding.related] == [2]


ROUTES_AGAIN = "routes: []\n"
BITS = st.sampled_from(
    [
        *CLEAN.replace("\n", "\n\0").split("\0"),
        "{",
        "}",
        "[",
        "- ",
        "? ",
        ": ",
        "\t",
        "'",
        '"',
        "|\n",
        "&a ",
        "*a",
        "!x ",
        "---\n",
        "...\n",
        "%YAML 1.1\n",
        "\\",
        "#",
        "\ufeff",
        "\U0010ffff",
        "~",
        "<<: ",
    ]
)


@given(
    st.binary(max_size=60)
    | st.lists(BITS | st.text(max_size=3), max_size=12).map(
        lambda bits: "".join(bits).encode("utf-8", "replace")
    )
)
def test_no_bytes_raise_anything(content: bytes) -> None:
    loaded = load_bytes(content)
    lint(loaded, clock=lambda: 0.0)
    assert loaded.config is not None or loaded.findings
    for finding in loaded.findings:
        assert finding.source is not None
        assert 1 <= finding.source.line <= max(1, len(loaded.document.lines))
        assert finding.source.column >= 1


@given(st.integers(0, len(CLEAN)), st.integers(0, 4), st.text(max_size=4))
def test_a_slip_anywhere_in_a_good_file_raises_nothing(at: int, cut: int, typed: str) -> None:
    loaded = load_bytes((CLEAN[:at] + typed + CLEAN[at + cut :]).encode("utf-8", "replace"))
    lint(loaded, clock=lambda: 0.0)
    assert loaded.config is not None or loaded.findings
