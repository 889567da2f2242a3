"""Everything in the file that is not a route or an upstream: guard, timeouts, health, log."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from router.config.fields import Fields, mapping, one_or_more
from router.config.findings import Findings, suggest
from router.config.limits import read_limits
from router.config.listeners import admin_addresses, listeners
from router.config.nodes import Items, Node
from router.config.proxies import trusted_proxies
from router.config.resolver import resolver
from router.config.values import address, seconds, short, whole, word
from router.settings import ClosedListener, Guard, Health, Listener, Settings, Timeouts
from router.table import Address, TcpAddress

OPENABLE = ("/_synapse/admin", "/_synapse/mas")
"""The closed prefixes that a file may open."""

_REPLICATION = "/_synapse/replication"
_HEALTH = tuple(field.name for field in dataclasses.fields(Health))
_TIMEOUTS = tuple(field.name for field in dataclasses.fields(Timeouts))


def read_settings(
    fields: Fields,
    findings: Findings,
    *,
    folder: Path,
    listen: tuple[Address, ...] = (),
    admin: tuple[Address, ...] = (),
    closed: tuple[ClosedListener, ...] = (),
    max_upload_size: int | None = None,
) -> Settings:
    """The settings of the file; where one is wrong there is a finding, and the default stands in for it.

    `listen` and `admin`, where given, stand in place of the file's. `closed` goes to the guard,
    `max_upload_size` (bytes) to the limits. Paths of certificates are relative to `folder`.
    """
    default = Settings()
    file_listen = listeners(fields.get("listen"), folder, findings)
    file_admin, public, admin_access = admin_addresses(fields.get("admin"), findings, judged=not admin)
    given = tuple(Listener(address=where) for where in listen)
    serving, admins = given or file_listen or default.listen, admin or file_admin or default.admin
    names = ("--listen" if listen else "`listen`", "--admin" if admin else "`admin`")
    in_file = [
        key for key, written in (("admin", admin), ("listen", listen)) if not written and key in fields.keys
    ]
    for both in {listener.address for listener in serving} & set(admins):
        if not (isinstance(both, TcpAddress) and both.port == 0):
            findings.add(
                "S013",
                f"{names[0]} and {names[1]} are both {both}{' on the command line' * bool(listen and admin)}",
                fields.place(in_file[0]) if in_file else None,
                why="clients and the admin listener need an address each",
                fix="give one of them another address",
            )
    drain, log = fields.get("drain_timeout"), fields.get("access_log")
    drained = seconds(drain, findings, "`drain_timeout`", zero=True) if drain else None
    return Settings(
        listen=serving,
        admin=admins,
        admin_public=public,
        admin_access=admin_access,
        trusted_proxies=trusted_proxies(fields.get("trusted_proxies"), findings),
        limits=read_limits(fields.get("limits"), findings, max_upload_size=max_upload_size),
        timeouts=_timeouts(fields.get("timeouts"), findings),
        health=_health(fields.get("health"), findings),
        guard=dataclasses.replace(_guard(fields.get("guard"), findings), closed=closed),
        resolver=resolver(fields.get("resolver"), findings),
        access_log=_access_log(log, findings) if log else default.access_log,
        drain_timeout=default.drain_timeout if drained is None else drained,
    )


def _timeouts(node: Node | None, findings: Findings) -> Timeouts:
    fields = mapping(node, _TIMEOUTS, findings, "`timeouts`")
    default = Timeouts()
    if fields is None:
        return default
    read: dict[str, float] = {}
    for key in _TIMEOUTS:
        written = fields.get(key)
        value = seconds(written, findings, f"`{key}`") if written else None
        if value is not None:
            read[key] = value
    if read.get("upstream_idle", 0) >= 60:
        findings.add(
            "H306",
            "`upstream_idle` is not below the 60 s after which Synapse closes",
            fields.place("upstream_idle"),
            fix="write `45s`",
        )
    return dataclasses.replace(default, **read)


def _health(node: Node | None, findings: Findings) -> Health:
    fields = mapping(node, _HEALTH, findings, "`health`")
    default = Health()
    if fields is None:
        return default
    path, interval, timeout = fields.get("path"), fields.get("interval"), fields.get("timeout")
    rise, fall, jitter = fields.get("rise"), fields.get("fall"), fields.get("jitter")
    spread = seconds(jitter, findings, "`jitter`", zero=True) if jitter else None
    scalar = word(path, findings, "`path`") if path else None
    if scalar and not (scalar.text.startswith("/") and scalar.text.isascii() and scalar.text.isprintable()):
        findings.add(
            "S015", f"`{short(scalar.text)}` is not a path to ask for", scalar.source, fix="write `/health`"
        )
        scalar = None
    elif scalar and " " in scalar.text:
        findings.add("S015", "the path holds a space", scalar.source, fix="write `%20`")
    return Health(
        path=scalar.text if scalar else None,
        interval=(interval and seconds(interval, findings, "`interval`")) or default.interval,
        timeout=(timeout and seconds(timeout, findings, "`timeout`")) or default.timeout,
        rise=(rise and whole(rise, findings, "`rise`", least=1)) or default.rise,
        fall=(fall and whole(fall, findings, "`fall`", least=1)) or default.fall,
        jitter=default.jitter if spread is None else spread,
    )


def _access_log(node: Node, findings: Findings) -> str:
    if isinstance(node, Items):
        findings.add(
            "S009", "`access_log` is a single word, not a list", node.source, fix="write `'-'` with quotes"
        )
        return "-"
    scalar = word(node, findings, "`access_log`")
    if scalar is None:
        return "-"
    return "" if scalar.text.lower() in ("off", "no", "false", "none") else scalar.text


def _guard(node: Node | None, findings: Findings) -> Guard:
    fields = mapping(node, ("replication", "open"), findings, "`guard`")
    default = Guard()
    if fields is None:
        return default
    written = fields.get("replication")
    ports: list[tuple[int, int]] = []
    addresses: list[Address] = []
    before = findings.errors
    for item in one_or_more(written):
        _replication(item, ports, addresses, findings)
    if findings.errors > before or not ports:
        # Single listeners come on top: only ports that are written take the place of the default ones.
        ports += default.replication_ports
    if isinstance(written, Items) and not written.items:
        findings.add(
            "H304", "`replication` names no port", written.source, fix="remove the line for 9000-9999"
        )
    return Guard(
        replication_ports=tuple(ports),
        replication_addresses=tuple(addresses),
        open_prefixes=_open(fields.get("open"), findings),
    )


def _replication(
    node: Node, ports: list[tuple[int, int]], addresses: list[Address], findings: Findings
) -> None:
    """A port, a range of ports, an address or a unix path."""
    scalar = word(node, findings, "`replication`")
    if scalar is None:
        return
    low, dash, high = scalar.text.partition("-")
    if not (low.isascii() and low.isdigit() and (not dash or (high.isascii() and high.isdigit()))):
        parsed = address(node, findings, "`replication`")
        if parsed is not None:
            addresses.append(parsed)
        return
    first, last = low.lstrip("0") or "0", (high if dash else low).lstrip("0") or "0"
    if max(len(first), len(last)) > 5 or not 1 <= int(first) <= int(last) <= 65535:
        findings.add(
            "S011",
            f"`{short(scalar.text)}` is not a port or a range of ports",
            scalar.source,
            fix="write the lower port first, both in 1-65535, as 9000-9999",
        )
        return
    ports.append((int(first), int(last)))


def _open(node: Node | None, findings: Findings) -> frozenset[str]:
    opened: set[str] = set()
    for item in one_or_more(node):
        scalar = word(item, findings, "`open`")
        if scalar is None:
            continue
        prefix = scalar.text.rstrip("/")
        if prefix in OPENABLE:
            opened.add(prefix)
        elif "replication" in prefix.lower():
            findings.add("H302", f"`{_REPLICATION}` is never opened", scalar.source, fix="remove it")
        else:
            near = suggest(prefix, OPENABLE)
            findings.add(
                "S012",
                f"`{short(scalar.text)}` is not a closed prefix",
                scalar.source,
                label=f"did you mean `{near}`?" if near else "",
                fix=f"only {' and '.join(OPENABLE)} can be opened",
            )
    return frozenset(opened)
