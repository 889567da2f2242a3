"""Findings on a whole table: what loads, and still will not do what was meant."""

from __future__ import annotations

import re
import time

from router.config.actions import judge_redirects
from router.config.agreement import Known, judge_endpoints
from router.config.automaton import Undecided, find_path
from router.config.codes import Severity
from router.config.duties import judge_duties
from router.config.findings import Finding, Findings, Related
from router.config.hostile import SLOW, Clock, slowest
from router.config.loader import Loaded
from router.config.proxies import judge_clients
from router.config.regex import NotRead, parse
from router.config.samples import is_anchored
from router.config.shadow import Fate, Shadows, Verdict, takes_everything
from router.errors import ConfigError
from router.guard import CLOSED_PREFIXES, NEVER_OPEN
from router.request import RequestHead
from router.routing.matcher import Matcher
from router.routing.snapshot import Snapshot
from router.settings import Settings
from router.synapse.catalogue import shipped
from router.table import UNMATCHED, PathForm, Route

MOST_RELATED = 3
MOST_SHOWN = 100

_QUESTION_MARK = re.compile(r"(?<!\\)(?:\\\\)*(?:\\\?|\[\?\])([A-Za-z0-9_]*)")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")


def lint(loaded: Loaded, *, clock: Clock = time.perf_counter) -> tuple[Finding, ...]:
    """The findings on the routes that could be read, in the file's order."""
    findings = Findings()
    _against_synapse(loaded, findings)
    judge_clients(loaded.settings, loaded.document.root, findings)
    routes = loaded.routes
    judge_redirects(routes, loaded.settings, findings)
    end = _behind_everything(routes, findings)
    possible = [index for index, route in enumerate(routes[:end]) if _alone(route, loaded.settings, findings)]
    try:
        matcher = Matcher((*routes, UNMATCHED))
    except ConfigError:
        return findings.sorted(loaded.document.file)  # the loader has said so
    shadows = Shadows(routes, matcher)
    for index in possible:
        _shadowed(routes[index], shadows.verdict(index), findings)
    _slow(loaded, matcher, clock, findings)
    return findings.sorted(loaded.document.file)


def _against_synapse(loaded: Loaded, findings: Findings) -> None:
    """Where the table contradicts Synapse's own files; a closed listener has been found while loading."""
    if loaded.deployment is None or loaded.deployment.problems:
        return  # what the table means may stand where nothing could be read
    known = Known(loaded.deployment)
    exposed = {one.source for one in loaded.findings if one.code == "H301"}
    endpoints = [each for upstream in loaded.upstreams.values() for each in upstream.endpoints]
    judge_endpoints([each for each in endpoints if each.source not in exposed], known, findings)
    if loaded.config is not None:
        snapshot = Snapshot.build(loaded.config.table, loaded.settings.guard)
        judge_duties(snapshot, known, shipped(), findings)


def _behind_everything(routes: tuple[Route, ...], findings: Findings) -> int:
    """How many routes there are up to the first that takes everything; the others have a finding."""
    for index, route in enumerate(routes):
        if index + 1 < len(routes) and takes_everything(route):
            behind = [each for each in routes[index + 1 :] if each.source]
            related = tuple(
                Related(source=each.source, note=f"`{each.name}` never gets a request")
                for each in behind[:MOST_RELATED]
                if each.source
            )
            findings.add(
                "R113",
                f"`{route.name}` takes every request, and is not the last route",
                route.source,
                related=related,
                fix="move it to the end",
                witness=f"GET {_example(routes[index + 1]) or '/'}  ->  {_goes_to(route)}",
            )
            return index + 1
    return len(routes)


def _example(route: Route) -> str:
    try:
        path = find_path([route.pattern.text], [], PathForm.RAW)
    except (NotRead, Undecided):
        return ""
    return path.decode("ascii") if path else ""


def _alone(route: Route, settings: Settings, findings: Findings) -> bool:
    """Findings on one route by itself; false where it is no use to ask whether others shadow it."""
    text, form = route.pattern.text, route.pattern.form
    try:
        tree = parse(text)
        if find_path([text], [], form) is None:
            _impossible(route, findings)
            return False
        if not is_anchored(tree) and find_path([], [text], form) is not None:
            findings.add(
                "R112",
                f"the pattern of `{route.name}` is not anchored",
                route.source,
                label="also matches in the middle of a path",
                fix="write `^` before it" + (", and put the alternatives into `(…)`" if "|" in text else ""),
            )
        closed = sorted(
            prefix
            for prefix in CLOSED_PREFIXES
            if prefix == NEVER_OPEN or prefix not in settings.guard.open_prefixes
        )
        if find_path([text], [f"^{re.escape(prefix)}(/|$)" for prefix in closed], form) is None:
            _closed(route, text, form, closed, findings)
            return False
    except (NotRead, Undecided):
        return True
    if form is PathForm.NORMALISED and _ESCAPE.search(text):
        escape = _ESCAPE.search(text)
        assert escape  # noqa: S101 - it was just found
        findings.add(
            "R115",
            f"`{escape[0]}` is decoded in a normalised path",
            route.source,
            severity=Severity.WARNING,
            fix=f"write the character itself, or `match: raw`; this one matches `%25{escape[0][1:]}`",
        )
    return True


