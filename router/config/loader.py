"""routes.yaml to a `Config`, with every finding of one run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from router.config.codes import Severity
from router.config.document import Document, parse, read
from router.config.fields import Fields, mapping, one_or_more
from router.config.findings import Finding, Findings, Related
from router.config.listeners import loops
from router.config.routes import FORMS, RouteReader
from router.config.sections import read_settings
from router.config.synapse import read_synapse
from router.config.upstreams import UpstreamReader, unused
from router.config.values import choice, word
from router.config.well_known import well_known
from router.errors import ConfigError
from router.guard import WAY_OUT, Guard
from router.routing.matcher import Matcher
from router.routing.pattern import group_number
from router.settings import Config, Settings
from router.synapse.deployment import Deployment
from router.table import Address, DnsAddress, Endpoint, PathForm, Route, RouteTable, Upstream

KEYS = (
    "listen", "admin", "trusted_proxies", "match", "guard", "synapse", "limits", "timeouts",
    "health", "resolver", "access_log", "drain_timeout", "upstreams", "well_known", "routes", "unresolved",
)  # fmt: skip
Addresses = tuple[Address, ...]

_SMALLEST = (
    "write `upstreams: {main: {endpoints: [127.0.0.1:8008]}}` and `routes: [{path: '^/', upstream: main}]`"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What became of a file.

    `config` is None where an error keeps the table from being served; `routes` are those that could
    be read all the same, so that they can be looked at too. `findings` are in the file's order.
    `deployment` is what Synapse's own files say, where the file names them.
    """

    config: Config | None
    findings: tuple[Finding, ...]
    document: Document
    routes: tuple[Route, ...] = ()
    upstreams: Mapping[str, Upstream] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    deployment: Deployment | None = None


def load(path: str | Path, *, listen: Addresses = (), admin: Addresses = ()) -> Loaded:
    """Reads and checks a file; raises nothing, whatever is in it.

    `listen` and `admin`, where given, stand in place of what the file says.
    """
    findings = Findings()
    return _load(read(path, findings), findings, listen, admin)


def load_bytes(content: bytes, *, file: str = "routes.yaml") -> Loaded:
    """The same for the bytes of a file."""
    findings = Findings()
    return _load(parse(content, file=file, findings=findings), findings, (), ())


def load_or_raise(path: str | Path, *, listen: Addresses = (), admin: Addresses = ()) -> Config:
    """The file's `Config`; raises the first ConfigError of severity error, with its place and a hint."""
    loaded = load(path, listen=listen, admin=admin)
    if loaded.config is None:
        raise next(one for one in loaded.findings if one.severity is Severity.ERROR).as_error()
    return loaded.config


def _load(document: Document, findings: Findings, listen: Addresses, admin: Addresses) -> Loaded:
    fields = mapping(document.root, KEYS, findings, "the file", fix=_SMALLEST)
    if fields is None:
        return Loaded(config=None, findings=findings.sorted(document.file), document=document)
    for each in one_or_more(fields.get("unresolved")):
        text = word(each, findings, "`unresolved`")
        if text is not None:
            findings.add("R140", text.text, text.source, fix="see to it, and remove this line")
    folder = Path(document.file).parent
    deployment = read_synapse(fields.get("synapse"), folder, findings)
    closed = deployment.closed if deployment else ()
    upload = deployment.upload_limit if deployment else None
    settings = read_settings(
        fields,
        findings,
        folder=folder,
        listen=listen,
        admin=admin,
        closed=closed,
        max_upload_size=upload,
    )
    groups = UpstreamReader(findings, folder)
    upstreams = groups.read(fields.need("upstreams", _SMALLEST))
    reader = RouteReader(frozenset(groups.names), _form(fields, findings), findings)
    before = findings.errors
    known = well_known(fields.get("well_known"), findings)
    reader.take(known)
    routes = (*known, *reader.read(fields.need("routes", _SMALLEST)))
    if findings.errors == before:
        # A route that could not be read may be the one that uses it.
        unused(upstreams, frozenset(reader.used), findings)
    _judge(groups.endpoints, settings, findings)
    _captured(routes, upstreams, findings)
    table = None if findings.errors else _table(routes, upstreams, findings)
    config = None
    if table is not None:
        config = Config(table=table, settings=settings, file=document.file, digest=document.digest)
    return Loaded(
        config=config,
        findings=findings.sorted(document.file),
        document=document,
        routes=routes,
        upstreams=MappingProxyType(upstreams),
        settings=settings,
        deployment=deployment,
    )


def _table(
    routes: tuple[Route, ...], upstreams: dict[str, Upstream], findings: Findings
) -> RouteTable | None:
    """The table, where its patterns fit into one matcher, too."""
    table = RouteTable(routes=routes, upstreams=upstreams)
    try:
        Matcher(table.routes)
    except ConfigError as error:
        findings.add("R109", error.message, error.source, fix=error.hint)
        return None
    return table


def _form(fields: Fields, findings: Findings) -> PathForm:
    written = fields.get("match")
    chosen = choice(written, findings, "`match`", FORMS) if written else None
    return PathForm(chosen) if chosen else PathForm.RAW


def _captured(routes: Iterable[Route], upstreams: Mapping[str, Upstream], findings: Findings) -> None:
    """Adds a finding for each route whose pattern has not the group that its upstream hashes."""
    for route in routes:
        upstream = upstreams.get(route.upstream or "")
        for key in upstream.policy.keys if upstream is not None else ():
            if key.kind != "capture":
                continue
            try:
                group_number(route.pattern.text, key.name)
            except ValueError:
                findings.add(
                    "R119",
                    f"upstream `{route.upstream}` hashes the group `{key.name}`, which this pattern has not",
                    route.source,
                    fix=f"write `(?P<{key.name}>…)` around it, or send the route to another upstream",
                )


def _judge(endpoints: Iterable[Endpoint], settings: Settings, findings: Findings) -> None:
    """Adds a finding for each endpoint that no request may be sent to."""
    guard = Guard(settings.guard)
    spoken: dict[str, Endpoint] = {}
    for endpoint in endpoints:
        first = spoken.setdefault(endpoint.name, endpoint)
        if first.tls != endpoint.tls:
            findings.add(
                "W221",
                f"{endpoint.name} has another `tls:` elsewhere",
                endpoint.source,
                fix="write the same for both",
                related=(Related(source=first.source, note="first listed here"),) if first.source else (),
            )
        exposed = guard.judge(endpoint.address)
        if exposed is not None:
            findings.add(
                "H301",
                f"the endpoint {endpoint.name} {exposed}",
                endpoint.source,
                fix=WAY_OUT,
            )
        if not isinstance(endpoint.address, DnsAddress) and loops(settings, endpoint.address):
            findings.add(
                "W205",
                f"{endpoint.name} is where the router itself listens",
                endpoint.source,
                fix="write the worker's own listener, or let the router listen elsewhere",
            )
