"""An nginx.conf as a `Config` that decides alike, with a finding for whatever cannot be carried over."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from router.answers import Redirect
from router.config.automaton import Undecided, find_path
from router.config.codes import Severity
from router.config.findings import Finding, Findings
from router.config.regex import NotRead
from router.config.upstreams import is_name
from router.errors import ConfigError, Source
from router.guard import WAY_OUT, Guard
from router.nginx.actions import Action, Actions
from router.nginx.directives import Directive
from router.nginx.known import unknown_directives
from router.nginx.locations import PATH, find_locations
from router.nginx.pcre import NotCarried
from router.nginx.reading import read
from router.nginx.servers import Listen, choose_server, listeners, listens
from router.nginx.upstreams import read_upstream
from router.nginx.values import Values
from router.settings import Config, Limits, Settings, Timeouts
from router.table import Condition, PathForm, Pattern, Route, RouteTable, Upstream

Place = tuple[Directive, list[Listen]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of a file.

    `config` is None where the file cannot be read at all. `findings` are in the order in which they were
    met; those of severity error are requests that would be decided otherwise than nginx decides them.
    """

    config: Config | None
    findings: tuple[Finding, ...]

    @property
    def unresolved(self) -> tuple[str, ...]:
        """The errors as lines, each with its place."""
        return tuple(
            f"{each.source}: {each.message}" for each in self.findings if each.severity is Severity.ERROR
        )


def import_nginx(file: str | Path, *, server: str | None = None) -> Imported:
    """Reads a file and its includes; raises nothing, whatever is in it.

    `server` limits it to the servers of that name.
    """
    findings = Findings()
    top = read(Path(file), findings)
    if top is None:
        return Imported(config=None, findings=tuple(findings))
    http = next((each for each in top if each.name == "http"), None)
    block = http or Directive(name="http", args=(), source=Source(file=str(file), line=1), block=top)
    config = _Import(block, findings, server).config(str(file))
    return Imported(config=config, findings=tuple(dict.fromkeys(findings)))