def _impossible(route: Route, findings: Findings) -> None:
    text, form = route.pattern.text, route.pattern.form
    other = PathForm.NORMALISED if form is PathForm.RAW else PathForm.RAW
    why = ""
    fix = "write it as the path stands on a request line: it begins with `/`"
    question_mark = _QUESTION_MARK.search(text)
    if question_mark and form is PathForm.RAW:
        why = "what follows the `?` of a target is its query, and patterns are matched against the path alone"
        fix = f"end the pattern before the `?`, and write `query: {{{question_mark[1] or 'NAME'}: present}}`"
    elif find_path([text], [], other) is not None:
        fix = f"write `match: {other.value}` for this route, or the path as it is in a {form.value} one"
    message = f"no {form.value} path matches the pattern of `{route.name}`"
    findings.add("R115", message, route.source, why=why, fix=fix)


def _closed(route: Route, text: str, form: PathForm, closed: list[str], findings: Findings) -> None:
    prefix = next(
        (each for each in closed if find_path([text], [f"^{re.escape(each)}(/|$)"], form) is None), "these"
    )
    openable = prefix not in (NEVER_OPEN, "these")
    findings.add(
        "R116",
        f"the guard closes {prefix}, which is all that `{route.name}` is for",
        route.source,
        fix=f"open it with `guard: {{open: [{prefix}]}}`, or remove the route"
        if openable
        else "remove the route: replication is never opened",
    )


def _shadowed(route: Route, verdict: Verdict, findings: Findings) -> None:
    winners, request = verdict.winners, verdict.request
    if verdict.fate not in (Fate.SHADOWED, Fate.SUSPECTED) or request is None:
        return
    proven = verdict.fate is Fate.SHADOWED
    who = f"`{winners[0].name}` takes" if verdict.alone else "earlier routes take"
    if proven:
        message = f"`{route.name}` can never win: {who} every request that it matches"
    else:
        message = f"`{route.name}` seems never to win: {who} every request that was tried"
    harmless = all(_same_end(route, winner) for winner in winners)
    findings.add(
        "R110" if proven else "R111",
        message,
        route.source,
        related=tuple(
            Related(source=winner.source, note=f"`{winner.name}`")
            for winner in winners[:MOST_RELATED]
            if winner.source
        ),
        witness=f"{request.method} {_shown(request)}  ->  {_goes_to(winners[0])}",
        fix="remove it: the earlier route goes to the same place"
        if harmless
        else f"move it before `{winners[0].name}`, or remove it",
        severity=Severity.WARNING if harmless or not proven else Severity.ERROR,
    )


def _same_end(one: Route, other: Route) -> bool:
    return (one.upstream, one.answer, one.first_byte, one.max_body, one.upgrade) == (
        other.upstream,
        other.answer,
        other.first_byte,
        other.max_body,
        other.upgrade,
    )


def _goes_to(route: Route) -> str:
    return route.upstream or f"{'refused' if route.refusal else 'answered'} by `{route.name}`"


def _shown(request: RequestHead) -> str:
    target = request.target.decode("ascii")
    return target if len(target) <= MOST_SHOWN else target[: MOST_SHOWN - 1] + "…"


def _slow(loaded: Loaded, matcher: Matcher, clock: Clock, findings: Findings) -> None:
    length = min(loaded.settings.limits.request_line, 65_536) - len("GET  HTTP/1.1\r\n")
    found = slowest(loaded.routes, matcher, length=max(length, 1), clock=clock)
    if found is None or found.seconds <= SLOW:
        return
    shown = found.path[:40].decode("ascii")
    findings.add(
        "R117",
        f"a path of {len(found.path)} bytes takes {found.seconds * 1000:.1f} ms to match",
        found.route.source,
        witness=f"GET {shown}…  ({len(found.path)} bytes)",
        fix="write `[^/]+` in place of `.*`, anchor patterns with `^`, or lower `limits.request_line`",
    )
