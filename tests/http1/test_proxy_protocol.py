from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import BadPreamble
from router.http1.proxy_protocol import LONGEST, Preamble, read_preamble

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
GET = b"GET / HTTP/1.1\r\n\r\n"
V4 = socket.inet_aton("203.0.113.7") + socket.inet_aton("192.0.2.1") + b"\x12\x67\x01\xbb"
V6 = (
    socket.inet_pton(socket.AF_INET6, "2001:db8::7")
    + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    + b"\x12\x67\x01\xbb"
)
MAPPED = socket.inet_pton(socket.AF_INET6, "::ffff:203.0.113.7") + V6[16:]
UNIX = b"/run/a".ljust(108, b"\0") * 2
TLV = b"\x04\x00\x03abc"


def v2(command: int, family: int, content: bytes, *, size: int | None = None) -> bytes:
    length = len(content) if size is None else size
    return SIGNATURE + bytes([command, family]) + length.to_bytes(2) + content


TAKEN: list[tuple[bytes, str]] = [
    (b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n", "203.0.113.7"),
    (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255"),
    (b"PROXY TCP4 203.0.113.7 192.0.2.1 0 0\r\n", "203.0.113.7"),
    (b"PROXY TCP6 2001:DB8:0:0::7 ::1 4711 443\r\n", "2001:db8::7"),
    (b"PROXY TCP6 ::ffff:203.0.113.7 ::1 4711 443\r\n", "203.0.113.7"),
    (b"PROXY UNKNOWN\r\n", ""),
    (b"PROXY UNKNOWN whatever it is \xff\r\n", ""),
    (b"PROXY UNKNOWN " + b"f" * 91 + b"\r\n", ""),
    (v2(0x21, 0x11, V4), "203.0.113.7"),
    (v2(0x21, 0x11, V4 + TLV), "203.0.113.7"),
    (v2(0x21, 0x11, V4 + b"\xff\xff\xff"), "203.0.113.7"),
    (v2(0x21, 0x11, V4.ljust(LONGEST - 16, b"\0")), "203.0.113.7"),
    (v2(0x21, 0x21, V6), "2001:db8::7"),
    (v2(0x21, 0x21, V6 + TLV), "2001:db8::7"),
    (v2(0x21, 0x21, MAPPED), "203.0.113.7"),
    (v2(0x21, 0x31, UNIX), ""),
    (v2(0x21, 0x12, V4), ""),
    (v2(0x21, 0x22, V6), ""),
    (v2(0x21, 0x00, b""), ""),
    (v2(0x21, 0x00, TLV), ""),
    (v2(0x20, 0x00, b""), ""),
    (v2(0x20, 0x11, V4), ""),
    (v2(0x20, 0xFF, b""), ""),
]

REFUSED: list[bytes] = [
    GET,
    b"\x16\x03\x01",
    b"proxy TCP4 203.0.113.7 192.0.2.1 4711 443\r\n",
    b"PROXY  TCP4 203.0.113.7 192.0.2.1 4711 443\r\n",
    b"PROXY TCP4 203.0.113.7  192.0.2.1 4711 443\r\n",
    b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443 \r\n",
    b"PROXY TCP4 203.0.113.7 192.0.2.1 4711\r\n",
    b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443 1\r\n",
    b"PROXY TCP4 2001:db8::7 ::1 4711 443\r\n",
    b"PROXY TCP6 203.0.113.7 192.0.2.1 4711 443\r\n",
    b"PROXY TCP6 fe80::7%eth0 ::1 4711 443\r\n",
    b"PROXY TCP6 2001:db8::7 nowhere 4711 443\r\n",
    b"PROXY TCP4 203.0.113.07 192.0.2.1 4711 443\r\n",
    b"PROXY TCP4 203.0.113.7 192.0.2.256 4711 443\r\n",
    b"PROXY TCP4 203.0.113.7 192.0.2.1 65536 443\r\n",
    b"PROXY TCP4 203.0.113.7 192.0.2.1 04711 443\r\n",
    b"PROXY TCP4 203.0.113.7 192.0.2.1 +4711 443\r\n",
    b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 \r\n",
    b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\n" + GET,
    b"PROXY UDP4 203.0.113.7 192.0.2.1 4711 443\r\n",
    b"PROXY \r\n",
    b"PROXY UNKNOWNS\r\n",
    b"PROXY UNKNOWN " + b"f" * 92 + b"\r\n",
    b"PROXY TCP4" + b" " * 100,
    SIGNATURE[:-1] + b"\r",
    v2(0x11, 0x11, V4),
    v2(0x31, 0x11, V4),
    v2(0x22, 0x11, V4),
    v2(0x21, 0x41, V4),
    v2(0x21, 0x13, V4),
    v2(0x21, 0x11, V4[:11]),
    v2(0x21, 0x21, V6[:35]),
    v2(0x21, 0x31, UNIX[:215]),
    v2(0x21, 0x11, V4, size=LONGEST - 15),
    v2(0x20, 0x00, b"", size=0xFFFF),
]


@pytest.mark.parametrize(("preamble", "source"), TAKEN)
def test_what_a_preamble_says(preamble: bytes, source: str) -> None:
    for behind in (b"", GET, b"PROXY UNKNOWN\r\n"):
        assert read_preamble(preamble + behind) == Preamble(len(preamble), source)
    for size in range(len(preamble)):
        assert read_preamble(preamble[:size]) is None


@pytest.mark.parametrize("data", REFUSED)
def test_what_is_no_preamble(data: bytes) -> None:
    with pytest.raises(BadPreamble):
        read_preamble(data)


def is_taken(data: bytes) -> bool:
    """Whether it is read, or may become what is."""
    try:
        read_preamble(data)
    except BadPreamble:
        return False
    return True


@pytest.mark.parametrize("data", REFUSED)
def test_what_was_refused_stays_refused_with_more(data: bytes) -> None:
    taken = [is_taken(data[:size]) for size in range(len(data) + 1)]
    assert taken == sorted(taken, reverse=True)
    assert not is_taken(data + GET)


@pytest.mark.parametrize(
    "data",
    [v2(0x11, 0, b"")[:13], v2(0x21, 0x41, b"")[:16], v2(0x20, 0, b"", size=5000)[:16], b"PROXZ", b"\r\nG"],
)
def test_what_can_become_none_is_refused_at_once(data: bytes) -> None:
    assert read_preamble(data[:-1]) is None
    with pytest.raises(BadPreamble):
        read_preamble(data)


@given(st.ip_addresses(), st.integers(0, 65535), st.binary(max_size=100))
def test_every_address_of_both_versions(address: IPv4Address | IPv6Address, port: int, tlvs: bytes) -> None:
    family = address.version
    line = f"PROXY TCP{family} {address} {address} {port} {port}\r\n".encode()
    content = address.packed * 2 + port.to_bytes(2) * 2 + tlvs
    packed = v2(0x21, 0x11 if family == 4 else 0x21, content)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    source = str(mapped or address)
    assert read_preamble(line) == Preamble(len(line), source)
    assert read_preamble(packed) == Preamble(len(packed), source)


@given(
    st.binary(max_size=60),
    st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11"]),
)
def test_whatever_comes_is_read_or_refused(data: bytes, start: bytes) -> None:
    data = start + data
    if not is_taken(data):
        return
    read = read_preamble(data)
    if read is not None:
        assert 0 < read.size <= len(data)
        assert read.source == "" or str(ip_address(read.source)) == read.source
