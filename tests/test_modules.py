"""Which hot modules run, by what is wanted and what was built."""

from __future__ import annotations

import importlib
import tomllib
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from router.modules import COMPILED, PURE, CompiledFinder, Record, choose, digest_of, running, this_suffix

ROOT = Path(__file__).parents[1]

SOURCES = ("package/a.py", "package/b.py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A package of two files, and the folder of its compiled modules with a record of one of them."""
    folder = tmp_path / "package" / "compiled"
    folder.mkdir(parents=True)
    for name in SOURCES:
        (tmp_path / name).write_text("one = 1\n")
    record(tmp_path).write(folder)
    return folder


def record(root: Path, suffix: str | None = None) -> Record:
    return Record(
        modules=("package.a",),
        sources=SOURCES,
        digest=digest_of(root, SOURCES),
        suffix=suffix or this_suffix(),
        tools="mypyc",
    )


@pytest.mark.parametrize("wanted", ["", "compiled"])
def test_compiled_modules_of_these_sources_run(wanted: str, folder: Path) -> None:
    choice = choose(wanted, folder)
    assert choice.modules == COMPILED
    assert choice.places == {"package.a": folder / "package" / f"a{this_suffix()}"}


def test_who_wants_python_gets_it(folder: Path) -> None:
    choice = choose("pure", folder)
    assert (choice.modules, choice.places) == (PURE, {})


@pytest.mark.parametrize("name", SOURCES)
def test_a_changed_source_makes_all_of_them_stale(name: str, folder: Path) -> None:
    (folder.parents[1] / name).write_text("one = 2\n")
    choice = choose("", folder)
    assert (choice.modules, choice.places) == (PURE, {})
    assert "other sources" in choice.reason


def test_text_that_moves_from_one_source_to_the_next_is_a_change(folder: Path) -> None:
    for name, text in zip(SOURCES, ("one = 1\none = 1\n", ""), strict=True):
        (folder.parents[1] / name).write_text(text)
    assert choose("", folder).modules == PURE


def test_a_source_that_is_gone_makes_them_stale(folder: Path) -> None:
    (folder.parents[1] / SOURCES[1]).unlink()
    assert "other sources" in choose("", folder).reason


def test_modules_for_another_python_are_not_tried(folder: Path) -> None:
    record(folder.parents[1], suffix=".cpython-39-x86_64-linux-gnu.so").write(folder)
    choice = choose("", folder)
    assert choice.modules == PURE
    assert "another Python (.cpython-39" in choice.reason


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]", b"{", b"\xff"])
def test_without_a_record_nothing_is_compiled(content: bytes | None, folder: Path) -> None:
    (folder / "record.json").unlink()
    if content is not None:
        (folder / "record.json").write_bytes(content)
    assert choose("", folder).modules == PURE


def test_who_insists_on_compiled_ones_is_refused_anything_else(folder: Path) -> None:
    (folder.parents[1] / SOURCES[0]).write_text("")
    with pytest.raises(ImportError, match=r"other sources than these; `make compiled` builds them"):
        choose("compiled", folder)


def test_other_words_are_refused(folder: Path) -> None:
    with pytest.raises(ImportError, match="ROUTER_MODULES=fast: it is pure, compiled or not set"):
        choose("fast", folder)


def test_the_finder_knows_compiled_modules_only(tmp_path: Path) -> None:
    finder = CompiledFinder({"package.a": tmp_path / "a.so"})
    spec = finder.find_spec("package.a")
    assert spec is not None
    assert spec.origin == str(tmp_path / "a.so")
    assert finder.find_spec("package.b") is None


def test_what_runs_is_what_is_said_to_run() -> None:
    for name in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["router"]["compiled"]:
        file = importlib.import_module(name).__file__ or ""
        assert file.endswith(EXTENSION_SUFFIXES[0] if running().modules == COMPILED else ".py"), name
