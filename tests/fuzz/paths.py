"""The target of request targets: which are served, what nginx makes of their paths, what the guard closes."""

from __future__ import annotations

from random import Random
from urllib.parse import unquote_to_bytes

from router.errors import DownstreamError
from router.guard import CLOSED_PREFIXES, Guard
from router.request import RequestHead
from router.settings import Guard as GuardSettings
from tests.fuzz.engine import Target

GUARD = Guard(GuardSettings())
CLOSED = tuple(tuple(prefix.encode().split(b"/")[1:]) for prefix in CLOSED_PREFIXES)


class _Refused(Exception):
    """A path that nginx answers with 400."""


def by_the_book(path: bytes) -> bytes:
    """nginx's `$uri`, byte by byte: an escape is what it stands for, a dot or slash is one in any form."""
    out = bytearray()
    at = 0
    while at < len(path):
        byte, at = path[at], at + 1
        if byte == 0x25:
            try:
                byte, at = int(path[at : at + 2].decode("ascii"), 16), at + 2
            except ValueError:
                raise _Refused from None
        if byte == 0:
            raise _Refused
        out.append(byte)
        if byte == 0x2F:
            _resolve(out)
    out.append(0x2F)
    _resolve(out)
    if not path_ends_with_place(path):
        del out[-1:]
    return bytes(out)


def path_ends_with_place(path: bytes) -> bool:
    """Whether the last segment names a folder: nothing, or only dots that are resolved."""
    return unquote_to_bytes(path).rpartition(b"/")[2] in (b"", b".", b"..")


def _resolve(out: bytearray) -> None:
    """What stands before the slash that has just been written: nothing, a dot or two are taken away."""
    if out.endswith(b"//"):
        del out[-1:]
    elif out.endswith(b"/./"):
        del out[-2:]
    elif out.endswith(b"/../"):
        del out[-3:]
        if out == b"/":
            raise _Refused
        del out[out.rindex(b"/", 0, len(out) - 1) + 1 :]


def check_target(data: bytes, random: Random) -> None:
    """Only a DownstreamError is raised; the path is nginx's, no reading of it leads where it is closed."""
    method = random.choice(("GET", "PUT", "TRACE", "get", "FOO"))
    try:
        head = RequestHead(method=method, target=data)
    except DownstreamError:
        return
    assert head.target.startswith(b"/")
    assert data.endswith(head.target) or head.target == b"/" + data[len(data) - len(head.target) + 1 :]
    assert head.path + (b"?" + head.query if b"?" in head.target else b"") == head.target
    try:
        assert head.normalised == by_the_book(head.path)
    except _Refused:
        raise AssertionError("nginx refuses it") from None
    if GUARD.refuses(head) is None:
        for segments in _readings(head):
            assert not any(segments[: len(closed)] == closed for closed in CLOSED), segments


def _readings(head: RequestHead) -> list[tuple[bytes, ...]]:
    """The segments as Twisted walks them, as they stand, and as nginx has them."""
    raw = tuple(head.path.split(b"/")[1:])
    return [raw, tuple(map(unquote_to_bytes, raw)), tuple(head.normalised.split(b"/")[1:])]


TARGETS = (
    Target(
        name="targets",
        corpus=(
            b"/_matrix/client/v3/rooms/%21a%3Ab/event/%24c%2Fd?x=/../y",
            b"/_synapse/admin/..%2F..%2F_matrix/client/v3/sync",
            b"/_matrix/..%2f_synapse/%2e%2e/_synapse/replication//./x",
            b"http://h:80/p/%2E./q?r",
            b"HTTPS://[::1]?q",
            b"*",
            b"/%C3%A9%0A;a=b&+,|~/%252Fx",
        ),
        parts=(
            *(
                b"/",
                b"//",
                b".",
                b"..",
                b"%2F",
                b"%2f",
                b"%2e",
                b"%2E%2E",
                b"%25",
                b"%00",
                b"%",
                b"%3F",
                b"?",
                b"#",
            ),
            *(
                b"\\",
                b"%5C",
                b";",
                b"@",
                b":",
                b"[",
                b"]",
                b"http://",
                b"_synapse",
                b"_matrix",
                b"admin",
                b"mas",
            ),
            *(b"%61dmin", b"replication", b"client", b"\x00", b"\x7f", b"\x80", b" "),
        ),
        check=check_target,
    ),
)
