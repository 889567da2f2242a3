"""One of Synapse's YAML files, read as Synapse reads it, with the place of every value.

Synapse uses PyYAML's safe loader (synapse/config/_base.py, read_config_files): anchors, aliases and merge
keys count, `on` is true and `010` eight, and of two equal keys the last one wins.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from router.errors import ConfigError, Source

MAX_BYTES = 1024 * 1024
"""Ten times a homeserver.yaml with every comment of Synapse's sample."""

_TYPED = frozenset(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float"))
_QUOTED = re.compile(r"'([^']*)'")
"""What PyYAML quotes: of its own, `'-'` or `'}'`; of a file, what in these files can be a secret."""

Content = str | int | float | bool | tuple["Value", ...] | Mapping[str, "Value"] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A value as PyYAML types it, but for dates and unknown tags, which stay text.

    `source` is where it stands; what an alias stands for has the place of the anchor.
    """

    content: Content
    source: Source


class NotReadable(ConfigError):
    """The file cannot be read at all: whatever stands in it is unknown."""


def read(path: Path) -> Value | None:
    """The root of a file, None for an empty one; raises NotReadable, with a place where there is one."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            # Before it is opened: a named pipe would wait for its writer, for ever and without a word.
            raise NotReadable(f"{path} is not a regular file")
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except PermissionError as error:
        raise NotReadable(
            f"cannot read {path}: {error.strerror}",
            hint="let the user that the router runs as read it, for example through the group of the file",
        ) from error
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise NotReadable(f"cannot read {path}: {reason}", hint="write the path of Synapse's file") from error
    if len(content) > MAX_BYTES:
        raise NotReadable(f"{path} is larger than {MAX_BYTES} bytes", hint="name the file that Synapse reads")
    return parse(content, file=str(path))


def parse(content: bytes, *, file: str) -> Value | None:
    """The same for the bytes of a file."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        place = Source(file=file, line=content.count(b"\n", 0, error.start) + 1)
        raise NotReadable(
            f"byte 0x{content[error.start]:02x} is not UTF-8", source=place, hint="save the file as UTF-8"
        ) from error
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        return None if node is None else _Builder(file, loader).build(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = _QUOTED.sub(_without_words, error.problem or "the structure is broken")
        raise _not_yaml(problem, file, mark.line + 1 if mark else 1) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _not_yaml(f"U+{ord(text[error.position]):04X} is not allowed there", file, line) from error
    except (ValueError, OverflowError, LookupError) as error:
        # PyYAML does not say where a value stood that is not what its tag or its looks promise.
        raise _not_yaml("a value in it is not what it looks like", file, 1) from error
    except RecursionError as error:
        raise _not_yaml("it is nested too deep", file, 1) from error


def _without_words(quoted: re.Match[str]) -> str:
    return "'…'" if len(quoted[1]) > 2 else quoted[0]


def _not_yaml(problem: str, file: str, line: int) -> NotReadable:
    return NotReadable(
        f"the file is not YAML that Synapse could read: {problem}",
        source=Source(file=file, line=line),
        hint="correct the file",
    )


class _Builder:
    """Turns PyYAML's nodes of one file into values; a node that has many aliases is read once."""

    __slots__ = ("_built", "_file", "_loader", "_open")

    def __init__(self, file: str, loader: yaml.SafeLoader) -> None:
        self._file = file
        self._loader = loader
        self._built: dict[yaml.Node, Value] = {}
        self._open: set[yaml.Node] = set()

    def build(self, node: yaml.Node) -> Value:
        """The value of a node; raises NotReadable for one that stands within itself."""
        if node in self._built:
            return self._built[node]
        place = self._place(node)
        if node in self._open:
            raise NotReadable("an alias stands within its own anchor", source=place, hint="write it out")
        self._open.add(node)
        value = self._built[node] = Value(content=self._content(node), source=place)
        self._open.discard(node)
        return value

    def _content(self, node: yaml.Node) -> Content:
        if isinstance(node, yaml.SequenceNode):
            return tuple(self.build(item) for item in node.value)
        if isinstance(node, yaml.MappingNode):
            self._loader.flatten_mapping(node)
            pairs = [(key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)]
            return {str(key.value): self.build(value) for key, value in pairs}
        if node.tag in _TYPED:
            typed: str | int | float | bool | None = self._loader.construct_object(node)
            return typed
        return str(node.value)

    def _place(self, node: yaml.Node) -> Source:
        start, end = node.start_mark, node.end_mark
        length = end.column - start.column if end.line == start.line else 1
        return Source(file=self._file, line=start.line + 1, column=start.column + 1, length=max(length, 1))
