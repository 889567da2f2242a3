"""What is read from certificates, held against the library that made them."""

from __future__ import annotations

import datetime as dt
import ssl

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from router.tls.x509 import read_certificate

KEY = ec.generate_private_key(ec.SECP256R1())
MOMENTS = st.datetimes(dt.datetime(1951, 1, 1), dt.datetime(2200, 1, 1)).map(  # noqa: DTZ001 - given a zone below
    lambda each: each.replace(microsecond=0, tzinfo=dt.UTC)
)
LABELS = st.from_regex(r"[a-z0-9]{1,12}", fullmatch=True)
NAMES = st.lists(
    st.builds(lambda star, one, two: f"{star}{one}.{two}", st.sampled_from(["", "*."]), LABELS, LABELS)
)


def made(names: list[str], begin: dt.datetime, end: dt.datetime, *, serial: int = 1) -> bytes:
    nobody = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    builder = x509.CertificateBuilder(nobody, nobody, KEY.public_key(), serial, begin, end).add_extension(
        x509.BasicConstraints(ca=False, path_length=None), critical=True
    )
    if names:
        general = [x509.DNSName(name) for name in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


@given(NAMES, MOMENTS, MOMENTS, st.integers(1, 2**150))
def test_names_and_dates_are_those_that_were_written(
    names: list[str], one: dt.datetime, other: dt.datetime, serial: int
) -> None:
    begin, end = min(one, other), max(one, other)
    facts = read_certificate(made(names, begin, end, serial=serial))
    assert facts.names == tuple(names)
    assert (facts.not_before, facts.not_after) == (begin.timestamp(), end.timestamp())


def test_names_of_all_kinds() -> None:
    leaf = trustme.CA().issue_cert("Matrix.Example", "*.example.org", "127.0.0.1", "::1", "a@b.example")
    facts = read_certificate(ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode()))
    assert sorted(facts.names) == ["*.example.org", "127.0.0.1", "::1", "matrix.example"]


@given(st.binary(max_size=60))
def test_what_is_no_certificate_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_certificate(data)


@given(st.integers(0, 400))
def test_a_certificate_that_is_cut_is_refused(size: int) -> None:
    whole = made(
        ["a.example"],
        dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
        dt.datetime(2034, 1, 1, tzinfo=dt.UTC),
    )
    with pytest.raises(ValueError, match=r"."):
        read_certificate(whole[: min(size, len(whole) - 1)])
