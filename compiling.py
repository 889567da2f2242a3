"""Compiles the hot modules with mypyc into `router/compiled/`, where the router looks for them.

Where they are current, nothing is done. With `--if-possible`, for `make setup`, a word says that there is no
C compiler or that it failed, and the router runs as Python.
"""

from __future__ import annotations

import argparse
import ast
import fcntl
import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Who insists on compiled modules could not import what makes them.
WANTED = os.environ.pop("ROUTER_MODULES", "")

from router.modules import (  # noqa: E402 - see above
    FOLDER,
    PURE,
    VARIABLE,
    Record,
    choose,
    digest_of,
    read_record,
    this_suffix,
)

ROOT = Path(__file__).parent

GROUP = "router"
"""Names the one library with the code of all modules, `router__mypyc`; a module's own file points into it."""

OPTIMISATION = "3"

COST = "the router runs as pure Python, at about one and a half times the CPU per request"


class CannotCompileError(Exception):
    """Says what is missing, or what the compiler said."""


def hot_modules(root: Path = ROOT) -> tuple[str, ...]:
    """The list in pyproject.toml."""
    with (root / "pyproject.toml").open("rb") as file:
        return tuple(tomllib.load(file)["tool"]["router"]["compiled"])


def file_of(module: str, root: Path = ROOT) -> Path | None:
    """The source of a module of the package, None where there is none: a name may be a function's."""
    path = root.joinpath(*module.split("."))
    return next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None)


def imported(source: Path) -> Iterator[str]:
    """Names of the package that a file imports, which may be modules or what is in them."""
    for node in ast.walk(ast.parse(source.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def sources_of(modules: Iterable[str], root: Path = ROOT) -> tuple[str, ...]:
    """The files of modules and of all of the package that they import: types and constants are theirs."""
    found: set[Path] = set()
    todo = list(modules)
    while todo:
        name = todo.pop()
        path = file_of(name, root) if name.split(".")[0] == GROUP else None
        if path is not None and path not in found:
            found.add(path)
            todo += imported(path)
    return tuple(sorted(str(path.relative_to(root)) for path in found))


def tools() -> str:
    """What compiles, and how."""
    return f"mypyc {importlib.metadata.version('mypy')}, -O{OPTIMISATION}"


def is_current(modules: tuple[str, ...]) -> bool:
    """Whether what is built is what would be built."""
    record = read_record()
    if record is None or record.tools != tools() or set(record.modules) != {*modules, f"{GROUP}__mypyc"}:
        return False
    return choose("").modules != PURE


def compiler() -> str:
    """The C compiler; CannotCompileError where it or Python's headers are missing."""
    candidates = (os.environ.get("CC"), sysconfig.get_config_var("CC"), "cc", "gcc", "clang")
    found = next((each for each in candidates if each and shutil.which(each.split()[0])), None)
    if found is None:
        raise CannotCompileError("there is no C compiler (on Debian: apt install gcc libc6-dev)")
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.is_file():
        raise CannotCompileError(f"there is no {header} (on Debian: apt install python3-dev)")
    return found


def compile_modules(modules: tuple[str, ...], folder: Path) -> None:
    """Leaves the modules and their record in a folder; CannotCompileError with what the compiler said."""
    sources = sources_of(modules)
    record = Record(
        modules=(*modules, f"{GROUP}__mypyc"),
        sources=sources,
        digest=digest_of(ROOT, sources),
        suffix=this_suffix(),
        tools=tools(),
    )
    with tempfile.TemporaryDirectory(prefix="router-compiling-") as scratch:
        done = subprocess.run(
            [sys.executable, __file__, "--into", f"{scratch}/modules", "--scratch", f"{scratch}/c"],
            cwd=ROOT,
            env={**os.environ, "CC": compiler(), VARIABLE: PURE},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            raise CannotCompileError(f"it does not compile:\n{done.stdout}")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(f"{scratch}/modules", folder)
    record.write(folder)


def run_mypyc(modules: tuple[str, ...], *, into: str, scratch: str) -> None:
    """Makes C of the modules, and extension modules of that, in this process and the compiler's."""
    # Imported here, since both take longer than all the rest where nothing is to be compiled.
    from mypyc.build import mypycify  # noqa: PLC0415
    from setuptools import Distribution  # noqa: PLC0415
    from setuptools.command.build_ext import build_ext  # noqa: PLC0415

    paths = [str(path.relative_to(ROOT)) for path in map(file_of, modules) if path is not None]
    extensions = mypycify(
        ["--cache-dir", f"{scratch}/cache", *paths],
        opt_level=OPTIMISATION,
        debug_level="0",
        group_name=GROUP,
        target_dir=scratch,
    )
    for extension in extensions:
        # A warning of a compiler that nobody tried is no reason to run slowly.
        extension.extra_compile_args = [*extension.extra_compile_args, "-Wno-error"]
    command = build_ext(Distribution({"name": GROUP, "ext_modules": extensions}))
    command.build_lib, command.build_temp, command.parallel = into, f"{scratch}/objects", os.cpu_count()
    command.ensure_finalized()
    command.run()


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two doors of the Makefile may be opened at once."""
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def build() -> None:
    """Compiles what is not current; CannotCompileError."""
    modules = hot_modules()
    with one_at_a_time():
        if is_current(modules):
            return
        compiler()
        print(f"compiling {len(modules)} modules, once for these sources", flush=True)
        began = time.monotonic()
        compile_modules(modules, FOLDER)
        print(f"compiled in {time.monotonic() - began:.0f} s", flush=True)


def main() -> int:
    """1 where it cannot be compiled, but for `--if-possible`."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--if-possible", action="store_true", help="exit 0 and say in a line what is missing")
    parser.add_argument("--into", help=argparse.SUPPRESS)
    parser.add_argument("--scratch", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.into:
        run_mypyc(hot_modules(), into=arguments.into, scratch=arguments.scratch)
        return 0
    if arguments.if_possible and WANTED == PURE:
        return 0
    try:
        build()
    except CannotCompileError as error:
        print(f"not compiled, {COST}: {error}", file=sys.stderr)
        return 0 if arguments.if_possible else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
