"""The single calls that are timed and counted, each made only where it is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

Call = Callable[[], object]
Item = TypeVar("Item")


class Case(NamedTuple):
    """`make` prepares a call that does the named thing `number` times."""

    name: str
    make: Callable[[], Call]
    number: int = 1


def each_of(call: Callable[[Item], object], items: Sequence[Item]) -> Call:
    """One call for all of the items, in their order."""
    if len(items) == 1:
        (item,) = items
        return lambda: call(item)

    def all_of_them() -> None:
        for item in items:
            call(item)

    return all_of_them
