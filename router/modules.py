"""Which hot modules run: compiled ones where they were built from these very sources, else pure Python.

`compiling.py` leaves extension modules in `router/compiled/`, where Python does not look by itself, and with
them a record of what they were built from. They are used all or none: compiled modules know the layout of
each other's objects, and the constants and types of what they import.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

PURE, COMPILED = "pure", "compiled"

VARIABLE = "ROUTER_MODULES"
"""Set to `pure` it runs Python's, set to `compiled` it refuses to run anything else."""

FOLDER = Path(__file__).parent / "compiled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What compiled modules were built from, and for what.

    `modules` are their dotted names, `sources` the files that had a say, relative to the folder above the
    package, `digest` is the SHA-256 of those, `suffix` what the files' names end in, which says for which
    Python they are, `tools` what built them.
    """

    modules: tuple[str, ...]
    sources: tuple[str, ...]
    digest: str
    suffix: str
    tools: str

    def place(self, folder: Path, module: str) -> Path:
        """The file of a module."""
        return folder.joinpath(*module.split(".")).with_name(module.rpartition(".")[2] + self.suffix)

    def write(self, folder: Path) -> None:
        """Into the folder of the modules, as the last file: a build that broke off has none."""
        (folder / "record.json").write_text(json.dumps(asdict(self), indent=1) + "\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What runs, and why; `places` are the files of compiled modules by their names."""

    modules: str
    reason: str
    places: Mapping[str, Path]


def this_suffix() -> str:
    """What the name of an extension module for this very Python ends in."""
    return EXTENSION_SUFFIXES[0]


def digest_of(root: Path, sources: Iterable[str]) -> str:
    """The SHA-256 of files with their names, in hexadecimal; OSError where one cannot be read."""
    digest = hashlib.sha256()
    for name in sources:
        content = (root / name).read_bytes()
        digest.update(b"%s %d\n" % (name.encode(), len(content)))
        digest.update(content)
    return digest.hexdigest()


def read_record(folder: Path = FOLDER) -> Record | None:
    """The record of the modules in a folder; None where none was written, or by another version of this."""
    try:
        fields = json.loads((folder / "record.json").read_bytes())
        return Record(
            modules=tuple(fields["modules"]),
            sources=tuple(fields["sources"]),
            digest=fields["digest"],
            suffix=fields["suffix"],
            tools=fields["tools"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def choose(wanted: str, folder: Path = FOLDER) -> Choice:
    """What can run of what is wanted: `pure`, `compiled` or nothing in particular.

    ImportError where that cannot be had, or is another word.
    """
    if wanted == PURE:
        return Choice(modules=PURE, reason=f"{VARIABLE} says so", places={})
    if wanted not in ("", COMPILED):
        raise ImportError(f"{VARIABLE}={wanted}: it is {PURE}, {COMPILED} or not set")
    record = read_record(folder)
    fault = _fault_of(record, folder)
    if record is not None and not fault:
        places = {module: record.place(folder, module) for module in record.modules}
        return Choice(modules=COMPILED, reason=record.tools, places=places)
    if wanted == COMPILED:
        raise ImportError(f"{VARIABLE}={COMPILED}: {fault}; `make compiled` builds them")
    return Choice(modules=PURE, reason=fault, places={})


def _fault_of(record: Record | None, folder: Path) -> str:
    if record is None:
        return "no compiled modules are built"
    if record.suffix != this_suffix():
        return (
            f"the compiled modules are for another Python ({record.suffix}, this one takes {this_suffix()})"
        )
    try:
        if digest_of(folder.parents[1], record.sources) == record.digest:
            return ""
    except OSError:
        pass  # a source that is gone is a source that has changed
    return "the compiled modules are built from other sources than these"


class CompiledFinder:
    """Finds the compiled file of a module, before Python finds its source."""

    def __init__(self, places: Mapping[str, Path]) -> None:
        self._places = places

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the interface is Python's
        target: ModuleType | None = None,  # noqa: ARG002 - the same
    ) -> ModuleSpec | None:
        """None for all modules that are not compiled."""
        place = self._places.get(fullname)
        if place is None:
            return None
        return spec_from_file_location(fullname, place, loader=ExtensionFileLoader(fullname, str(place)))


_CHOICES: list[Choice] = []


def use_compiled() -> None:
    """Lets imports find compiled modules where the environment allows it; ImportError as `choose`."""
    choice = choose(os.environ.get(VARIABLE, ""))
    _CHOICES.append(choice)
    if choice.places:
        sys.meta_path.insert(0, CompiledFinder(choice.places))


def running() -> Choice:
    """What this process runs."""
    return _CHOICES[0]
