"""Conditions of a route: whether a fact of a request is what the route asks for."""

from __future__ import annotations

from collections.abc import Callable

from router.request import RequestHead
from router.routing.key import fact
from router.routing.pattern import compile_alone
from router.table import Condition

Holds = Callable[[RequestHead], bool]
"""Whether the condition holds for a request."""


def condition_of(condition: Condition) -> Holds:
    """The condition, ready to be asked; raises InvalidPattern for what RE2 does not take."""
    read = fact(condition.kind, condition.name)
    search = compile_alone(condition.pattern)
    if condition.negated:
        return lambda head: search(read(head)) is None
    return lambda head: search(read(head)) is not None
