"""The `tls:` of a listener and of an endpoint: certificates to show and to trust, and whether they can be."""

from __future__ import annotations

import time
from pathlib import Path

from router.config.fields import Fields, mapping
from router.config.findings import Findings
from router.config.nodes import Items, Node, Scalar
from router.config.values import kind_of, seconds, short, word, yes_or_no
from router.errors import CertificateUnusable, Source
from router.guard import numeric
from router.settings import HSTS, CertificateFiles, ServerTls
from router.table import ClientTls, is_host_name
from router.tls.certificates import load_client, load_pair
from router.tls.contexts import server_context
from router.tls.x509 import CertificateFacts

_PAIR = ("certificate", "key")
_SERVER = (*_PAIR, "certificates", "hsts")
_WRITE = "write `{certificate: fullchain.pem, key: privkey.pem}`"

_FILES = ("ca", "certificate", "key")
_CLIENT = (*_FILES, "server_name")

LONGEST_HSTS = 10 * 366 * 86400.0
"""Ten years in seconds: more is a slip of the hand."""

_OFF = frozenset({"off", "no", "false", "none"})


def server_tls(node: Node, folder: Path, findings: Findings) -> ServerTls | None:
    """What a listener shows; None where a finding says why it cannot. Paths are relative to `folder`."""
    fields = mapping(node, _SERVER, findings, "`tls`", fix=_WRITE)
    if fields is None:
        return None
    before = findings.errors
    several = fields.get("certificates")
    if several is not None and "certificate" in fields.keys:
        findings.add(
            "S010",
            "`certificate` and `certificates` stand side by side",
            fields.place("certificate"),
            why="the first is for clients that ask for no other's name, and it would be a guess which",
            fix="put it into the list",
        )
        return None
    if several is None:
        found = [_pair(fields, folder, findings)]
    elif isinstance(several, Items) and several.items:
        found = [_listed(item, folder, findings) for item in several.items]
    else:
        findings.add(
            "S009",
            f"`certificates` is a list of certificates and keys, not {kind_of(several)}"
            if not isinstance(several, Items)
            else "`certificates` lists none",
            several.source,
            fix=_WRITE + ", one for each",
        )
        found = []
    hsts = _hsts(fields, findings)
    pairs = tuple(each for each in found if each is not None)
    if findings.errors > before or hsts is None or not pairs:
        return None
    return ServerTls(certificates=pairs, hsts=hsts)


def _listed(node: Node, folder: Path, findings: Findings) -> CertificateFiles | None:
    fields = mapping(node, _PAIR, findings, "a certificate", fix=_WRITE)
    return _pair(fields, folder, findings) if fields is not None else None


def _pair(fields: Fields, folder: Path, findings: Findings) -> CertificateFiles | None:
    certificate = fields.need("certificate", _WRITE)
    path = _path(certificate, "`certificate`", folder, findings)
    written = fields.get("key")
    key = _path(written, "`key`", folder, findings) if written is not None else path
    if path is None or key is None or certificate is None:
        return None
    files = CertificateFiles(certificate=path, key=key, source=certificate.source)
    _try(files, written.source if written is not None else certificate.source, findings)
    return files


def _path(node: Node | None, what: str, folder: Path, findings: Findings) -> str | None:
    scalar = word(node, findings, what) if node is not None else None
    return str(folder / scalar.text) if scalar is not None else None


def _try(files: CertificateFiles, key: Source, findings: Findings) -> None:
    try:
        facts = load_pair(server_context(), files)
    except CertificateUnusable as error:
        at_key = f"{files.key} " in error.message and files.key != files.certificate
        findings.add("H321", error.message, key if at_key else files.source, fix=error.hint)
        return
    _judge(facts, files, findings)


def _judge(facts: CertificateFacts, files: CertificateFiles, findings: Findings) -> None:
    now = time.time()
    renew = "renew it, and send SIGHUP or wait a minute: it is read again without a restart"
    if facts.not_after < now:
        findings.add(
            "H322", f"{files.certificate} expired on {_day(facts.not_after)}", files.source, fix=renew
        )
    elif facts.not_before > now:
        findings.add(
            "H322",
            f"{files.certificate} is not valid before {_day(facts.not_before)}",
            files.source,
            fix="look at this machine's clock, or use the one that is valid now",
        )
    if not facts.names:
        findings.add(
            "H322",
            f"{files.certificate} names no host",
            files.source,
            why="clients look for the host in its subjectAltName, and nowhere else since RFC 9525",
            fix="have it issued with the host's name as a subjectAltName",
        )


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))


def _hsts(fields: Fields, findings: Findings) -> int | None:
    node = fields.get("hsts")
    if node is None:
        return HSTS
    scalar = word(node, findings, "`hsts`")
    if scalar is None:
        return None
    if scalar.text.lower() in _OFF:
        return 0
    read = seconds(node, findings, "`hsts`", zero=True, most=LONGEST_HSTS)
    return None if read is None else int(read)


def client_tls(node: Node, folder: Path, findings: Findings, *, named: bool) -> ClientTls | None:
    """How an endpoint is spoken to: `true`, or who is trusted, what it is called, and what it is shown.

    `named` says whether the endpoint has a host that its certificate can name. There is no word for not
    verifying: whoever has a certificate that nobody signed names that one as `ca`.
    """
    if isinstance(node, Scalar):
        said = yes_or_no(node, findings, "`tls`")
        if said and not named:
            _without_name(node, findings)
            return None
        return ClientTls() if said else None
    fields = mapping(node, _CLIENT, findings, "`tls`", fix="write `true` or `{ca: ca.pem}`")
    if fields is None:
        return None
    before = findings.errors
    ca, certificate, key = (_path(fields.get(each), f"`{each}`", folder, findings) for each in _FILES)
    written = fields.get("server_name")
    scalar = word(written, findings, "`server_name`") if written is not None else None
    if scalar is not None and not (is_host_name(scalar.text) or numeric(scalar.text)):
        findings.add(
            "S014",
            f"`{short(scalar.text)}` is not a name that a certificate has",
            scalar.source,
            why="the endpoint's certificate has to name it, and SNI asks for it",
            fix="write a host name or an address",
        )
    if scalar is None and not named:
        _without_name(node, findings)
    if key is not None and certificate is None:
        findings.add("S010", "`key` has no `certificate`", fields.place("key"), fix="write both, or neither")
    if findings.errors > before:
        return None
    tls = ClientTls(
        ca=ca,
        server_name=scalar.text if scalar is not None else None,
        certificate=certificate,
        key=key or certificate,
    )
    try:
        load_client(tls)
    except CertificateUnusable as error:
        place = "ca" if ca is not None and ca in error.message else "certificate"
        findings.add(
            "H321",
            error.message,
            fields.place(place),
            why="without them the endpoint could not be verified, or would turn the router away",
            fix=error.hint,
        )
        return None
    return tls


def _without_name(node: Node, findings: Findings) -> None:
    findings.add(
        "S010",
        "a unix socket has no host name that a certificate could have",
        node.source,
        fix="write `tls: {server_name: matrix.example.org}`, or leave TLS out: nobody listens in there",
    )
