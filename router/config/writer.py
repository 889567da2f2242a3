"""A `Config` as the text of a routes.yaml that loads to the same table and settings."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from router.answers import Redirect, Response
from router.settings import (
    HSTS,
    Config,
    Guard,
    Limits,
    Listener,
    ListenerRole,
    ServerTls,
    Settings,
    SocketAccess,
    TrustedProxies,
)
from router.table import (
    UNMATCHED,
    ClientTls,
    Condition,
    Endpoint,
    HashKey,
    PathForm,
    Policy,
    Refusal,
    Route,
    Upstream,
)

_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./@+-]*")
_MISREAD = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_NAMED = ("header", "cookie", "argument", "capture")

Notes = Mapping[str, Sequence[str]]
"""Comment lines above an upstream or a route, by its name."""


def write(
    config: Config,
    *,
    comments: Sequence[str] = (),
    notes: Notes | None = None,
    unresolved: Sequence[str] = (),
) -> str:
    """The text; what has its default is left out. `comments` stand at its head.

    `unresolved` are lines that keep the file from being served until somebody has removed them. Raises
    ValueError for what no file can say: listeners that Synapse's own files close.
    """
    told = notes or {}
    lines = [f"# {line}".rstrip() for line in comments]
    if unresolved:
        lines += ["unresolved:", *(f"  - {quoted(each)}" for each in unresolved)]
    lines += _settings(config.settings)
    routes = [route for route in config.table.routes if route is not UNMATCHED]
    form = PathForm.NORMALISED if _mostly_normalised(routes) else PathForm.RAW
    if form is PathForm.NORMALISED:
        lines.append("match: normalised")
    lines += ["", "upstreams:"]
    for upstream in config.table.upstreams.values():
        lines += [f"  # {line}".rstrip() for line in told.get(upstream.name, ())]
        lines += _upstream(upstream)
    lines += ["", "routes:"]
    for name, group in groupby(routes, key=_same_but_for_the_path):
        lines += [f"  # {line}".rstrip() for line in told.get(name.name, ())]
        lines += _routes(list(group), form)
    return "\n".join(lines).lstrip("\n") + "\n"


def quoted(text: str) -> str:
    """A word as YAML has it: with quotes where it could be read otherwise."""
    if _PLAIN.fullmatch(text) and text.lower() not in _MISREAD:
        return text
    if text.isprintable() and text.isascii():
        return "'" + text.replace("'", "''") + "'"
    return json.dumps(text)


def _mostly_normalised(routes: Sequence[Route]) -> bool:
    return 2 * sum(route.pattern.form is PathForm.NORMALISED for route in routes) > len(routes)


def _flow(entries: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in entries.items()) + "}"


def _list(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else "[" + ", ".join(items) + "]"


def _time(seconds: float) -> str:
    return f"{seconds:.6f}".rstrip("0").rstrip(".") + "s"


def _settings(settings: Settings) -> list[str]:
    default = Settings()
    guard = settings.guard
    if guard.closed:
        raise ValueError(
            "listeners that are closed by Synapse's own files are in those, and in no routes.yaml"
        )
    lines = []
    if settings.listen != default.listen:
        lines += ["listen:", *(f"  - {_listener(each)}" for each in settings.listen)]
    if (settings.admin, settings.admin_public, settings.admin_access) != (
        default.admin,
        default.admin_public,
        default.admin_access,
    ):
        listen = _list([quoted(str(each)) for each in settings.admin])
        admin = {"listen": listen, **({"public": "yes"} if settings.admin_public else {})}
        lines.append(f"admin: {_flow({**admin, **_access(settings.admin_access)})}")
    if settings.trusted_proxies != default.trusted_proxies:
        lines.append(f"trusted_proxies: {_trusted(settings.trusted_proxies)}")
    if guard != default.guard:
        lines.append(f"guard: {_flow(_guard(guard))}")
    for name in ("limits", "timeouts", "health", "resolver"):
        changed = _changed(getattr(settings, name), getattr(default, name))
        if changed:
            lines.append(f"{name}: {_flow(changed)}")
    if settings.access_log != default.access_log:
        lines.append(f"access_log: {quoted(settings.access_log) if settings.access_log else 'off'}")
    if settings.drain_timeout != default.drain_timeout:
        lines.append(f"drain_timeout: {_time(settings.drain_timeout)}")
    return lines


def _changed(values: object, defaults: object) -> dict[str, str]:
    """The fields that are not at their defaults, as words of the file."""
    assert dataclasses.is_dataclass(values)  # noqa: S101 - sections are; for the type checker only
    changed = {}
    for field in dataclasses.fields(values):
        value = getattr(values, field.name)
        if value == getattr(defaults, field.name):
            continue
        if isinstance(value, tuple):
            changed[field.name] = "[" + ", ".join(quoted(each) for each in value) + "]"
        elif isinstance(value, float) or (isinstance(value, int) and not isinstance(values, Limits)):
            counted = field.name in ("rise", "fall", "attempts")
            changed[field.name] = str(value) if counted else _time(value)
        else:
            changed[field.name] = quoted(str(value))
    return changed


def _listener(listener: Listener) -> str:
    entries = {"address": quoted(str(listener.address))}
    if listener.role is not ListenerRole.PROXY:
        entries["role"] = listener.role.value
    if listener.proxy_protocol:
        entries["proxy_protocol"] = "yes"
    if listener.redirect is not None:
        entries["redirect"] = _redirect(listener.redirect)
    if listener.tls is not None:
        entries["tls"] = _server_tls(listener.tls)
    entries |= _access(listener.access)
    return entries["address"] if len(entries) == 1 else _flow(entries)


def _server_tls(tls: ServerTls) -> str:
    pairs = [{"certificate": quoted(each.certificate), "key": quoted(each.key)} for each in tls.certificates]
    several = {"certificates": "[" + ", ".join(_flow(each) for each in pairs) + "]"}
    entries = pairs[0] if len(pairs) == 1 else several
    if tls.hsts != HSTS:
        entries = {**entries, "hsts": _time(tls.hsts) if tls.hsts else "off"}
    return _flow(entries)


def _access(access: SocketAccess) -> dict[str, str]:
    entries = {}
    if access.mode != SocketAccess().mode:
        entries["mode"] = f"'{access.mode:04o}'"
    if access.owner is not None:
        entries["owner"] = str(access.owner)
    if access.group is not None:
        entries["group"] = str(access.group)
    return entries


def _trusted(trusted: TrustedProxies) -> str:
    return _list([*(quoted(str(each)) for each in trusted.networks), *(["unix"] if trusted.unix else [])])


def _guard(guard: Guard) -> dict[str, str]:
    entries = {}
    default = Guard()
    ports = [f"{low}-{high}" for low, high in guard.replication_ports]
    if guard.replication_ports == default.replication_ports:
        ports = []
    closed = [*ports, *(quoted(str(each)) for each in guard.replication_addresses)]
    if closed:
        entries["replication"] = "[" + ", ".join(closed) + "]"
    if guard.open_prefixes:
        entries["open"] = "[" + ", ".join(sorted(guard.open_prefixes)) + "]"
    return entries


def _upstream(upstream: Upstream) -> Iterator[str]:
    yield f"  {quoted(upstream.name)}:"
    default = Policy()
    if upstream.policy.kind is not default.kind:
        yield f"    policy: {upstream.policy.kind.value}"
    if upstream.policy.keys:
        keys = [_key(each) for each in upstream.policy.keys]
        if len(keys) == 1:
            yield f"    key: {keys[0]}"
        else:
            yield "    key:"
            yield from (f"      - {each}" for each in keys)
    queue = {}
    if upstream.queue_size is not None:
        queue["size"] = str(upstream.queue_size)
    if upstream.queue_timeout is not None:
        queue["timeout"] = _time(upstream.queue_timeout)
    if queue:
        yield f"    queue: {_flow(queue)}"
    yield "    endpoints:"
    yield from (f"      - {_endpoint(each)}" for each in upstream.endpoints)


def _key(key: HashKey) -> str:
    if key.kind not in _NAMED and not key.pattern:
        return key.kind
    entries = {key.kind: quoted(key.name)} if key.kind in _NAMED else {"fact": key.kind}
    if key.pattern:
        entries["pattern"] = _pattern(key.pattern)
    return _flow(entries)


def _endpoint(endpoint: Endpoint) -> str:
    entries = {"address": quoted(str(endpoint.address))}
    default = Endpoint(address=endpoint.address)
    for name in ("weight", "instance", "max_requests", "max_fails"):
        value = getattr(endpoint, name)
        if value != getattr(default, name):
            entries[name] = quoted(str(value))
    if endpoint.fail_timeout != default.fail_timeout:
        entries["fail_timeout"] = _time(endpoint.fail_timeout)
    entries |= {name: "yes" for name in ("down", "backup") if getattr(endpoint, name)}
    if endpoint.tls is not None:
        entries["tls"] = _client_tls(endpoint.tls)
    return entries["address"] if len(entries) == 1 else _flow(entries)


def _client_tls(tls: ClientTls) -> str:
    entries = {
        field.name: quoted(getattr(tls, field.name))
        for field in dataclasses.fields(tls)
        if getattr(tls, field.name) is not None
    }
    return _flow(entries) if entries else "yes"


def _same_but_for_the_path(route: Route) -> Route:
    return dataclasses.replace(route, pattern=dataclasses.replace(route.pattern, text=""), source=None)


def _routes(group: Sequence[Route], form: PathForm) -> Iterator[str]:
    """One entry for routes that differ in their patterns alone."""
    first = group[0]
    yield f"  - name: {quoted(first.name)}"
    if len(group) == 1:
        yield f"    path: {_pattern(first.pattern.text)}"
    else:
        yield "    path:"
        yield from (f"      - {_pattern(each.pattern.text)}" for each in group)
    if first.pattern.form is not form:
        yield f"    match: {first.pattern.form.value}"
    if first.methods is not None:
        yield f"    methods: [{', '.join(sorted(first.methods))}]"
    if first.query:
        written = {quoted(each.name): each.presence.value for each in first.query}
        yield f"    query: {_flow(written)}"
    if len(first.conditions) == 1:
        yield f"    when: {_condition(first.conditions[0])}"
    elif first.conditions:
        yield "    when:"
        yield from (f"      - {_condition(each)}" for each in first.conditions)
    yield f"    {_action(first)}"
    if first.first_byte is not None:
        yield f"    first_byte: {_time(first.first_byte)}"
    if first.max_body is not None:
        yield f"    max_body: {first.max_body}"
    if first.wait_for_worker is not None:
        yield f"    wait_for_worker: {_time(first.wait_for_worker)}"
    if first.upgrade:
        yield f"    upgrade: {_list([quoted(each) for each in first.upgrade])}"


def _condition(condition: Condition) -> str:
    named = condition.kind in _NAMED
    entries = {condition.kind: quoted(condition.name)} if named else {"fact": condition.kind}
    entries["lacks" if condition.negated else "has"] = _pattern(condition.pattern)
    return _flow(entries)


def _action(route: Route) -> str:
    if route.upstream is not None:
        return f"upstream: {quoted(route.upstream)}"
    if route.refusal is not None:
        return f"refuse: {_refusal(route.refusal)}"
    if route.response is not None:
        return f"respond: {_response(route.response)}"
    assert route.redirect is not None  # noqa: S101 - a route has one of the four; for the type checker only
    return f"redirect: {_redirect(route.redirect)}"


def _refusal(refusal: Refusal) -> str:
    entries = {"status": str(refusal.status), "errcode": refusal.errcode, "error": quoted(refusal.error)}
    return _flow(entries)


def _response(response: Response) -> str:
    """Bodies of any media type are written as text: its header tells the type."""
    fields = dict(response.fields)
    entries = {"status": str(response.status)}
    if response.body:
        entries["text"] = json.dumps(response.body.decode())
        if not response.media_type.startswith("text/plain"):
            fields["Content-Type"] = response.media_type
    if fields:
        entries["headers"] = _flow({quoted(name): quoted(value) for name, value in fields.items()})
    return _flow(entries)


def _redirect(redirect: Redirect) -> str:
    return _flow({"to": quoted(redirect.to), "status": str(redirect.status)})


def _pattern(text: str) -> str:
    """A pattern with quotes, whatever is in it: bytes that are no ASCII are escapes of RE2's."""
    safe = "".join(each if each.isascii() and each.isprintable() else f"\\x{ord(each):02x}" for each in text)
    return "'" + safe.replace("'", "''") + "'"
