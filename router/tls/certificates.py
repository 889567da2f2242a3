"""Certificates and keys in files: read, held against each other, and read again when they have changed."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable
from pathlib import Path

from router.errors import CertificateUnusable
from router.settings import CertificateFiles
from router.table import ClientTls
from router.tls.contexts import client_context, server_context
from router.tls.x509 import CertificateFacts, read_certificate

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")

LARGEST = 1 << 20
"""Bytes of a file: more is no chain of certificates."""

_DER = b"\x30"
_STRANGERS = frozenset({"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"})
"""What OpenSSL calls it when certificate and key are not a pair; the last where they are of two kinds."""

_OWN_FIRST = (
    "the server's own certificate comes first in its file, then those that signed it; or name its key"
)


def _read(path: str, what: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST)
    except OSError as error:
        raise CertificateUnusable(
            f"{what} {path} cannot be read: {error.strerror}",
            hint="write where it lies, beginning with `/` or from the folder of this file"
            if isinstance(error, FileNotFoundError)
            else "it must be a file that the user whom the router runs as may read",
        ) from None
    return content


def read_chain(path: str) -> CertificateFacts:
    """What the first certificate of a file says; raises CertificateUnusable."""
    content = _read(path, "the certificate")
    found = _CERTIFICATE.search(content)
    if found is None:
        hint = "give the file that begins with `-----BEGIN CERTIFICATE-----`"
        if content.startswith(_DER):
            hint = f"it looks like DER: `openssl x509 -inform der -in {path} -out certificate.pem`"
        raise CertificateUnusable(f"{path} holds no certificate in PEM", hint=hint)
    try:
        return read_certificate(ssl.PEM_cert_to_DER_cert(found[0].decode("ascii")))
    except ValueError:
        raise CertificateUnusable(
            f"the certificate in {path} cannot be read", hint="`openssl x509 -in` that file says more"
        ) from None


def load_pair(context: ssl.SSLContext, files: CertificateFiles) -> CertificateFacts:
    """Puts a chain and its key into the context; raises CertificateUnusable, which says what to do."""
    facts = read_chain(files.certificate)
    key = _read(files.key, "the key")
    if not _KEY.search(key):
        raise CertificateUnusable(
            f"{files.key} holds no private key in PEM",
            hint="give the file that has `PRIVATE KEY` in its first line",
        )
    if b"ENCRYPTED" in key:
        raise CertificateUnusable(
            f"the key {files.key} is encrypted, and nobody could be asked for its password",
            hint=f"write it without one: `openssl pkey -in {files.key} -out key.pem`, for its owner alone",
        )
    try:
        context.load_cert_chain(files.certificate, files.key, password=lambda: b"")
    except ssl.SSLError as error:
        raise _unusable(error, files) from None
    except (OSError, ValueError) as error:
        raise CertificateUnusable(f"{files.certificate} and {files.key}: {error}") from None
    return facts


def _unusable(error: ssl.SSLError, files: CertificateFiles) -> CertificateUnusable:
    reason = error.reason or str(error)
    if reason in _STRANGERS:
        return CertificateUnusable(
            f"the key {files.key} does not belong to the first certificate of {files.certificate}",
            hint=_OWN_FIRST,
        )
    return CertificateUnusable(
        f"{files.certificate} with the key {files.key} cannot be used: {reason.lower().replace('_', ' ')}",
        hint="`openssl verify` and `openssl pkey -check` on these files say more",
    )


def load_client(tls: ClientTls) -> ssl.SSLContext:
    """How an endpoint is spoken to; raises CertificateUnusable for files that cannot be used."""
    context = client_context()
    if tls.ca is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        read_chain(tls.ca)
        try:
            context.load_verify_locations(tls.ca)
        except (ssl.SSLError, OSError) as error:
            raise CertificateUnusable(
                f"{tls.ca} cannot be used: {error}", hint="give a file of certificates in PEM"
            ) from None
        # So that a server's own certificate may stand there, whoever signed it.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if tls.certificate is not None and tls.key is not None:
        load_pair(context, CertificateFiles(certificate=tls.certificate, key=tls.key))
    return context


class ClientStore:
    """How each endpoint is spoken to: made when one is first connected to, or when all are read again.

    `facts` are of no certificate: what matters is what the endpoints show.
    """

    __slots__ = ("_contexts", "_stamps")

    facts: tuple[CertificateFacts, ...] = ()

    def __init__(self) -> None:
        self._contexts: dict[ClientTls, ssl.SSLContext] = {}
        self._stamps: tuple[object, ...] = ()

    @property
    def in_use(self) -> bool:
        """Whether there is anything to read again."""
        return bool(self._contexts)

    def of(self, tls: ClientTls) -> ssl.SSLContext:
        """Raises CertificateUnusable where its files cannot be used."""
        context = self._contexts.get(tls)
        if context is None:
            context = self._contexts[tls] = load_client(tls)
            self._stamps = self._look()
        return context

    def reload(self) -> None:
        """All of them anew, or none; raises CertificateUnusable."""
        self._stamps = self._look()
        self._contexts = {tls: load_client(tls) for tls in self._contexts}

    def changed(self) -> bool:
        """Whether a file is another one than when it was last read, well or not."""
        return self._look() != self._stamps

    def _look(self) -> tuple[object, ...]:
        return tuple(
            _stamp(path)
            for tls in self._contexts
            for path in (tls.ca, tls.certificate, tls.key)
            if path is not None
        )


class CertificateStore:
    """The certificates of one listener: by name, the first for whoever asks for none of theirs.

    A reload makes everything anew and only then takes the place of what was, so that a file that is half
    written changes nothing. Raises CertificateUnusable, then and when it is made.
    """

    __slots__ = ("_by_name", "_files", "_front", "_stamps", "facts")

    in_use = True

    def __init__(self, files: Iterable[CertificateFiles]) -> None:
        self._files = tuple(files)
        self.reload()

    def reload(self) -> None:
        """Reads every file again; connections that are open go on with what they have."""
        self._stamps = self._look()
        by_name: dict[str, ssl.SSLContext] = {}
        loaded: list[tuple[ssl.SSLContext, CertificateFacts]] = []
        for files in self._files:
            context = server_context()
            facts = load_pair(context, files)
            loaded.append((context, facts))
            for name in facts.names:
                by_name.setdefault(name, context)
        self._by_name = by_name
        self._front = loaded[0][0]
        self._front.sni_callback = self._choose
        self.facts = tuple(facts for _, facts in loaded)

    def changed(self) -> bool:
        """Whether a file is another one than when it was last read, well or not."""
        return self._look() != self._stamps

    def _look(self) -> tuple[object, ...]:
        return tuple(_stamp(path) for files in self._files for path in (files.certificate, files.key))

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        """Before the certificate is shown (RFC 6066 section 3); without a fitting one the first stays."""
        chosen = self.for_name(name) if name else None
        if chosen is not None:
            connection.context = chosen

    def for_name(self, name: str) -> ssl.SSLContext | None:
        """Of that very name, else of the wildcard over its first label (RFC 6125 section 6.4.3)."""
        name = name.lower().rstrip(".")
        return self._by_name.get(name) or self._by_name.get(f"*.{name.partition('.')[2]}")

    @property
    def shown(self) -> tuple[tuple[CertificateFiles, CertificateFacts], ...]:
        """Each certificate that clients may get now, and its files."""
        return tuple(zip(self._files, self.facts, strict=True))

    def wrap(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
        """The server's side of one connection."""
        return self._front.wrap_bio(incoming, outgoing, server_side=True)


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
