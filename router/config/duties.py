"""Requests that the table sends to a process which, by Synapse's files, cannot serve them."""

from __future__ import annotations

from dataclasses import dataclass, field

from router.config.agreement import Known
from router.config.findings import Findings, Related
from router.errors import ProxyError
from router.request import RequestHead
from router.routing.snapshot import Snapshot
from router.synapse.catalogue import Catalogue, CataloguedEndpoint
from router.synapse.deployment import MAIN
from router.table import Endpoint, Refusal, Route


@dataclass(slots=True, kw_only=True)
class _Misled:
    """What one route sends to one wrong process, for one reason; `first` is a request that shows it."""

    route: Route
    endpoint: Endpoint
    instance: str
    first: CataloguedEndpoint
    targets: set[tuple[str, str]] = field(default_factory=set)


def judge_duties(snapshot: Snapshot, known: Known, catalogue: Catalogue, findings: Findings) -> None:
    """Adds a finding for each route and process, with a request that shows it."""
    found: dict[tuple[str, str, str], _Misled] = {}
    for asked in catalogue.endpoints:
        route, endpoints = _goes_to(snapshot, asked)
        for endpoint in endpoints:
            instance = known.instance_of(endpoint)
            if route is None or instance is None or _serves(instance, asked, known):
                continue
            misled = found.setdefault(
                (str(route.source or route.name), asked.stream, instance),
                _Misled(route=route, endpoint=endpoint, instance=instance, first=asked),
            )
            misled.targets.add((asked.method, asked.target))
    for misled in found.values():
        _report(misled, known, findings)


def _goes_to(snapshot: Snapshot, asked: CataloguedEndpoint) -> tuple[Route | None, tuple[Endpoint, ...]]:
    """The route that takes the request, and every endpoint that may be given it."""
    try:
        head = RequestHead(method=asked.method, target=asked.target.encode())
    except ProxyError:
        return None, ()
    if snapshot.guard.refuses(head) is not None:
        return None, ()
    target = snapshot.targets[snapshot.matcher.first(head)]
    if isinstance(target, Refusal):
        return None, ()
    route, upstream, _ = target
    return route, upstream.endpoints


def _serves(instance: str, asked: CataloguedEndpoint, known: Known) -> bool:
    """Whether it can; true as well where that is not known, as of who the media repository is."""
    if asked.stream and "writer" in asked.served_by and instance in known.deployment.writers(asked.stream):
        return True
    if instance == MAIN:
        return "main" in asked.served_by or "writer" not in asked.served_by
    return asked.served_by.isdisjoint({"writer", "main"}) or bool(asked.served_by & {"worker", "media"})


def _report(misled: _Misled, known: Known, findings: Findings) -> None:
    route, instance, asked = misled.route, misled.instance, misled.first
    more = len(misled.targets) - 1
    others = f" and {more} more" if more else ""
    witness = f"{asked.method} {asked.target}{others}  ->  {misled.endpoint.name} ({instance})"
    if asked.stream:
        said = known.deployment.stream_writers.get(asked.stream)
        writers = ", ".join(sorted(known.deployment.writers(asked.stream)))
        findings.add(
            "W211",
            f"`{route.name}` sends writes of `{asked.stream}` to `{instance}`",
            route.source,
            related=(Related(source=said.source, note=f"`{asked.stream}` is written by {writers}"),)
            if said
            else (),
            witness=witness,
            fix=f"send them to an upstream of {writers} alone, by a route of their own before this one",
        )
    else:
        findings.add(
            "W212",
            f"`{route.name}` sends requests to `{instance}` that only main can serve",
            route.source,
            witness=witness,
            fix="send them to an upstream of main, by a route of their own before this one",
        )
