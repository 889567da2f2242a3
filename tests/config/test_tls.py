"""The `tls:` of a listener: what it may say, and what is found wrong with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from router.config.codes import Severity
from router.config.findings import Finding
from router.config.loader import Loaded, load
from router.settings import HSTS
from router.table import ClientTls
from tests.authority import Authority
from tests.config.files import CLEAN


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    authority = Authority(tmp_path)
    authority.issue("a.example", chain="chain.pem", key="key.pem")
    authority.issue("b.example", chain="other.pem", key="other-key.pem")
    return authority


def loaded(folder: Path, tls: str) -> Loaded:
    file = folder / "routes.yaml"
    file.write_text(f"listen: [{{address: '127.0.0.1:443', tls: {tls}}}]\n{CLEAN}", encoding="utf-8")
    return load(file)


def only(result: Loaded) -> Finding:
    (finding,) = result.findings
    return finding


PAIR = "certificate: chain.pem, key: key.pem"


def test_paths_are_relative_to_the_file(authority: Authority) -> None:
    config = loaded(authority.folder, f"{{certificate: chain.pem, key: {authority.folder}/key.pem}}").config
    assert config is not None
    tls = config.settings.listen[0].tls
    assert tls is not None
    (files,) = tls.certificates
    assert (files.certificate, files.key) == tuple(
        str(authority.folder / each) for each in ("chain.pem", "key.pem")
    )
    assert tls.hsts == HSTS


def test_several_in_their_order(authority: Authority) -> None:
    both = f"{{certificates: [{{certificate: other.pem, key: other-key.pem}}, {{{PAIR}}}]}}"
    config = loaded(authority.folder, both).config
    assert config is not None
    tls = config.settings.listen[0].tls
    assert tls is not None
    assert [Path(files.certificate).name for files in tls.certificates] == ["other.pem", "chain.pem"]


def test_the_key_may_be_in_the_same_file(authority: Authority) -> None:
    chain, key = authority.folder / "chain.pem", authority.folder / "key.pem"
    chain.write_bytes(chain.read_bytes() + key.read_bytes())
    assert loaded(authority.folder, "{certificate: chain.pem}").findings == ()


@pytest.mark.parametrize(
    ("hsts", "seconds"), [("off", 0), ("0s", 0), ("365d", 31_536_000), ("730d", HSTS), ("1h", 3600)]
)
def test_hsts(authority: Authority, hsts: str, seconds: int) -> None:
    config = loaded(authority.folder, f"{{{PAIR}, hsts: {hsts}}}").config
    assert config is not None
    tls = config.settings.listen[0].tls
    assert tls is not None
    assert tls.hsts == seconds


@pytest.mark.parametrize(
    ("tls", "code", "words"),
    [
        ("{certificate: none.pem, key: key.pem}", "H321", "none.pem cannot be read: No such file"),
        ("{certificate: chain.pem, key: none.pem}", "H321", "none.pem cannot be read: No such file"),
        ("{certificate: chain.pem, key: other-key.pem}", "H321", "does not belong"),
        ("{certificate: chain.pem}", "H321", "holds no private key"),
        ("{key: key.pem}", "S010", "has no `certificate:`"),
        ("{}", "S010", "has no `certificate:`"),
        ("chain.pem", "S009", "`tls` is a mapping"),
        ("true", "S009", "`tls` is a mapping"),
        (f"{{{PAIR}, protocols: TLSv1}}", "S008", "`protocols` is not a key"),
        (f"{{{PAIR}, hsts: 100}}", "S011", "`hsts` is a time"),
        (f"{{{PAIR}, hsts: 20000d}}", "S011", "`hsts` is a time"),
        ("{certificates: []}", "S009", "lists none"),
        ("{certificates: chain.pem}", "S009", "is a list"),
        ("{certificates: [chain.pem]}", "S009", "a certificate is a mapping"),
        (
            "{certificates: [{certificate: chain.pem, key: key.pem, hsts: off}]}",
            "S008",
            "`hsts` is not a key",
        ),
        (f"{{{PAIR}, certificates: [{{{PAIR}}}]}}", "S010", "side by side"),
    ],
)
def test_what_is_wrong_has_its_place(authority: Authority, tls: str, code: str, words: str) -> None:
    result = loaded(authority.folder, tls)
    finding = only(result)
    assert finding.code == code
    assert words in finding.message
    assert finding.fix
    assert result.config is None
    assert finding.source is not None
    assert finding.source.line == 1
    assert finding.source.column > len("listen: [{address: '127.0.0.1:443', ")


def test_the_caret_stands_under_the_file_that_is_wrong(authority: Authority) -> None:
    for text, wrong in (
        ("{certificate: none.pem, key: key.pem}", "none.pem"),
        ("{certificate: chain.pem, key: gone}", "gone"),
    ):
        result = loaded(authority.folder, text)
        source = only(result).source
        assert source is not None
        assert result.document.lines[0][source.column - 1 :].startswith(wrong)


def test_an_expired_certificate_is_a_warning(authority: Authority) -> None:
    authority.issue("a.example", chain="chain.pem", key="key.pem", until=datetime(2020, 2, 3, tzinfo=UTC))
    result = loaded(authority.folder, f"{{{PAIR}}}")
    finding = only(result)
    assert (finding.code, finding.severity) == ("H322", Severity.WARNING)
    assert "expired on 2020-02-03" in finding.message
    assert result.config is not None


@pytest.mark.parametrize(
    ("begin", "names", "words"),
    [(2020, [], "names no host"), (2090, ["a.example"], "not valid before 2090-01-01")],
)
def test_a_certificate_that_nobody_takes(tmp_path: Path, begin: int, names: list[str], words: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    nobody = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a.example")])
    dates = (datetime(begin, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
    builder = x509.CertificateBuilder(nobody, nobody, key.public_key(), 1, *dates)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(map(x509.DNSName, names))), False)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    (tmp_path / "chain.pem").write_bytes(pem)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(pem)
    finding = only(loaded(tmp_path, f"{{{PAIR}}}"))
    assert finding.code == "H322"
    assert words in finding.message


def endpoint(folder: Path, tls: str, address: str = "localhost:8448") -> Loaded:
    file = folder / "routes.yaml"
    file.write_text(
        f"upstreams: {{main: {{endpoints: [{{address: '{address}', tls: {tls}}}]}}}}\n"
        "routes: [{path: '^/', upstream: main}]\n",
        encoding="utf-8",
    )
    return load(file)


@pytest.mark.parametrize(
    ("tls", "spoken"),
    [
        ("true", ClientTls()),
        ("false", None),
        ("{}", ClientTls()),
        ("{ca: ca.pem}", ClientTls(ca="ca.pem")),
        ("{server_name: synapse.example}", ClientTls(server_name="synapse.example")),
        ("{server_name: '10.0.0.1'}", ClientTls(server_name="10.0.0.1")),
        ("{certificate: chain.pem, key: key.pem}", ClientTls(certificate="chain.pem", key="key.pem")),
    ],
)
def test_how_an_endpoint_is_spoken_to(authority: Authority, tls: str, spoken: ClientTls | None) -> None:
    config = endpoint(authority.folder, tls).config
    assert config is not None
    (found,) = config.table.upstreams["main"].endpoints
    if spoken is not None:
        paths = {
            each: str(authority.folder / written)
            for each in ("ca", "certificate", "key")
            if (written := getattr(spoken, each)) is not None
        }
        spoken = replace(spoken, **paths)
    assert found.tls == spoken


@pytest.mark.parametrize(
    ("tls", "address", "code", "words"),
    [
        ("maybe", "h:1", "S011", "`tls` is true or false"),
        ("[true]", "h:1", "S009", "`tls` is a mapping"),
        ("{verify: false}", "h:1", "S008", "`verify` is not a key"),
        ("{ca: none.pem}", "h:1", "H321", "none.pem cannot be read"),
        ("{ca: key.pem}", "h:1", "H321", "holds no certificate"),
        ("{certificate: chain.pem, key: other-key.pem}", "h:1", "H321", "does not belong"),
        ("{key: key.pem}", "h:1", "S010", "`key` has no `certificate`"),
        ("{server_name: 'a b'}", "h:1", "S014", "not a name that a certificate has"),
        ("true", "unix:/run/x", "S010", "no host name"),
        ("{ca: ca.pem}", "unix:/run/x", "S010", "no host name"),
    ],
)
def test_what_is_wrong_with_an_endpoint(
    authority: Authority, tls: str, address: str, code: str, words: str
) -> None:
    result = endpoint(authority.folder, tls, address)
    finding = only(result)
    assert finding.code == code
    assert words in finding.message
    assert "listener" not in finding.why
    assert "metrics" not in finding.why
    assert result.config is None


def test_one_endpoint_is_spoken_to_in_one_way(tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(
        "upstreams:\n  a: {endpoints: [{address: 'h:1', tls: true}]}\n  b: {endpoints: ['h:1']}\n"
        "routes: [{path: '^/a', upstream: a}, {path: '^/', upstream: b}]\n",
        encoding="utf-8",
    )
    finding = only(load(file))
    assert finding.code == "W221"
    assert finding.source is not None
    assert finding.source.line == 3
    assert finding.related[0].source.line == 2
