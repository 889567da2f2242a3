"""What a certificate says of itself, as far as a listener has to know: its names and its dates (RFC 5280)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

_UTC_TIME = 0x17
_EXTENSIONS, _DNS_NAME, _IP_ADDRESS = 0xA3, 0x82, 0x87
_SUBJECT_ALT_NAME = bytes((0x55, 0x1D, 0x11))
"""The object identifier 2.5.29.17."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """`names` are the host names and addresses of the subjectAltName, in lower case, wildcards as `*.name`.

    `not_before` and `not_after` are seconds since 1970.
    """

    names: tuple[str, ...]
    not_before: float
    not_after: float


def read_certificate(der: bytes) -> CertificateFacts:
    """Reads one certificate; raises ValueError for what is none."""
    try:
        ((_, certificate),) = _elements(der)
        (_, body), *_ = _elements(certificate)
        fields = list(_elements(body))
        # A version stands before the others only where it is not the first one.
        begin = 1 if fields[0][0] == 0xA0 else 0
        _, _, _, (_, validity), _, _, *rest = fields[begin:]
        before, after = (_moment(tag, value) for tag, value in _elements(validity))
        return CertificateFacts(names=tuple(_names(rest)), not_before=before, not_after=after)
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError("the certificate cannot be read") from error


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element, in the distinguished encoding (X.690)."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length >= 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
        if at + length > len(data):
            raise ValueError("the certificate ends too early")
        yield tag, data[at : at + length]
        at += length


def _moment(tag: int, value: bytes) -> float:
    form = "%y%m%d%H%M%SZ" if tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
    moment = datetime.strptime(value.decode("ascii"), form).replace(tzinfo=UTC)
    if tag == _UTC_TIME and moment.year >= 2050:
        # RFC 5280 section 4.1.2.5.1: two digits from 50 on are of the last century.
        moment = moment.replace(year=moment.year - 100)
    return moment.timestamp()


def _names(rest: list[tuple[int, bytes]]) -> Iterator[str]:
    for tag, content in rest:
        if tag != _EXTENSIONS:
            continue
        ((_, extensions),) = _elements(content)
        for _, extension in _elements(extensions):
            (_, name), *_, (_, value) = _elements(extension)
            if name == _SUBJECT_ALT_NAME:
                ((_, names),) = _elements(value)
                yield from _general_names(names)


def _general_names(names: bytes) -> Iterator[str]:
    for tag, value in _elements(names):
        if tag == _DNS_NAME:
            yield value.decode("ascii").lower()
        elif tag == _IP_ADDRESS:
            yield str(ipaddress.ip_address(value))
