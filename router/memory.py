"""Bounded memories: what is found again quickly is kept in a dictionary, and a full one is emptied."""

from __future__ import annotations

from typing import TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def remember(memory: dict[_Key, _Value], key: _Key, value: _Value, most: int) -> _Value:
    """Keeps the value, beside fewer than `most` others, and gives it back.

    Emptied and not thinned out: whatever is still asked for is in it again after one look, and a look that
    finds something then costs no bookkeeping.
    """
    if len(memory) >= most:
        memory.clear()
    memory[key] = value
    return value
