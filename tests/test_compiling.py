"""A small package goes the way of the router's hot modules: compiled, found, stale, in a wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import compiling
from tests.absence import absent

ROOT = Path(__file__).parents[1]

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "small"
version = "1"
[tool.hatch.build.targets.wheel]
packages = ["router"]
[tool.hatch.build.targets.wheel.hooks.custom]
enable-by-default = false
[tool.router]
compiled = ["router.counts", "router.inner.adds"]
"""

COUNTS = """
from typing import Final
from router.inner.adds import add
from router.facts import STEP
class Counter:
    def __init__(self) -> None:
        self.value = 0
    def count(self) -> int:
        self.value = add(self.value, STEP)
        return self.value
"""

SHOW = """
import router.counts, router.inner.adds
from router.modules import running
print(running().modules, router.counts.Counter().count(), router.counts.__file__, router.inner.adds.__file__)
"""


def python(project: Path, *arguments: str, wanted: str = "") -> subprocess.CompletedProcess[str]:
    """In the folder of the small project, which is found before this one."""
    env = {**os.environ, "PYTHONPATH": str(project), "ROUTER_MODULES": wanted}
    return subprocess.run(
        [sys.executable, *arguments], cwd=project, env=env, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project, compiled."""
    try:
        compiling.compiler()
    except compiling.CannotCompileError as error:
        absent(str(error))
    project = tmp_path_factory.mktemp("small")
    (project / "router" / "inner").mkdir(parents=True)
    for name in ("compiling.py", "hatch_build.py", ".gitignore", "router/__init__.py", "router/modules.py"):
        shutil.copy(ROOT / name, project / name)
    (project / "pyproject.toml").write_text(PYPROJECT)
    (project / "router/counts.py").write_text(COUNTS)
    (project / "router/inner/__init__.py").touch()
    (project / "router/inner/adds.py").write_text("def add(a: int, b: int) -> int:\n    return a + b\n")
    (project / "router/facts.py").write_text("from typing import Final\nSTEP: Final = 3\n")
    (project / "router/aside.py").touch()
    made = python(project, "compiling.py")
    assert made.returncode == 0, made.stderr
    assert "compiling 2 modules" in made.stdout
    return project


@pytest.fixture
def small(built: Path, tmp_path: Path) -> Path:
    """A copy, for a test to change."""
    return shutil.copytree(built, tmp_path / "small")


def test_compiled_modules_are_found_and_do_the_same(small: Path) -> None:
    compiled, pure = python(small, "-c", SHOW), python(small, "-c", SHOW, wanted="pure")
    assert compiled.stdout.split()[:2] == ["compiled", "3"]
    assert all(file.endswith(".so") for file in compiled.stdout.split()[2:])
    assert pure.stdout.split()[:2] == ["pure", "3"]
    assert all(file.endswith(".py") for file in pure.stdout.split()[2:])


def test_what_is_current_is_not_compiled_again(small: Path) -> None:
    (small / "router/aside.py").write_text("nothing_compiled_imports_this = True\n")
    again = python(small, "compiling.py")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


@pytest.mark.parametrize("changed", ["router/counts.py", "router/facts.py"])
def test_after_a_change_the_source_runs_until_it_is_compiled(changed: str, small: Path) -> None:
    source = small / changed
    source.write_text(
        source.read_text().replace("= 3", "= 4").replace("self.value, STEP", "self.value, STEP + 1")
    )
    assert python(small, "-c", SHOW).stdout.split()[:2] == ["pure", "4"]
    refused = python(small, "-c", SHOW, wanted="compiled")
    assert refused.returncode != 0
    assert "other sources than these; `make compiled` builds them" in refused.stderr


def test_who_insists_on_compiled_modules_can_have_them_made(small: Path) -> None:
    (small / "router/facts.py").write_text("from typing import Final\nSTEP: Final = 5\n")
    assert python(small, "compiling.py", wanted="compiled").returncode == 0
    assert python(small, "-c", SHOW, wanted="compiled").stdout.split()[:2] == ["compiled", "5"]


def test_a_source_that_does_not_compile_leaves_what_there_is(small: Path) -> None:
    (small / "router/counts.py").write_text("value: int = 'a word'\n")
    failed = python(small, "compiling.py")
    assert failed.returncode == 1
    assert "not compiled" in failed.stderr
    assert "router/counts.py:1: error" in failed.stderr
    possible = python(small, "compiling.py", "--if-possible")
    assert possible.returncode == 0
    assert "not compiled" in possible.stderr
    assert python(small, "-c", "import router.modules as m; print(m.running().modules)").stdout == "pure\n"


def test_who_wants_python_waits_for_no_compiler(small: Path) -> None:
    shutil.rmtree(small / "router/compiled")
    done = python(small, "compiling.py", "--if-possible", wanted="pure")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (small / "router/compiled").exists()


def test_without_a_compiler_a_line_says_what_that_costs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CC", "gcc-of-nobody")
    with pytest.raises(compiling.CannotCompileError, match="no C compiler"):
        compiling.compiler()


def test_the_digest_is_of_all_that_the_modules_import(built: Path) -> None:
    assert compiling.sources_of(("router.counts",), built) == (
        "router/counts.py",
        "router/facts.py",
        "router/inner/adds.py",
    )


def test_each_hot_module_has_a_source() -> None:
    modules = compiling.hot_modules()
    assert len(set(modules)) == len(modules) > 0
    assert [module for module in modules if compiling.file_of(module) is None] == []


@pytest.mark.parametrize(("hooks", "tag"), [("true", "linux_"), ("false", "none-any")])
def test_a_wheel_has_compiled_modules_where_that_is_asked_for(
    hooks: str, tag: str, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HATCH_BUILD_HOOKS_ENABLE", hooks)
    done = python(small, "-m", "hatchling", "build", "-t", "wheel")
    assert done.returncode == 0, done.stderr
    (wheel,) = (small / "dist").iterdir()
    assert tag in wheel.name
    place = small.parent / "installed"
    zipfile.ZipFile(wheel).extractall(place)
    shown = python(place, "-c", SHOW).stdout.split()
    assert shown[:2] == ["compiled" if hooks == "true" else "pure", "3"]
    assert all(file.startswith(str(place)) for file in shown[2:])
