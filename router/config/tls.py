"""The `tls:` of a listener: which certificates it shows, and whether they can be shown."""

from __future__ import annotations

import time
from pathlib import Path

from router.config.fields import Fields, mapping
from router.config.findings import Findings
from router.config.nodes import Items, Node
from router.config.values import kind_of, seconds, word
from router.errors import CertificateUnusable, Source
from router.settings import HSTS, CertificateFiles, ServerTls
from router.tls.certificates import load_pair
from router.tls.contexts import server_context
from router.tls.x509 import CertificateFacts

_PAIR = ("certificate", "key")
_SERVER = (*_PAIR, "certificates", "hsts")
_WRITE = "write `{certificate: fullchain.pem, key: privkey.pem}`"

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
