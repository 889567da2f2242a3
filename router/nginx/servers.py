"""Which `server` takes a request, and where the servers listen.

Source: ngx_http_core_module, "listen" and "server_name"; nginx.org, "How nginx processes a request".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from router.config.findings import Findings
from router.nginx.directives import Directive
from router.nginx.pcre import to_re2
from router.settings import HSTS, CertificateFiles, Listener, ServerTls
from router.table import Address, Condition, TcpAddress, UnixAddress, parse_address


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """One `listen` of one server."""

    address: Address
    words: tuple[str, ...]
    directive: Directive

    @property
    def port(self) -> int:
        """As `$server_port`; 0 for a unix socket."""
        return self.address.port if isinstance(self.address, TcpAddress) else 0


def listens(server: Directive, findings: Findings) -> list[Listen]:
    """Where a server listens: on port 80 unless it says otherwise."""
    found = []
    lines = tuple(server.all("listen")) or (Directive(name="listen", args=("80",), source=server.source),)
    for each in lines:
        try:
            found.append(Listen(address=_address(each.args[0]), words=each.args[1:], directive=each))
        except ValueError as error:
            findings.add("N404", f"`listen` cannot be read: {error}", each.source, fix="nginx -t tells more")
    return found


def _address(text: str) -> Address:
    if text.startswith("unix:"):
        return UnixAddress(path=text.removeprefix("unix:"))
    if text.isdigit():
        return TcpAddress(host="0.0.0.0", port=int(text))  # noqa: S104 - what the file says
    if text.startswith("*:"):
        return TcpAddress(host="0.0.0.0", port=int(text[2:]))  # noqa: S104 - the same
    has_port = re.search(r":\d+\Z", text) and not text.endswith("]")
    return parse_address(text if has_port else f"{text}:80")


Chosen = tuple[tuple[Condition, ...], Directive]
"""What a request has to be like to come to a server."""


def choose_server(places: Sequence[tuple[Directive, Sequence[Listen]]]) -> list[Chosen]:
    """All servers in order, first match wins, for each port; raises NotCarried for a pattern of a name.

    A port is asked for only where not all ports have the same servers, a name where a port has several.
    """
    ports = sorted({each.port for _, listened in places for each in listened})
    by_port = {port: _of_port(places, port) for port in ports}
    chosen: list[Chosen] = []
    if len({tuple(id(each[1]) for each in found) for found in by_port.values()}) <= 1:
        return by_port[ports[0]] if ports else []
    for port, found in by_port.items():
        asked = Condition(kind="port", pattern=rf"\A{port or ''}\z")
        chosen += [((asked, *conditions), server) for conditions, server in found]
    return chosen


def _of_port(places: Sequence[tuple[Directive, Sequence[Listen]]], port: int) -> list[Chosen]:
    there = [(server, each) for server, listened in places for each in listened if each.port == port]
    servers = list({id(server): server for server, _ in there}.values())
    default = next((server for server, each in there if "default_server" in each.words), servers[0])
    if len(servers) == 1:
        return [((), default)]
    named = sorted(
        ((_rank(name), server, name) for server in servers for name in _names(server)),
        key=lambda each: each[0],
    )
    found = [
        ((Condition(kind="host", pattern=_pattern(name)),), server)
        for _, server, name in named
        if name not in ("_", "")
    ]
    return [*found, ((), default)]


def _names(server: Directive) -> list[str]:
    return [name for each in server.all("server_name") for name in each.args]


def _rank(name: str) -> tuple[int, int]:
    """Exact names first, then the longest `*.x`, then the longest `x.*`, then patterns in order."""
    if name.startswith("~"):
        return 3, 0
    if name.startswith(("*.", ".")):
        return 1, -len(name)
    return (2, -len(name)) if name.endswith(".*") else (0, 0)


def _pattern(name: str) -> str:
    if name.startswith("~"):
        return to_re2(name[1:], caseless=True)
    quoted = re.escape(name.lower()).replace(r"\-", "-")
    if name.startswith("."):
        return rf"(?:\A|\.){quoted[2:]}\z"
    if name.startswith("*."):
        return rf".\.{re.escape(name[2:].lower())}\z"
    if name.endswith(".*"):
        return rf"\A{re.escape(name[:-2].lower())}\.."
    return rf"\A{quoted}\z"


def listeners(
    places: Sequence[tuple[Directive, Sequence[Listen]]], findings: Findings
) -> tuple[Listener, ...]:
    """The router's listeners: each address once, with the certificates of all its servers."""
    found: dict[Address, Listener] = {}
    for server, listened in places:
        tls = _tls(server, findings) if any("ssl" in each.words for each in listened) else None
        for each in listened:
            known = found.get(each.address, Listener(address=each.address))
            if "ssl" in each.words and tls is not None:
                certificates = (*(known.tls.certificates if known.tls else ()), *tls.certificates)
                tls_of_all = ServerTls(certificates=tuple(dict.fromkeys(certificates)), hsts=tls.hsts)
                known = replace(known, tls=tls_of_all)
            found[each.address] = replace(
                known, proxy_protocol=known.proxy_protocol or "proxy_protocol" in each.words
            )
            for word in set(each.words) & {"http2", "quic", "spdy"}:
                findings.add(
                    "N402",
                    f"`listen … {word}`: clients speak HTTP/1.1 to the router",
                    each.directive.source,
                    fix="nothing has to be done: clients choose it by themselves",
                )
    return tuple(found.values())


def _tls(server: Directive, findings: Findings) -> ServerTls | None:
    pairs = zip(server.all("ssl_certificate"), server.all("ssl_certificate_key"), strict=False)
    certificates = tuple(
        CertificateFiles(certificate=chain.args[0], key=key.args[0], source=chain.source)
        for chain, key in pairs
    )
    if not certificates:
        findings.add(
            "N404",
            "the server speaks TLS and names no certificate",
            server.source,
            fix="write `tls:` for the listener by hand",
        )
        return None
    return ServerTls(certificates=certificates, hsts=_hsts(server))


def _hsts(server: Directive) -> int:
    for each in (
        *server.all("add_header"),
        *(one for at in server.all("location") for one in at.all("add_header")),
    ):
        if each.args[0].lower() == "strict-transport-security":
            seconds = re.search(r"max-age=(\d+)", each.args[1])
            return int(seconds[1]) if seconds else HSTS
    return 0
