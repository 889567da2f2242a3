"""GET /routes: the table as JSON."""

from __future__ import annotations

from dataclasses import asdict

from router.routing.explanation import response_as_dict
from router.table import Route, RouteTable


def routes_as_list(table: RouteTable) -> list[dict[str, object]]:
    """One entry for each route in the order in which they are asked, the last one takes everything.

    `source` is `file:line`, None for the last. `methods` is None for all; `first_byte` (seconds) and
    `max_body` (bytes) are None where those of the file hold; of `upstream`, `refusal`,
    `response` and `redirect` all but one are None.
    `upgrade` has the protocols that the route allows.
    """
    return [_route_as_dict(route) for route in table.routes]


def _route_as_dict(route: Route) -> dict[str, object]:
    return {
        "route": route.name,
        "source": str(route.source) if route.source else None,
        "pattern": route.pattern.text,
        "form": route.pattern.form.value,
        "methods": sorted(route.methods) if route.methods is not None else None,
        "query": {predicate.name: predicate.presence.value for predicate in route.query},
        "upstream": route.upstream,
        "refusal": asdict(route.refusal) if route.refusal else None,
        "response": response_as_dict(route.response) if route.response else None,
        "redirect": asdict(route.redirect) if route.redirect else None,
        "first_byte": route.first_byte,
        "max_body": route.max_body,
        "upgrade": list(route.upgrade),
    }
