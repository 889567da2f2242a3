"""What becomes of a request in one `location`: forwarded, answered, redirected, or lost to the import."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from router.answers import Redirect, Response
from router.config.findings import Findings
from router.errors import Source
from router.nginx.answers import NOT_FOUND, returned, static_json
from router.nginx.directives import Directive
from router.nginx.locations import Location
from router.nginx.pcre import NotCarried
from router.nginx.upstreams import address_of, seconds, size
from router.nginx.values import Values
from router.table import ClientTls, Condition, Endpoint, Refusal, Upstream

NGINX_READ_TIMEOUT = 60.0
"""`proxy_read_timeout` in seconds where nothing is said."""

NGINX_BODY = 1 << 20
"""`client_max_body_size` in bytes where nothing is said."""

_PASS = re.compile(r"(https?)://((?:unix:[^:]+:?)|[^/]*?)(/.*|\$request_uri.*|\$uri.*)?\Z", re.DOTALL)
_DECODED = re.compile(r"/?\$(?:uri|document_uri)(?:\$is_args\$args|\?\$args)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What becomes of requests under further conditions: exactly one of the first four is set."""

    upstream: str | None = None
    refusal: Refusal | None = None
    response: Response | None = None
    redirect: Redirect | None = None
    conditions: tuple[Condition, ...] = ()
    first_byte: float | None = None
    max_body: int | None = None
    upgrade: tuple[str, ...] = ()
    place: Directive


