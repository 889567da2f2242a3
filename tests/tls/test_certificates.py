"""Certificates in files: what is wrong with them is said, and a bad one changes nothing."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from router.errors import CertificateUnusable
from router.settings import CertificateFiles
from router.table import ClientTls
from router.tls.certificates import CertificateStore, ClientStore, load_pair
from router.tls.contexts import server_context
from tests.authority import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def encrypt(files: CertificateFiles, form: PrivateFormat) -> None:
    key = load_pem_private_key(Path(files.key).read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    Path(files.key).write_bytes(key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"secret")))


def encrypt_as_before(files: CertificateFiles) -> None:
    encrypt(files, PrivateFormat.TraditionalOpenSSL)


def another_key(files: CertificateFiles) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    Path(files.key).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def key_of_another_kind(files: CertificateFiles) -> None:
    key = rsa.generate_private_key(65537, 2048)
    Path(files.key).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def chain_turned_round(files: CertificateFiles) -> None:
    chain = Path(files.certificate).read_bytes()
    authority = (Path(files.certificate).parent / "ca.pem").read_bytes()
    Path(files.certificate).write_bytes(authority + chain)


def folder_for_a_key(files: CertificateFiles) -> None:
    Path(files.key).unlink()
    Path(files.key).mkdir()


def key_for_a_certificate(files: CertificateFiles) -> None:
    Path(files.certificate).write_bytes(Path(files.key).read_bytes())


def in_der(files: CertificateFiles) -> None:
    chain = Path(files.certificate).read_text()
    Path(files.certificate).write_bytes(ssl.PEM_cert_to_DER_cert(chain))


def broken_inside(files: CertificateFiles) -> None:
    lines = Path(files.certificate).read_text().splitlines()
    lines[3] = "A" * len(lines[3])
    Path(files.certificate).write_text("\n".join(lines[:6] + lines[-1:]) + "\n")


WRONG: list[tuple[str, Callable[[CertificateFiles], object], str, str]] = [
    ("no certificate", lambda files: Path(files.certificate).unlink(), "No such file", "from the folder of"),
    ("no key", lambda files: Path(files.key).unlink(), "the key .*No such file", "from the folder of"),
    ("a folder", folder_for_a_key, "Is a directory", "may read"),
    ("empty", lambda files: Path(files.certificate).write_text(""), "no certificate in PEM", "BEGIN CERT"),
    ("DER", in_der, "no certificate in PEM", "openssl x509 -inform der"),
    ("broken", broken_inside, "cannot be read", "openssl x509"),
    ("swapped", key_for_a_certificate, "no certificate in PEM", "BEGIN CERT"),
    ("no PEM key", lambda files: Path(files.key).write_text("secret"), "no private key", "PRIVATE KEY"),
    ("encrypted", lambda files: encrypt(files, PrivateFormat.PKCS8), "is encrypted", "openssl pkey"),
    ("encrypted so far", encrypt_as_before, "is encrypted", "openssl pkey"),
    ("another key", another_key, "does not belong", "comes first"),
    ("another kind", key_of_another_kind, "does not belong", "comes first"),
    ("turned round", chain_turned_round, "does not belong", "comes first"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "message", "hint"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG]
)
def test_what_is_wrong_is_said_with_what_to_do(
    authority: Authority, spoil: Callable[[CertificateFiles], object], message: str, hint: str
) -> None:
    files = authority.issue("a.example")
    spoil(files)
    with pytest.raises(CertificateUnusable, match=message) as raised:
        load_pair(server_context(), files)
    assert hint in raised.value.hint


def test_one_file_may_hold_both(authority: Authority) -> None:
    files = authority.issue("a.example")
    both = Path(files.key).read_bytes() + Path(files.certificate).read_bytes()
    Path(files.certificate).write_bytes(both)
    one = CertificateFiles(certificate=files.certificate, key=files.certificate)
    assert load_pair(server_context(), one).names == ("a.example",)


def test_names_are_found_as_they_are_asked_for(authority: Authority) -> None:
    store = CertificateStore((authority.issue("a.example"), authority.issue("*.b.example", "a.example")))
    first, second = store.for_name("a.example"), store.for_name("x.b.example")
    assert first is not second
    assert store.for_name("A.EXAMPLE.") is first, "the first that has the name"
    assert second is not None
    for name in ("b.example", "x.y.b.example", "example", "", "*."):
        assert store.for_name(name) is None


def test_a_bad_file_leaves_the_old_certificates(authority: Authority) -> None:
    files = authority.issue("a.example")
    store = CertificateStore((files,))
    facts, context = store.facts, store.for_name("a.example")
    assert not store.changed()
    another_key(files)
    assert store.changed()
    with pytest.raises(CertificateUnusable):
        store.reload()
    assert store.facts is facts
    assert store.for_name("a.example") is context
    assert not store.changed(), "it is not said again before the file is another one"
    authority.issue("a.example", "b.example", chain=Path(files.certificate).name, key=Path(files.key).name)
    assert store.changed()
    store.reload()
    assert store.facts[0].names == ("a.example", "b.example")


def test_a_file_that_is_gone_has_changed(authority: Authority) -> None:
    files = authority.issue("a.example")
    store = CertificateStore((files,))
    Path(files.key).unlink()
    assert store.changed()


def test_endpoints_share_what_they_trust(authority: Authority) -> None:
    store = ClientStore()
    trusting = ClientTls(ca=str(authority.file))
    context = store.of(trusting)
    assert (ClientStore().in_use, store.in_use) == (False, True)
    assert store.of(ClientTls(ca=str(authority.file))) is context
    assert store.of(replace(trusting, server_name="a.example")) is not context
    assert not store.changed()


def test_what_endpoints_are_trusted_by_is_read_again(authority: Authority) -> None:
    own = authority.issue("router.example")
    store = ClientStore()
    tls = ClientTls(ca=str(authority.file), certificate=own.certificate, key=own.key)
    before = store.of(tls)
    trusted = before.get_ca_certs(binary_form=True)
    other = trustme.CA()
    other.cert_pem.write_to_path(str(authority.file))
    assert store.changed()
    assert store.of(tls) is before, "not before it is asked for"
    store.reload()
    assert not store.changed()
    assert store.of(tls) is not before
    assert store.of(tls).get_ca_certs(binary_form=True) not in ([], trusted)


def test_a_bad_file_leaves_what_is_trusted(authority: Authority) -> None:
    store = ClientStore()
    good, bad = (ClientTls(ca=str(authority.file), server_name=name) for name in ("a", "b"))
    before = [store.of(each) for each in (good, bad)]
    authority.file.write_text("half a certif")
    assert store.changed()
    with pytest.raises(CertificateUnusable, match="holds no certificate"):
        store.reload()
    assert [store.of(each) for each in (good, bad)] == before
    assert not store.changed(), "it is not said again before the file is another one"


def test_whoever_cannot_be_read_at_first_is_tried_again(authority: Authority) -> None:
    missing = authority.folder / "later.pem"
    store = ClientStore()
    with pytest.raises(CertificateUnusable):
        store.of(ClientTls(ca=str(missing)))
    missing.write_bytes(authority.file.read_bytes())
    assert store.of(ClientTls(ca=str(missing))).get_ca_certs()
