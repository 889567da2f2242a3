"""nginx.conf as a tree of directives, includes followed, each with the file and line that it stands in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from router.errors import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """One directive: its name, its arguments with quotes and escapes undone, and what is in its braces.

    `block` is None for one that ends with a semicolon. `include` is no directive of the tree: what it names
    stands in its place. Within a `map`, a `geo` or a `types` each line is one whose name is its first word.
    """

    name: str
    args: tuple[str, ...]
    source: Source
    block: tuple[Directive, ...] | None = None

    def all(self, name: str) -> Iterator[Directive]:
        """Those of that name directly below this one."""
        return (each for each in self.block or () if each.name == name)

    def last(self, name: str) -> Directive | None:
        """The last of them."""
        found = tuple(self.all(name))
        return found[-1] if found else None