class _Import:
    """One http block on its way to a table."""

    def __init__(self, http: Directive, findings: Findings, server: str | None) -> None:
        self._http = http
        self._findings = findings
        self._values = Values({each.args[1].removeprefix("$"): each for each in http.all("map")})
        self._upstreams = {each.name: each for each in self._read_upstreams()}
        self._places: list[Place] = [
            (each, listens(each, findings))
            for each in http.all("server")
            if server is None or any(server in names.args for names in each.all("server_name"))
        ]
        self._names: dict[str, int] = {}

    def _read_upstreams(self) -> Iterator[Upstream]:
        for each in self._http.all("upstream"):
            upstream = read_upstream(each, self._findings, self._values.key)
            if upstream is not None:
                if not is_name(upstream.name):
                    upstream = replace(upstream, name=re.sub(r"[^A-Za-z0-9_.-]", "-", upstream.name)[:64])
                yield upstream

    def config(self, file: str) -> Config | None:
        """The whole of it."""
        findings = self._findings
        if not self._places:
            findings.add("N404", "there is no `server` to import", self._http.source, fix="name another file")
            return None
        unknown_directives(self._http, findings)
        served, redirecting = self._redirecting()
        routes = tuple(self._routes(served))
        settings = Settings(
            listen=tuple(
                replace(each, redirect=redirecting.get(str(each.address)))
                for each in listeners(self._places, findings)
            )
        )
        settings, routes = _levelled(settings, routes)
        used = {route.upstream for route in routes}
        upstreams = {name: each for name, each in self._upstreams.items() if name in used}
        self._judge(upstreams, settings)
        try:
            return Config(table=RouteTable(routes=routes, upstreams=upstreams), settings=settings, file=file)
        except ConfigError as error:
            findings.add("N404", error.message, error.source, fix=error.hint)
            return None

    def _redirecting(self) -> tuple[list[Place], dict[str, Redirect]]:
        """Servers that send every request elsewhere and have their ports to themselves: listeners do that."""
        served: list[Place] = []
        redirecting: dict[str, Redirect] = {}
        actions = Actions(self._values, self._upstreams, self._findings)
        for server, listened in self._places:
            ports = {each.port for each in listened}
            alone = not any(
                each.port in ports for other, others in self._places if other is not server for each in others
            )
            redirect = actions.redirect_of(server) if alone and len(self._places) > 1 else None
            if redirect is None:
                served.append((server, listened))
            else:
                redirecting.update({str(each.address): redirect for each in listened})
        return served, redirecting

    def _routes(self, places: Sequence[Place]) -> Iterator[Route]:
        try:
            chosen = choose_server(places)
        except NotCarried as error:
            self._lost(str(error), places[0][0])
            return
        for conditions, server in chosen:
            actions = Actions(self._values, self._upstreams, self._findings)
            try:
                found = find_locations(server)
            except NotCarried as error:
                self._lost(f"a location is not carried over: {error}", server)
                continue
            for taken, location in found:
                for action in actions.of(location):
                    route = self._route((*conditions, *taken, *action.conditions), action)
                    if route is not None:
                        yield route

    def _lost(self, message: str, directive: Directive) -> None:
        self._findings.add("N404", message, directive.source, fix="write its routes by hand")

    def _route(self, conditions: tuple[Condition, ...], action: Action) -> Route | None:
        """One line of the table; None where no request can be so."""
        unique = tuple(dict.fromkeys(conditions))
        others = tuple(each for each in unique if each.kind != PATH or each.negated)
        paths = _needed(tuple(each.pattern for each in unique if each not in others))
        if paths is None:
            return None
        pattern, *more = paths or ["^"]
        base = action.upstream or "answered"
        line = action.place.source.line
        name = f"{base[:50]}-{line}"
        count = self._names[name] = self._names.get(name, 0) + 1
        return Route(
            name=name if count == 1 else f"{name}-{count}",
            pattern=Pattern(text=pattern, form=PathForm.NORMALISED),
            conditions=(*(Condition(kind=PATH, pattern=each) for each in more), *others),
            upstream=action.upstream,
            refusal=action.refusal,
            response=action.response,
            redirect=action.redirect,
            first_byte=action.first_byte,
            max_body=action.max_body,
            upgrade=action.upgrade,
            source=action.place.source,
        )

    def _judge(self, upstreams: dict[str, Upstream], settings: Settings) -> None:
        guard = Guard(settings.guard)
        for endpoint in (each for upstream in upstreams.values() for each in upstream.endpoints):
            exposed = guard.judge(endpoint.address)
            if exposed is not None:
                message = f"the endpoint {endpoint.name} {exposed}"
                self._findings.add("H301", message, endpoint.source, fix=WAY_OUT)


@lru_cache(maxsize=65536)
def _needed(patterns: tuple[str, ...]) -> list[str] | None:
    """The patterns that others do not imply, the last ones first; None where no path can have all."""
    left = list(dict.fromkeys(reversed(patterns)))
    try:
        if len(left) > 1 and find_path(left, [], PathForm.NORMALISED) is None:
            return None
    except (NotRead, Undecided):
        pass
    for each in tuple(left):
        if any(other != each and _implies(other, each) for other in left):
            left.remove(each)
    return left


@lru_cache(maxsize=65536)
def _implies(one: str, other: str) -> bool:
    try:
        return find_path([one], [other], PathForm.NORMALISED) is None
    except (NotRead, Undecided):
        return False


def _levelled(settings: Settings, routes: tuple[Route, ...]) -> tuple[Settings, tuple[Route, ...]]:
    """Limits that all routes share are the file's."""
    forwarded = [each for each in routes if each.upstream is not None]
    times = {each.first_byte for each in forwarded}
    bodies = {each.max_body for each in forwarded}
    if len(times) == 1 and None not in times:
        (first_byte,) = times
        settings = replace(settings, timeouts=replace(Timeouts(), first_byte=first_byte or 60.0))
        routes = tuple(replace(each, first_byte=None) for each in routes)
    if len(bodies) == 1 and None not in bodies:
        (most,) = bodies
        limits = replace(Limits(), body=most or 0, media_body=most or 0)
        settings = replace(settings, limits=limits)
        routes = tuple(replace(each, max_body=None) for each in routes)
    return settings, routes
