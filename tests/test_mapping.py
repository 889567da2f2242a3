"""One test file for one source file, so that whoever changes one knows where the other is."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

WITHOUT_TESTS = {
    "__main__.py": "hands over to cli/main.py",
    "routing/balancer.py": "an abstract class, which the tests of the policies use",
    "proxy/context.py": "fields that are handed around, and a Protocol",
    "proxy/record.py": "fields, which the tests of the exchange read",
    "proxy/stream.py": "a Protocol, held by mypy",
    "local/__main__.py": "tested as local/test_main.py",
    "local/asking/__main__.py": "tested as local/asking/test_main.py",
    "synapse/__main__.py": "hands over to synapse/endpoints.py",
}

SOURCES = sorted(
    str(path.relative_to(ROOT / "router"))
    for path in (ROOT / "router").rglob("*.py")
    if path.name != "__init__.py"
)


@pytest.mark.parametrize("source", SOURCES)
def test_each_source_file_has_its_test_file(source: str) -> None:
    test = ROOT / "tests" / Path(source).parent / f"test_{Path(source).name}"
    assert test.exists() != (source in WITHOUT_TESTS), f"{source} ~ {test.relative_to(ROOT)}"


def test_the_exceptions_are_files_that_exist() -> None:
    assert WITHOUT_TESTS.keys() <= set(SOURCES)


@pytest.mark.parametrize("package", sorted((ROOT / "router").rglob("*/__init__.py")), ids=str)
def test_a_package_file_is_empty_but_for_the_first(package: Path) -> None:
    assert package.read_bytes() == b""