class Actions:
    """Reads locations; adds to `upstreams` those that a `proxy_pass` names by their address alone."""

    def __init__(self, values: Values, upstreams: dict[str, Upstream], findings: Findings) -> None:
        self._values = values
        self._upstreams = upstreams
        self._findings = findings

    def redirect_of(self, server: Directive) -> Redirect | None:
        """Where a server sends every request, if it does nothing else."""
        location = Location(directive=server)
        place = server.last("return")
        inner = list(server.all("location"))
        if place is None and len(inner) == 1 and inner[0].args == ("/",):
            place, location = inner[0].last("return"), Location(directive=inner[0], outer=(server,))
        elif inner:
            return None
        try:
            answer = returned(place, location) if place is not None else None
        except NotCarried:
            return None
        return answer if isinstance(answer, Redirect) else None

    def of(self, location: Location) -> Iterator[Action]:
        """The cases of one location, in order, the last without conditions; lost ones are findings."""
        try:
            yield from self._read(location)
        except NotCarried as error:
            place = location.directive
            what = " ".join((place.name, *place.args))
            self._findings.add(
                "N404", f"`{what}` is not carried over: {error}", place.source, fix="write its routes by hand"
            )
            yield Action(refusal=Refusal(status=503, errcode="M_UNKNOWN", error="Not imported"), place=place)

    def _read(self, location: Location) -> Iterator[Action]:
        directive = location.directive
        blocks = (*location.outer, directive)
        server = next((each for each in blocks if each.name == "server"), directive)
        values = self._values
        for block in blocks:
            for each in block.all("set"):
                values = values.setting(each.args[0].removeprefix("$"), each.args[1])
            for name in ("if", "rewrite", "auth_request"):
                found = block.last(name) if block is directive or block.name == "server" else None
                if found is not None:
                    raise NotCarried(f"`{name}` ({found.source}) may send requests elsewhere")
        back = server.last("return") or directive.last("return")
        if back is not None:
            yield self._answer(returned(back, location), back)
            return
        passed = directive.last("proxy_pass")
        if passed is not None:
            yield from self._passed(passed, location, values)
            return
        named = self._named(directive, server)
        if named is not None:
            yield from self.of(Location(directive=named, outer=(server,)))
            return
        yield self._static(location)

    def _answer(self, answer: Refusal | Response | Redirect, place: Directive) -> Action:
        if isinstance(answer, Refusal):
            return Action(refusal=answer, place=place)
        if isinstance(answer, Response):
            return Action(response=answer, place=place)
        return Action(redirect=answer, place=place)

    def _named(self, directive: Directive, server: Directive) -> Directive | None:
        tried = directive.last("try_files")
        if tried is None or not tried.args[-1].startswith("@"):
            return None
        self._findings.add(
            "N405",
            "files that `try_files` finds are not served: every request goes where it sends the others",
            tried.source,
            fix="nothing has to be done where there are no such files",
        )
        return next((each for each in server.all("location") if each.args == (tried.args[-1],)), None)

    def _static(self, location: Location) -> Action:
        directive = location.directive
        try:
            found = static_json(location)
            reason = "nginx answers from files here"
        except NotCarried as error:
            found, reason = None, str(error)
        if found is not None:
            return Action(response=found, place=directive)
        self._findings.add(
            "N405",
            f"{reason}: the router serves no files, and answers 404",
            directive.source,
            fix="keep a file server for them, or write `respond:` for those that clients ask for",
        )
        return Action(refusal=NOT_FOUND, place=directive)

    def _passed(self, passed: Directive, location: Location, values: Values) -> Iterator[Action]:
        parts = _PASS.fullmatch(passed.args[0])
        if parts is None:
            raise NotCarried(f"`proxy_pass {passed.args[0]}` is not a scheme, a place and `$request_uri`")
        self._check_uri(parts[3] or "", location, passed)
        limits = self._limits(location)
        for case in values.cases(parts[2]):
            if case.key is not None or not case.text:
                raise NotCarried(f"`proxy_pass {passed.args[0]}` goes wherever a client says")
            place = case.place or passed
            upstream = self._upstream(case.text, parts[1] == "https", place.source)
            yield replace(limits, upstream=upstream, conditions=case.conditions, place=place)

    def _check_uri(self, uri: str, location: Location, passed: Directive) -> None:
        """The router forwards the target as it came: what would change it cannot be carried over."""
        if not uri or uri == "$request_uri":
            return
        if _DECODED.fullmatch(uri) or (location.prefix and uri == location.prefix):
            self._findings.add(
                "N406",
                f"`{uri}` makes nginx send the decoded path; the router sends it as it was received",
                passed.source,
                fix="nothing has to be done: Synapse decodes ids itself, and needs them as they came",
            )
            return
        raise NotCarried(f"`proxy_pass {passed.args[0]}` sends another path than was asked for")

    def _upstream(self, text: str, tls: bool, source: Source) -> str:
        safe = re.sub(r"[^A-Za-z0-9_.-]", "-", text)[:64]
        if text in self._upstreams or safe in self._upstreams:
            return text if text in self._upstreams else safe
        try:
            address = address_of(text, port=443 if tls else 80)
        except ValueError as error:
            raise NotCarried(f"`{text}` is no upstream and no address: {error}") from None
        if re.fullmatch(r"[^.:/]+", text) and text != "localhost":
            raise NotCarried(f"`{text}` is no upstream of this configuration")
        name = safe.strip("-.") or "upstream"
        endpoint = Endpoint(address=address, tls=ClientTls() if tls else None, source=source)
        self._upstreams[name] = Upstream(name=name, endpoints=(endpoint,), source=source)
        return name

    def _limits(self, location: Location) -> Action:
        """The limits that hold in a location, for an upstream that is filled in."""
        waits, most = location.last("proxy_read_timeout"), location.last("client_max_body_size")
        upgrades = [
            each
            for block in (location.directive, *location.outer)
            for each in block.all("proxy_set_header")
            if each.args[0].lower() == "upgrade"
        ]
        try:
            first_byte = seconds(waits.args[0]) if waits else NGINX_READ_TIMEOUT
            body = size(most.args[0]) if most else NGINX_BODY
        except ValueError as error:
            raise NotCarried(str(error)) from None
        if not body and most is not None:
            self._findings.add(
                "N402",
                "`client_max_body_size 0` sets no limit; the router's own holds",
                most.source,
                fix="write `max_body:` with the largest size that you want to take",
            )
        return Action(
            upstream="",
            first_byte=first_byte,
            max_body=body or None,
            upgrade=("websocket",) if upgrades else (),
            place=location.directive,
        )
