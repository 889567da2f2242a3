"""PROXY protocol preambles, v1 and v2: where one ends, and whose connection it says this is.

haproxy.org/download/2.6/doc/proxy-protocol.txt. A proxy that opens a connection begins it with one; nothing
is answered, and a connection that begins otherwise is no connection of that proxy's. More strictly than
HAProxy and nginx, v1 is read as the specification writes it: single blanks, no leading zeros in a port.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from router.errors import BadPreamble
from router.http1.fields import quote

LONGEST = 4096
"""Bytes of a v2 preamble, as in nginx; addresses need 36, the rest are TLVs."""

_V1 = b"PROXY "
_V1_LONGEST = 107
_V2 = b"\r\n\r\n\0\r\nQUIT\n"
_V2_FIXED = 16
_LOCAL, _PROXY = 0x20, 0x21
_SIZES = {0x0: 0, 0x1: 12, 0x2: 36, 0x3: 216}
"""Bytes of the addresses, by address family: unspecified, IPv4, IPv6, unix."""

_STREAM = 0x1
_MOST_TRANSPORT = 0x2


class Preamble(NamedTuple):
    """Bytes that it takes, and the client's address; `''` where that is the peer's own.

    So it is for v1 UNKNOWN, v2 LOCAL (a health check of the proxy's own), and what is neither TCP over IPv4
    nor over IPv6.
    """

    size: int
    source: str


def read_preamble(buffer: bytes) -> Preamble | None:
    """The preamble that `buffer` starts with; None where more bytes are needed.

    Raises BadPreamble as soon as the bytes cannot become one.
    """
    if buffer.startswith(_V1[: len(buffer)]):
        return _read_v1(buffer)
    if buffer.startswith(_V2[: len(buffer)]):
        return _read_v2(buffer)
    raise BadPreamble(f"a connection here begins with a PROXY preamble, not with {quote(buffer[:12])}")


def _read_v1(buffer: bytes) -> Preamble | None:
    end = buffer.find(b"\r\n", 0, _V1_LONGEST)
    if end < 0:
        if len(buffer) >= _V1_LONGEST:
            raise BadPreamble(f"a PROXY preamble of version 1 has at most {_V1_LONGEST} bytes")
        return None
    line = buffer[:end]
    words = line.split(b" ")
    if words[1] == b"UNKNOWN":
        return Preamble(end + 2, "")
    if len(words) == 6 and words[1] in (b"TCP4", b"TCP6"):
        kind = IPv4Address if words[1] == b"TCP4" else IPv6Address
        source, destination = _address(kind, words[2]), _address(kind, words[3])
        if source and destination and _is_port(words[4]) and _is_port(words[5]):
            return Preamble(end + 2, source)
    raise BadPreamble(f"{quote(line)} is not a PROXY preamble")


def _address(kind: type[IPv4Address | IPv6Address], word: bytes) -> str | None:
    try:
        address = kind(word.decode("ascii"))
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return str(address)
    return None if address.scope_id else _as_text(address)


def _as_text(address: IPv6Address) -> str:
    return str(address.ipv4_mapped or address)


def _is_port(word: bytes) -> bool:
    return word.isdigit() and len(word) <= 5 and int(word) <= 65_535 and str(int(word)).encode() == word


def _read_v2(buffer: bytes) -> Preamble | None:
    if len(buffer) > 12 and buffer[12] not in (_LOCAL, _PROXY):
        raise BadPreamble(f"0x{buffer[12]:02x} is not PROXY's version 2 with a command that is known")
    if len(buffer) < _V2_FIXED:
        return None
    size = _V2_FIXED + int.from_bytes(buffer[14:16])
    if size > LONGEST:
        raise BadPreamble(f"a PROXY preamble has at most {LONGEST} bytes, not {size}")
    family, transport = divmod(buffer[13], 16)
    proxied = buffer[12] == _PROXY  # the family of a LOCAL one is to be ignored
    if proxied:
        if family not in _SIZES or transport > _MOST_TRANSPORT:
            raise BadPreamble(f"0x{buffer[13]:02x} is not a family and transport of the PROXY protocol")
        if size < _V2_FIXED + _SIZES[family]:
            raise BadPreamble(f"{size} bytes are too few for the addresses of a PROXY preamble")
    if len(buffer) < size:
        return None
    if proxied and transport == _STREAM and family == 0x1:
        return Preamble(size, str(IPv4Address(buffer[16:20])))
    if proxied and transport == _STREAM and family == 0x2:
        return Preamble(size, _as_text(IPv6Address(buffer[16:32])))
    return Preamble(size, "")
