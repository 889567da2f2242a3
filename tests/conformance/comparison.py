"""The router's answer and nginx's to one request, and what the router refuses on purpose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from router.answers import PREFLIGHT
from router.config.findings import Findings
from router.errors import DownstreamError
from router.guard import AMBIGUOUS
from router.nginx.directives import Directive
from router.nginx.importer import import_nginx
from router.nginx.reading import read
from router.proxy.admission import admit
from router.request import METHODS, NEVER_PROXIED
from router.routing.decision import Forward, Refuse, Respond, decide
from router.routing.snapshot import Snapshot
from router.routing.view import EveryEndpointUp
from router.settings import Config
from tests.conformance.requests import Asked, generate
from tests.conformance.stage import Answer, addresses, running

SHAPES = Path(__file__).parent / "shapes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What the router does: forwards to `upstream`, or answers `status` itself; `why` names a refusal."""

    upstream: str = ""
    status: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnPurpose:
    """Requests that the router refuses though nginx lets them through, and why."""

    name: str
    reason: str
    holds: Callable[[Asked], bool]


def _path(asked: Asked) -> bytes:
    return asked.target.partition(b"?")[0]


ON_PURPOSE = {
    each.name: each
    for each in (
        OnPurpose(
            name="byte above 0x7e",
            reason="RFC 3986 has none in a target; readers behind nginx disagree on what it means",
            holds=lambda asked: any(byte > 0x7E for byte in asked.target),
        ),
        OnPurpose(
            name="fragment",
            reason="a `#` is never sent (RFC 9112, 3.2.1): nginx matches the part before it and forwards all",
            holds=lambda asked: b"#" in asked.target,
        ),
        OnPurpose(
            name="unknown method",
            reason="Synapse answers no method but the registered ones, and llhttp knows no others: 501",
            holds=lambda asked: asked.method not in METHODS or asked.method in NEVER_PROXIED,
        ),
        OnPurpose(
            name="two readings",
            reason="nginx matches the decoded path and forwards the raw one: they are different places",
            holds=lambda asked: b"%" in _path(asked) or b"//" in _path(asked) or b"/." in _path(asked),
        ),
        OnPurpose(
            name="closed prefix",
            reason="/_synapse/admin and the like are closed unless routes.yaml opens them",
            holds=lambda asked: b"_synapse" in _path(asked).lower() or b"%" in _path(asked),
        ),
        OnPurpose(
            name="preflight",
            reason="a browser asks with OPTIONS before it reads an answer of the router's own: 204 with CORS",
            holds=lambda asked: asked.method == "OPTIONS",
        ),
        OnPurpose(
            name="host told twice",
            reason="the target names another host than the Host field (RFC 9112, 3.2.2): which one is meant?",
            holds=lambda asked: asked.target[:4].lower() == b"http",
        ),
    )
}


@dataclass
class Tally:
    """One shape's figures."""

    shape: str
    expected: int = 0
    compared: int = 0
    upstreams: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    disagreements: list[str] = field(default_factory=list)


def router_decides(snapshot: Snapshot, config: Config, asked: Asked, port: int) -> Decided:
    """As `explain --batch` does, for a listener of that port."""
    try:
        head = admit(
            method=asked.method,
            target=asked.target,
            headers=asked.fields,
            client="192.0.2.7",
            limits=config.settings.limits,
            port=port,
        ).head
    except DownstreamError as error:
        return Decided(status=error.status, why=_refused_by_wire(asked, error))
    decision = decide(snapshot, head, EveryEndpointUp())
    if isinstance(decision, Forward):
        return Decided(upstream=decision.upstream.name)
    if isinstance(decision, Respond):
        return Decided(
            status=decision.response.status, why="preflight" if decision.response is PREFLIGHT else ""
        )
    assert isinstance(decision, Refuse)
    if decision.route is None:
        return Decided(
            status=decision.refusal.status,
            why="two readings" if decision.refusal is AMBIGUOUS else "closed prefix",
        )
    return Decided(status=decision.refusal.status)


def _refused_by_wire(asked: Asked, error: DownstreamError) -> str:
    for name in ("unknown method", "byte above 0x7e", "fragment", "host told twice"):
        if ON_PURPOSE[name].holds(asked):
            return name
    return error.message


def agree(ours: Decided, theirs: Answer) -> bool:
    """Whether both forward to one upstream, both refuse, or both answer alike by themselves.

    The router serves no files: what nginx answers from files, or for want of them, is 404 here.
    """
    if ours.upstream or theirs.upstream:
        return ours.upstream == theirs.upstream
    if ours.status == theirs.status or (ours.why and theirs.status >= 400):
        return True
    return ours.status == 404 and theirs.status in (301, 403, 404, 405)


def compare(shape: str, folder: Path, *, count: int, seed: int) -> Tally:
    """Asks both so many requests."""
    file = SHAPES / shape / "nginx.conf"
    imported = import_nginx(file)
    config = imported.config
    assert config is not None, imported.findings
    assert not imported.unresolved, imported.unresolved
    snapshot = Snapshot.build(config.table, config.settings.guard)
    top = read(file, Findings()) or ()
    named = {str(each.address): name for name, up in config.table.upstreams.items() for each in up.endpoints}
    upstream_of = {address: named[address] for address in addresses(top)}
    hosts = [*dict.fromkeys(_hosts(top)), "h.example", "H.example:80"]
    tally = Tally(shape, expected=len(config.table.upstreams))
    with running(folder, file, upstream_of) as front:
        ports = sorted(front.sockets)
        redirecting = {each.address.port for each in config.settings.listen if each.redirect}  # type: ignore[union-attr]
        for number, asked in enumerate(generate(config.table.routes[:-1], hosts, count=count, seed=seed)):
            port = ports[number % len(ports)]
            if port in redirecting:
                continue
            theirs = front.ask(port, asked)
            ours = router_decides(snapshot, config, asked, port)
            tally.compared += 1
            if theirs.upstream:
                tally.upstreams[theirs.upstream] += 1
            if agree(ours, theirs):
                continue
            if ours.why in ON_PURPOSE and ON_PURPOSE[ours.why].holds(asked):
                tally.refused[ours.why] += 1
            else:
                tally.disagreements.append(f"{asked} port {port}: nginx {theirs}, the router {ours}")
    return tally


def _hosts(directives: tuple[Directive, ...]) -> list[str]:
    found = []
    for each in directives:
        if each.name == "server_name":
            for name in each.args:
                plain = name.replace("*", "x").replace(r"~^chat\d+\.example\.org$", "chat7.example.org")
                found += [plain, plain.upper()] if plain not in ("_", "") else []
        found += _hosts(each.block or ())
    return found
