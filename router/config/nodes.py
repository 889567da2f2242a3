"""The nodes of a YAML file: words, lists and mappings, each with its place; nothing is typed yet."""

from __future__ import annotations

from dataclasses import dataclass

from router.errors import Source

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A word, quoted or not; `verbatim` is the column at which its text stands in the file as it is."""

    text: str
    source: Source
    quoted: bool = False
    verbatim: int | None = None

    @property
    def is_null(self) -> bool:
        """Whether nothing was written, or `~` or `null`."""
        return not self.quoted and self.text in _NULLS

    def part(self, start: int, length: int) -> Source:
        """The place of a part of the text, or of the whole where quoting hides the part."""
        if self.verbatim is None or length < 1:
            return self.source
        return Source(
            file=self.source.file, line=self.source.line, column=self.verbatim + start, length=length
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """A list."""

    items: tuple[Node, ...]
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A key and its value."""

    key: Scalar
    value: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """Keys and values in the order of the file; no key stands in it twice."""

    entries: tuple[Entry, ...]
    source: Source


Node = Scalar | Items | Mapping
