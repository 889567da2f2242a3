from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from router.errors import Source
from router.synapse.document import MAX_BYTES, Content, NotReadable, Value, parse, read


def plain(value: Value | None) -> object:
    """The value without its places, as PyYAML's safe_load gives it."""
    content: Content = None if value is None else value.content
    if isinstance(content, tuple):
        return [plain(item) for item in content]
    if isinstance(content, Mapping):
        return {key: plain(item) for key, item in content.items()}
    return content


FILES = [
    "a: 1\nb: [x, 'y', 2.5]\nc: {d: null, e: ~}\n",
    "a: &x {p: 1, q: 2}\nb: *x\nc: {<<: *x, q: 3}\nd: {<<: [*x, {r: 4}]}\n",
    "k: yes\na: on\nb: 010\nc: 0x1f\nd: 22:22\ne: 1_000\nf: 0o660\n",
    "a: 1\na: 2\n",
    "",
    "# nothing\n",
    "~\n",
    "just a text\n",
    "- a\n- b\n",
    "\ufeffa: 1\n",
    "a: |\n  more\n  lines\nb: >-\n  folded\n  text\n",
]


@pytest.mark.parametrize("text", FILES)
def test_values_are_those_of_the_safe_loader(text: str) -> None:
    assert plain(parse(text.encode(), file="f")) == yaml.safe_load(text)


SCALARS = st.none() | st.booleans() | st.integers() | st.text("abc :-0x_'", max_size=8)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abcde", min_size=1), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abcde", min_size=1), TREES, max_size=4))
def test_whatever_is_dumped_is_read_back(tree: dict[str, object]) -> None:
    shared = {"first": tree, "again": tree}  # the second one becomes an alias
    assert plain(parse(yaml.safe_dump(shared).encode(), file="f")) == shared


def test_dates_and_unknown_tags_stay_text() -> None:
    root = parse(b"a: 2001-99-99\nb: !ENV secret\n", file="f")
    assert plain(root) == {"a": "2001-99-99", "b": "secret"}


def test_every_value_knows_its_place_and_an_alias_that_of_its_anchor() -> None:
    root = parse(b"a: 1\nlist:\n  - &x {p: 22}\n  - *x\n", file="f")
    assert root is not None
    assert isinstance(root.content, Mapping)
    assert root.content["a"].source == Source(file="f", line=1, column=4, length=1)
    items = root.content["list"].content
    assert isinstance(items, tuple)
    assert [item.source.line for item in items] == [3, 3]


BROKEN = [
    (b"a: [\n", 2, "expected the node content"),
    (b"a: 1\n\tb: 2\n", 2, "cannot start any token"),
    (b"a: *secret\n", 1, "undefined alias '…'"),
    (b"a: {b: ${PORT}}\n", 1, "expected ',' or '}', but got '{'"),
    (b"a: 1\n--- \nb: 2\n", 2, "another document"),
    (b"a: \x07\n", 1, "U+0007"),
    (b"a: 1\nb: \xff\n", 2, "byte 0xff is not UTF-8"),
    (b"a: !!int xx\n", 1, "not what it looks like"),
    (b"a: !!bool maybe\n", 1, "not what it looks like"),
    (b"a: !!int ''\n", 1, "not what it looks like"),
    (b"a: 0x_\n", 1, "not what it looks like"),
    (b'a: "\\UFFFFFFFF"\n', 1, "not what it looks like"),
    (b"a: &a [*a]\n", 1, "within its own anchor"),
    (b"[" * 3000, 1, "nested too deep"),
]


@pytest.mark.parametrize(("content", "line", "problem"), BROKEN)
def test_what_cannot_be_read_has_its_line_and_what_to_do(content: bytes, line: int, problem: str) -> None:
    with pytest.raises(NotReadable, match=re.escape(problem)) as raised:
        parse(content, file="f")
    assert raised.value.source is not None
    assert (raised.value.source.file, raised.value.source.line) == ("f", line)
    assert raised.value.hint


def test_no_text_of_the_file_is_repeated() -> None:
    for content in (
        b"p: {password: *hunter2}",
        b"p: !!int hunter2",
        b"p: [hunter2",
        b"p: 'hunter2",
        b"p: @hunter2",
    ):
        with pytest.raises(NotReadable) as raised:
            parse(content, file="f")
        assert "hunter2" not in str(raised.value)


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("a: 1\n", encoding="utf-8")
    root = read(tmp_path / "f.yaml")
    assert root is not None
    assert root.source.file == str(tmp_path / "f.yaml")


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    for name, words in (
        ("pipe.yaml", "not a regular file"),
        ("gone.yaml", "No such file"),
        ("", "not a regular"),
    ):
        with pytest.raises(NotReadable, match=words):
            read(tmp_path / name)
    with pytest.raises(NotReadable, match="null byte"):
        read(tmp_path / "a\0b")


def test_a_file_without_end_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(NotReadable, match="larger than"):
        read(tmp_path / "big.yaml")
    (tmp_path / "big.yaml").write_bytes(b"#" * MAX_BYTES)
    assert read(tmp_path / "big.yaml") is None
