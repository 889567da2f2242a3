"""Requests that the table sends to a process which, by Synapse's files, cannot serve them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import Enum

from router.config.agreement import Known
from router.config.findings import Findings, Related
from router.errors import ProxyError
from router.request import RequestHead
from router.routing.snapshot import Snapshot
from router.synapse.catalogue import Catalogue, CataloguedEndpoint
from router.synapse.coverage import paths
from router.synapse.deployment import MAIN
from router.table import Endpoint, Route

_RESOURCES = (
    ("/_matrix/client/v1/media/", frozenset({"client", "media"})),
    ("/_matrix/client/", frozenset({"client"})),
    ("/_synapse/client/", frozenset({"client"})),
    ("/_matrix/federation/v1/media/", frozenset({"federation", "media"})),
    ("/_matrix/federation/v1/openid/", frozenset({"federation", "openid"})),
    ("/_matrix/federation/", frozenset({"federation"})),
    ("/_matrix/key/", frozenset({"federation", "keys"})),
    ("/_matrix/media/", frozenset({"media"})),
)
"""Any of which resources makes Synapse mount what (synapse/app/generic_worker.py, _listen_http)."""

_OF_MAIN = (("/_matrix/media/", frozenset({"client", "federation", "media"})),)
"""Where main differs (synapse/app/homeserver.py, _configure_named_resource)."""

_MOST_NAMED = 3


class _Why(Enum):
    """Why a process cannot serve a request, as the code of the finding."""

    STREAM = "W211"
    MAIN = "W212"
    RESOURCE = "W213"


@dataclass(slots=True, kw_only=True)
class _Misled:
    """What one route sends to wrong processes, for one reason.

    `first` is a request that shows it at `endpoint`; `there` is what a listener has that lacks something.
    """

    why: _Why
    route: Route
    endpoint: Endpoint
    first: CataloguedEndpoint
    there: str = ""
    instances: dict[str, None] = field(default_factory=dict)
    targets: set[tuple[str, str]] = field(default_factory=set)


def judge_duties(snapshot: Snapshot, known: Known, catalogue: Catalogue, findings: Findings) -> None:
    """Adds a finding for each route and reason, with the processes and a request that shows it."""
    found: dict[tuple[str, str, str, _Why], _Misled] = {}
    for asked, kind in _spelled(catalogue):
        route, endpoints = _goes_to(snapshot, asked)
        for endpoint in endpoints:
            instance = known.instance_of(endpoint)
            why = _cannot(instance, endpoint, asked, known) if instance else None
            if route is None or instance is None or why is None:
                continue
            there = _resources(endpoint, instance, known) if why is _Why.RESOURCE else ""
            misled = found.setdefault(
                (str(route.source or route.name), asked.stream, there, why),
                _Misled(why=why, route=route, endpoint=endpoint, first=asked, there=there),
            )
            misled.instances[instance] = None
            misled.targets.add((asked.method, kind))
    for misled in found.values():
        _report(misled, known, findings)


def _spelled(catalogue: Catalogue) -> Iterator[tuple[CataloguedEndpoint, str]]:
    """Each endpoint by its own target, which names the kind, then in every other version and spelling.

    Not without an id: Synapse's patterns take that, no client sends it, and a table may leave it out.
    """
    for endpoint in catalogue.endpoints:
        yield endpoint, endpoint.target
        for path in paths(endpoint):
            if "//" not in path and not path.endswith("/"):
                yield dataclasses.replace(endpoint, target=path), endpoint.target


def _goes_to(snapshot: Snapshot, asked: CataloguedEndpoint) -> tuple[Route | None, tuple[Endpoint, ...]]:
    """The route that takes the request, and every endpoint that may be given it."""
    try:
        head = RequestHead(method=asked.method, target=asked.target.encode())
    except ProxyError:
        return None, ()
    if snapshot.guard.refuses(head) is not None:
        return None, ()
    target = snapshot.targets[snapshot.matcher.first(head)]
    if not isinstance(target, tuple):
        return None, ()
    route, upstream, _ = target
    return route, upstream.endpoints


def _cannot(instance: str, endpoint: Endpoint, asked: CataloguedEndpoint, known: Known) -> _Why | None:
    if not _serves(instance, asked, known):
        return _Why.STREAM if asked.stream else _Why.MAIN
    there = known.resources_of(endpoint, instance)
    if not there or "additional" in there:
        return None
    rules = (*_OF_MAIN, *_RESOURCES) if instance == MAIN else _RESOURCES
    needed = next((names for prefix, names in rules if asked.target.startswith(prefix)), there)
    return _Why.RESOURCE if there.isdisjoint(needed) else None


def _serves(instance: str, asked: CataloguedEndpoint, known: Known) -> bool:
    """Whether it can; true as well where that is not known, as of who the media repository is."""
    if asked.stream and "writer" in asked.served_by and instance in known.deployment.writers(asked.stream):
        return True
    if instance == MAIN:
        return "main" in asked.served_by or "writer" not in asked.served_by
    return asked.served_by.isdisjoint({"writer", "main"}) or bool(asked.served_by & {"worker", "media"})


def _resources(endpoint: Endpoint, instance: str, known: Known) -> str:
    return ", ".join(sorted(known.resources_of(endpoint, instance)))


def _named(instances: Collection[str]) -> str:
    """The first of them; a large deployment has dozens of workers, all wrong for one reason."""
    shown = ", ".join(f"`{name}`" for name in list(instances)[:_MOST_NAMED])
    return shown + (f" and {len(instances) - _MOST_NAMED} more" if len(instances) > _MOST_NAMED else "")


def _report(misled: _Misled, known: Known, findings: Findings) -> None:
    route, asked, to = misled.route, misled.first, _named(misled.instances)
    kinds = f" ({len(misled.targets)} kinds of request)" if len(misled.targets) > 1 else ""
    witness = f"{asked.method} {asked.target}  ->  {misled.endpoint.name} ({next(iter(misled.instances))})"
    if misled.why is _Why.RESOURCE:
        findings.add(
            "W213",
            f"`{route.name}` sends requests to {to}, whose listener has only {misled.there}{kinds}",
            route.source,
            witness=witness,
            fix="add the resource to the listener in Synapse's file, or send them to another process",
        )
    elif misled.why is _Why.STREAM:
        said = known.deployment.stream_writers.get(asked.stream)
        writers = ", ".join(sorted(known.deployment.writers(asked.stream)))
        findings.add(
            "W211",
            f"`{route.name}` sends writes of `{asked.stream}` to {to}{kinds}",
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
            f"`{route.name}` sends requests to {to} that only main can serve{kinds}",
            route.source,
            witness=witness,
            fix="send them to an upstream of main, by a route of their own before this one",
        )
