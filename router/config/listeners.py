"""The `listen:` and `admin:` of the file: where clients and admins connect, and whether it may be there."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from types import MappingProxyType

from router.answers import Redirect
from router.config.actions import read_redirect
from router.config.fields import Fields, one_or_more
from router.config.findings import Findings
from router.config.nodes import Items, Mapping, Node, Scalar
from router.config.sockets import KEYS as ACCESS
from router.config.sockets import socket_access
from router.config.tls import server_tls
from router.config.values import address, choice, yes_or_no
from router.settings import Listener, ListenerRole, ServerTls, Settings, SocketAccess
from router.table import Address, TcpAddress, UnixAddress, parse_address

_ROLES = MappingProxyType({each.value: each.name for each in ListenerRole})
_KEYS = ("address", "role", "proxy_protocol", "redirect", "tls", *ACCESS)


def listeners(node: Node | None, folder: Path, findings: Findings) -> tuple[Listener, ...]:
    """Where clients connect: an address, a mapping with `address` and more about it, or a list of these.

    Paths of files are relative to `folder`.
    """
    found: dict[Address, Listener] = {}
    for item in _items(node, findings, "`listen`"):
        read = _listener(item, folder, findings)
        if read is None:
            continue
        if read.address in found:
            _twice(read.address, item, findings, "`listen`")
        found[read.address] = read
    return tuple(found.values())


def _listener(node: Node, folder: Path, findings: Findings) -> Listener | None:
    fields: Fields | None = None
    where: Node | None = node
    preamble: bool | None = False
    tls: ServerTls | None = None
    redirect: Redirect | None = None
    role = ListenerRole.PROXY
    if isinstance(node, Mapping):
        fields = Fields(node, _KEYS, findings, "a listener")
        where = fields.need("address", "write `{address: 127.0.0.1:8080}`")
        said, shown = fields.get("proxy_protocol"), fields.get("tls")
        preamble = yes_or_no(said, findings, "`proxy_protocol`") if said else False
        tls = server_tls(shown, folder, findings) if shown else None
        leads = fields.get("redirect")
        redirect = read_redirect(leads, findings) if leads else None
        said = fields.get("role")
        role = ListenerRole((said and choice(said, findings, "`role`", _ROLES)) or ListenerRole.PROXY.value)
        if role is ListenerRole.SHADOW and redirect is not None:
            findings.add(
                "S012",
                "a listener for mirrored requests redirects nobody",
                fields.place("redirect"),
                fix="remove `redirect`, or give it a listener of its own",
            )
    parsed = address(where, findings, "`listen`") if where is not None else None
    if parsed is None:
        return None
    access = socket_access(fields, (parsed,), findings) if fields is not None else SocketAccess()
    listener = Listener(
        address=parsed,
        role=role,
        proxy_protocol=bool(preamble),
        tls=tls,
        redirect=redirect,
        access=access,
    )
    if redirect is not None and redirect.to == f"{listener.scheme.decode()}://$host$request_uri":
        findings.add(
            "R132",
            f"{listener} redirects requests to where they came from",
            node.source,
            fix="write `redirect: 'https://$host$request_uri'` at a listener without `tls`",
        )
    return listener


def _addresses(node: Node | None, findings: Findings, what: str) -> tuple[Address, ...]:
    found: dict[Address, None] = {}
    for item in _items(node, findings, what):
        parsed = address(item, findings, what)
        if parsed in found:
            _twice(parsed, item, findings, what)
        elif parsed is not None:
            found[parsed] = None
    return tuple(found)


def _items(node: Node | None, findings: Findings, what: str) -> tuple[Node, ...]:
    if isinstance(node, Items) and not node.items:
        findings.add(
            "S010", f"{what} lists none", node.source, fix="list an address, or remove it for the default"
        )
    return one_or_more(node)


def _twice(where: Address, node: Node, findings: Findings, what: str) -> None:
    findings.add("S013", f"{where} stands twice in {what}", node.source, fix="keep one of them")


def admin_addresses(
    node: Node | None, findings: Findings, *, judged: bool
) -> tuple[tuple[Address, ...], bool, SocketAccess]:
    """Where the admin listener is, whether the file says that it may be off loopback, and who may connect."""
    public: bool | None = False
    fields: Fields | None = None
    if isinstance(node, Mapping):
        fields = Fields(node, ("listen", "public", *ACCESS), findings, "`admin`")
        said = fields.get("public")
        public = yes_or_no(said, findings, "`public`") if said else False
        node = fields.get("listen")
    found = _addresses(node, findings, "`admin`")
    for item in one_or_more(node) if judged and not public else ():
        parsed = _quietly(item)
        if parsed is not None and not is_loopback(parsed):
            findings.add(
                "H303",
                f"the admin listener {parsed} is not on loopback",
                item.source,
                fix=f"write `127.0.0.1:{getattr(parsed, 'port', 8081)}`, or say it in so many words: "
                f"`admin: {{listen: '{parsed}', public: true}}`",
            )
    access = socket_access(fields, found, findings) if fields is not None else SocketAccess()
    return found, bool(public), access


def _quietly(node: Node) -> Address | None:
    """The address, where it is one: what is wrong with it has been reported."""
    try:
        return parse_address(node.text) if isinstance(node, Scalar) else None
    except ValueError:
        return None


def is_loopback(where: Address) -> bool:
    """Whether only this machine can reach a listener there."""
    if isinstance(where, UnixAddress) or where.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(where.host).is_loopback
    except ValueError:
        return False


def loops(settings: Settings, where: Address) -> bool:
    """Whether an endpoint there is one of the router's own listeners."""
    return any(
        _same_listener(own, where) for own in (*(each.address for each in settings.listen), *settings.admin)
    )


def _same_listener(own: Address, where: Address) -> bool:
    if own == where:
        return not (isinstance(own, TcpAddress) and own.port == 0)
    if isinstance(own, UnixAddress) or isinstance(where, UnixAddress):
        return False
    everywhere = own.host in ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to
    return own.port == where.port and is_loopback(where) and (everywhere or is_loopback(own))
