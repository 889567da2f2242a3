"""The slow way through the table, which is the specification: route after route, and why not that one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from router.request import RequestHead
from router.routing.condition import condition_of
from router.routing.pattern import compile_alone
from router.routing.query import find_parameter
from router.table import UNMATCHED, PathForm, Presence, QueryPredicate, Route


class Verdict(Enum):
    """What became of one route."""

    TAKEN = "taken"
    PATH = "path"
    """Passed over: the pattern is not found."""

    METHOD = "method"
    """Passed over: the path matches, the method is another."""

    QUERY = "query"
    """Passed over: path and method match, a query predicate does not hold."""

    CONDITION = "condition"
    """Passed over: path, method and query match, a condition does not hold."""

    LATER = "later"
    """Would take the request too, but an earlier one has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One route looked at. `detail` says why, for a person."""

    route: Route
    verdict: Verdict
    detail: str


def trace(routes: Sequence[Route], head: RequestHead) -> tuple[Step, ...]:
    """A step for every route in order, each pattern compiled alone.

    The last one of a table, which takes everything, is a step only where it is the one taken. Raises
    InvalidPattern.
    """
    steps = []
    taken = False
    for route in routes:
        verdict, detail = _judge(route, head)
        if verdict is Verdict.TAKEN and taken:
            if route is UNMATCHED:
                continue
            verdict, detail = Verdict.LATER, "would match too, comes later"
        elif route is UNMATCHED:
            detail = "no route takes it"
        taken = taken or verdict is Verdict.TAKEN
        steps.append(Step(route=route, verdict=verdict, detail=detail))
    return tuple(steps)


def _judge(route: Route, head: RequestHead) -> tuple[Verdict, str]:
    pattern = route.pattern
    of_form = " in the normalised path" if pattern.form is PathForm.NORMALISED else ""
    path = head.normalised if of_form else head.path
    if compile_alone(pattern.text, route.source)(path) is None:
        return Verdict.PATH, f"path: needs {pattern.text}{of_form}"
    if not route.takes_method(head.method):
        wanted = ", ".join(sorted(route.methods or ()))
        return Verdict.METHOD, f"path matches; passed over: {head.method} is not among {wanted}"
    for predicate in route.query:
        if not _holds(predicate, head):
            found = "absent" if predicate.presence is Presence.PRESENT else "present"
            return Verdict.QUERY, f"path matches; passed over: `{predicate.name}` is {found}"
    for condition in route.conditions:
        if not condition_of(condition)(head):
            return Verdict.CONDITION, f"path matches; passed over: needs {condition}"
    return Verdict.TAKEN, f"matched {pattern.text}{of_form}"


def _holds(predicate: QueryPredicate, head: RequestHead) -> bool:
    present = find_parameter(head.query, predicate.name.encode()) is not None
    return present is (predicate.presence is Presence.PRESENT)
