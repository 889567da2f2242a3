"""GET /: the status as a page that needs no script, and as plain text for a terminal."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from html import escape

from router.admin.certificates import CertificateStatus, expired
from router.admin.misroutes import MisrouteStatus, alarming
from router.admin.shadow import ShadowStatus
from router.admin.status import (
    EndpointStatus,
    FailureStatus,
    NameStatus,
    RouteStatus,
    Status,
    age,
    count,
    utc,
)

STYLE = """
:root { color-scheme: light dark; --line: #8886; --good: #1a7f37; --bad: #cf222e; --quiet: #59636e; }
@media (prefers-color-scheme: dark) { :root { --good: #3fb950; --bad: #ff7b72; --quiet: #9198a1; } }
* { box-sizing: border-box; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; padding: 1rem;
  overflow-wrap: anywhere; }
h1 { border-left: .5rem solid var(--good); font-size: 1.3rem; padding-left: .75rem; }
h1.bad { border-color: var(--bad); }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p, dl { margin: .5rem 0; }
.quiet { color: var(--quiet); }
.up { color: var(--good); }
.down { color: var(--bad); font-weight: bold; }
.failing { font-weight: bold; }
.up, .failing, .down { white-space: nowrap; }
table { border-collapse: collapse; width: 100%; overflow-wrap: break-word; }
th { white-space: nowrap; }
th, td { border-bottom: 1px solid var(--line); padding: .4rem .75rem .4rem 0; text-align: left;
  vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
nav a { display: inline-block; min-height: 44px; padding: .5rem .75rem .5rem 0; }
button, input, select { font: inherit; min-height: 44px; padding: .5rem; }
input { width: 100%; max-width: 40rem; }
@media (max-width: 40rem) {
  thead { clip-path: inset(50%); height: 1px; overflow: hidden; position: absolute; width: 1px; }
  table, tbody { display: block; }
  tr { border-bottom: 1px solid var(--line); display: block; padding: .5rem 0; }
  td, td.number { border: 0; display: flex; gap: 1rem; justify-content: space-between; padding: .1rem 0; }
  td { overflow-wrap: anywhere; }
  td:empty { display: none; }
  td::before { color: var(--quiet); content: attr(data-label); flex: none; text-align: left; }
}
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        f"style-src 'sha256-{_STYLE_HASH}'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Nothing is loaded and nothing runs: the one style sheet is in the page, known by its hash."""

_METHODS = ("GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH")

_STATES = {
    "up": '<span class="up">● up</span>',
    "failing": '<span class="failing">▲ failing</span>',
    "out": '<span class="down">✕ out</span>',
    "down": '<span class="down">✕ down</span>',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One table of the page; `numbers` are the titles of columns that hold numbers."""

    title: str
    columns: tuple[str, ...]
    numbers: frozenset[str]
    rows: tuple[tuple[str, ...], ...]
    empty: str = ""
    """What is said where there are no rows."""


def as_html(status: Status) -> str:
    """The whole page, one column on a narrow screen."""
    troubled = (
        any(upstream.down for upstream in status.upstreams)
        or alarming(status.misroutes, status.time)
        or expired(status.certificates, status.time)
    )
    level = "" if status.ready and not troubled else ' class="bad"'
    options = "".join(f"<option>{method}</option>" for method in _METHODS)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(status.verdict.partition(": ")[0])} - Synapse router</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1{level}>{escape(status.verdict)}</h1>
<p class="quiet">{escape(_as_of(status))}</p>
{"".join(map(_section_html, _sections(status)))}
<h2>Explain a request</h2>
<form action="/explain" method="get">
<p><label>Method <select name="method">{options}</select></label></p>
<p><label>Target <input name="target" required placeholder="/_matrix/client/v3/sync?since=s1"></label></p>
<p><button>Explain</button></p>
</form>
</main>
<nav>
<a href="/status">status</a> <a href="/routes">routes</a>
<a href="/metrics">metrics</a> <a href="/ready">ready</a>
</nav>
</body>
</html>
"""


def as_text(status: Status) -> str:
    """The same for a terminal: `curl` on the admin listener."""
    blocks = [status.verdict, _as_of(status), *map(_section_text, _sections(status))]
    return "\n\n".join(blocks) + "\n"


def _as_of(status: Status) -> str:
    words = [
        f"At {utc(status.time)}",
        f"up {age(status.uptime)}",
        f"version {status.version} ({status.modules} modules)",
        f"{status.config['file']}@{status.config['digest']} (generation {status.generation})",
        f"listening on {', '.join(status.listeners['listen'])}",
        count(status.connections, "connection"),
        f"{count(status.in_flight, 'request')} in flight",
    ]
    if status.log_dropped:
        words.append(f"{count(status.log_dropped, 'log line')} dropped")
    return ", ".join(words) + "."


def _sections(status: Status) -> tuple[Section, ...]:
    endpoints = Section(
        title="Endpoints",
        columns=(
            *("Upstream", "Endpoint", "State", "Since", "In flight", "Requests", "Failures"),
            *("Checked", "Reason"),
        ),
        numbers=frozenset({"In flight", "Requests", "Failures"}),
        rows=tuple(
            (upstream.upstream, *_endpoint_cells(status, each))
            for upstream in status.upstreams
            for each in upstream.endpoints
        ),
        empty="The table has no upstreams.",
    )
    misroutes = Section(
        title="Misroutes",
        columns=("Last", "Times", "Route", "Endpoint", "Request", "Status", "Meaning"),
        numbers=frozenset({"Times", "Status"}),
        rows=tuple(_misroute_cells(status, each) for each in status.misroutes),
        empty="None noticed since the start.",
    )
    names = Section(
        title="Names",
        columns=("Name", "Stands for", "Answered", "Asked again", "Trouble"),
        numbers=frozenset(),
        rows=tuple(_name_cells(status, each) for each in status.names),
    )
    certificates = Section(
        title="Certificates",
        columns=("Listener", "Certificate", "Names", "Expires"),
        numbers=frozenset(),
        rows=tuple(_certificate_cells(status, each) for each in status.certificates),
    )
    routes = Section(
        title="Routes",
        columns=(
            "Route",
            "Upstream",
            "In flight",
            "Requests",
            "2xx",
            "4xx",
            "5xx",
            "Client aborts",
            "Errors",
        ),
        numbers=frozenset({"In flight", "Requests", "2xx", "4xx", "5xx", "Client aborts"}),
        rows=tuple(map(_route_cells, status.routes)),
    )
    failures = Section(
        title="Last failures",
        columns=("Time", "Route", "Upstream", "Endpoint", "Status", "Reason"),
        numbers=frozenset({"Status"}),
        rows=tuple(map(_failure_cells, status.failures)),
        empty="None since the start.",
    )
    asked_for = [each for each in (names, certificates) if each.rows]
    shadow = [_shadow(status.shadow)] if status.shadow is not None else []
    return endpoints, *asked_for, *shadow, misroutes, routes, failures


def _shadow(shadow: ShadowStatus) -> Section:
    counts = (
        f"{shadow.requests:,} mirrored, {shadow.agreed:,} agree, {shadow.disagreed:,} disagree, "
        f"{shadow.refused:,} refused on purpose"
    )
    return Section(
        title=f"Mirrored requests: {counts}",
        columns=("Time", "Request", "Here", "There", "Reason"),
        numbers=frozenset(),
        rows=tuple(
            (utc(each.time), f"{each.method} {each.shape}", each.ours, each.theirs, each.reason)
            for each in shadow.last
        ),
        empty="No disagreement since the start.",
    )


def _endpoint_cells(status: Status, each: EndpointStatus) -> tuple[str, ...]:
    return (
        each.endpoint + (f" ({each.instance})" if each.instance else ""),
        each.state,
        age(status.time - each.since),
        f"{each.in_flight}",
        f"{each.requests}",
        f"{each.failures}",
        f"{age(status.time - each.checked)} ago" if each.checked else "never",
        each.reason,
    )


def _misroute_cells(status: Status, each: MisrouteStatus) -> tuple[str, ...]:
    return (
        f"{age(status.time - each.time)} ago",
        f"{each.count}",
        each.route + (f" ({each.source})" if each.source else ""),
        each.endpoint + (f" ({each.instance})" if each.instance else ""),
        each.request,
        f"{each.status}",
        each.meaning,
    )


def _name_cells(status: Status, each: NameStatus) -> tuple[str, ...]:
    return (
        each.name,
        ", ".join(each.found) or "nothing",
        "never" if each.answered is None else f"{age(status.time - each.answered)} ago",
        f"in {age(each.next - status.time)}",
        "; ".join(([each.error] if each.error else []) + list(each.closed)),
    )


def _certificate_cells(status: Status, each: CertificateStatus) -> tuple[str, ...]:
    left = each.not_after - status.time
    when = f"in {age(left)}" if left > 0 else f"EXPIRED {age(-left)} ago"
    return each.listener, each.certificate, ", ".join(each.names) or "none", when


def _route_cells(each: RouteStatus) -> tuple[str, ...]:
    return (
        each.route + (f" ({each.source})" if each.source else ""),
        each.upstream or "-",
        f"{each.in_flight}",
        f"{each.requests}",
        *(f"{each.statuses.get(digit, 0)}" for digit in ("2xx", "4xx", "5xx")),
        f"{each.client_aborts}",
        ", ".join(f"{reason} {number}" for reason, number in each.errors.items()),
    )


def _failure_cells(each: FailureStatus) -> tuple[str, ...]:
    reason = each.reason or "answered by the worker"
    return utc(each.time), each.route, each.upstream, each.endpoint, f"{each.status}", reason


def _section_text(section: Section) -> str:
    if not section.rows:
        return f"{section.title}: {section.empty}"
    rows = (tuple(map(str.upper, section.columns)), *section.rows)
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _section_html(section: Section) -> str:
    title = f"<h2>{section.title}</h2>\n"
    if not section.rows:
        return f"{title}<p>{section.empty}</p>\n"
    kinds = [' class="number"' if column in section.numbers else "" for column in section.columns]
    titles = "".join(
        f'<th scope="col"{kind}>{name}</th>' for name, kind in zip(section.columns, kinds, strict=True)
    )
    lines = "".join(f"<tr>{_cells_html(section, kinds, row)}</tr>\n" for row in section.rows)
    return f"{title}<table>\n<thead><tr>{titles}</tr></thead>\n<tbody>\n{lines}</tbody>\n</table>\n"


def _cells_html(section: Section, kinds: list[str], row: tuple[str, ...]) -> str:
    cells = []
    for name, kind, cell in zip(section.columns, kinds, row, strict=True):
        shown = _STATES[cell] if name == "State" else escape(cell)
        cells.append(f'<td{kind} data-label="{name}">{shown}</td>')
    return "".join(cells)
