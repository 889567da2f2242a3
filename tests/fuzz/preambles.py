"""The target of PROXY preambles: where one ends and whose connection it is, or a refusal."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from random import Random

from router.errors import BadPreamble
from router.http1.proxy_protocol import LONGEST, Preamble, read_preamble
from tests.fuzz.engine import Target, pieces

MAGIC = b"\r\n\r\n\x00\r\nQUIT\n"
V1 = re.compile(
    rb"PROXY (?:UNKNOWN(?: [^\r]*(?:\r(?!\n)[^\r]*)*)?"
    rb"|TCP[46] ([0-9A-Fa-f.:]+) [0-9A-Fa-f.:]+ [0-9]+ [0-9]+)\r\n"
)


def check_preamble(data: bytes, random: Random) -> None:
    """Only a BadPreamble is raised, pieces change nothing, and what is taken is what the rules say."""
    whole = _read([data])
    assert whole == _read(pieces(data, random))
    if isinstance(whole, Preamble):
        assert whole.size <= min(len(data), LONGEST)
        assert (whole.size, whole.source) == _by_the_book(data)
        assert read_preamble(data[: whole.size]) == whole
        assert read_preamble(data[: whole.size - 1]) is None


def _read(stream: Iterable[bytes]) -> Preamble | str | None:
    buffer = b""
    for piece in stream:
        buffer += piece
        try:
            read = read_preamble(buffer)
        except BadPreamble:
            return "refused"
        if read is not None:
            return read
    return None


def _by_the_book(data: bytes) -> tuple[int, str]:
    """Bytes and source of a preamble that is one."""
    if data.startswith(MAGIC):
        size = 16 + int.from_bytes(data[14:16])
        widths = {0x11: 4, 0x21: 16}
        width = widths.get(data[13], 0) if data[12] == 0x21 else 0
        return size, _text(ipaddress.ip_address(data[16 : 16 + width])) if width else ""
    line = V1.match(data)
    assert line is not None
    return line.end(), _text(ipaddress.ip_address(line[1].decode())) if line[1] else ""


def _text(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
TARGETS = (
    Target(
        name="proxy-preambles",
        corpus=(
            b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n" + REQUEST,
            b"PROXY TCP6 2001:db8::1 ::ffff:192.0.2.1 1 65535\r\n" + REQUEST,
            b"PROXY UNKNOWN ffff:f...f:ffff 65535\r\n" + REQUEST,
            b"PROXY UNKNOWN\r\n",
            MAGIC + b"\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x30\x39\x01\xbb" + REQUEST,
            MAGIC + b"\x21\x21\x00\x27" + bytes(range(36)) + b"\x04\x00\x00" + REQUEST,
            MAGIC + b"\x20\x00\x00\x00" + REQUEST,
            MAGIC + b"\x21\x31\x00\xd8" + b"/run/x".ljust(108, b"\x00") * 2 + REQUEST,
        ),
        parts=(
            *(
                b" ",
                b"  ",
                b"\r\n",
                b"\r",
                b"\n",
                b"0",
                b"65535",
                b"65536",
                b"::",
                b".",
                b"TCP4",
                b"TCP6",
                b"UNKNOWN",
            ),
            *(
                b"PROXY ",
                MAGIC,
                b"\x20",
                b"\x21",
                b"\x11",
                b"\x12",
                b"\x31",
                b"\x00",
                b"\xff",
                b"\x0f\xf0",
                b"%1",
            ),
        ),
        check=check_preamble,
    ),
)
