"""RequestHead: the only facts a decision may depend on, and which heads are refused outright."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from router.errors import BadRequest, MethodNotAllowed, MethodNotImplemented

# fmt: off
METHODS = frozenset({
    "ACL", "BIND", "CHECKOUT", "COPY", "DELETE", "GET", "HEAD", "LINK", "LOCK", "M-SEARCH", "MERGE",
    "MKACTIVITY", "MKCALENDAR", "MKCOL", "MOVE", "NOTIFY", "OPTIONS", "PATCH", "POST", "PROPFIND",
    "PROPPATCH", "PURGE", "PUT", "QUERY", "REBIND", "REPORT", "SEARCH", "SOURCE", "SUBSCRIBE", "UNBIND",
    "UNLINK", "UNLOCK", "UNSUBSCRIBE",
})
# fmt: on
"""What llhttp takes for HTTP/1.1, without the two that are never proxied and HTTP/2's PRI."""

NEVER_PROXIED = frozenset({"CONNECT", "TRACE"})

_TAKEN = bytes(byte for byte in range(0x21, 0x7F) if byte != 0x23)
_MARKED = bytes(byte if byte in _TAKEN else byte ^ 0x80 for byte in range(256))
"""Changes whatever may not stand in a target, which costs less than to take out all that may."""

_HIDDEN_BORDER = re.compile(rb"%2[EFef]").search
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})|%00").search

# The host as nginx reads it from a request line: ASCII letters, digits, `-` and single dots, or [literal].
_ABSOLUTE = re.compile(
    rb"[Hh][Tt][Tt][Pp][Ss]?://([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.?|\[[A-Za-z0-9:.]+\])(:[0-9]*)?(?=[/?]|\Z)"
).match


def is_plain(target: bytes) -> bool:
    """Whether a target is a path of bytes that may stand there, as nearly all are: nothing to refuse."""
    return target.startswith(b"/") and target.translate(_MARKED) == target


class RequestHead:
    """One request, as a decision sees it.

    `target` is what is forwarded: what was received, byte for byte, or the origin-form of an absolute
    one, whose host part is then `authority` (`host` or `host:port`, otherwise empty). `path` is the
    raw path that Synapse reads (up to the `?`), `query` what follows the `?`. Header names are in
    lower case; `fields` holds the first value of each, made from `headers` where the caller has none
    yet. `client` is the client's address as text, `''` on a unix socket; `port` is that of the listener, 0
    for a unix socket's. `reshaped` says that decoding
    moves a border between segments: the normalised path may be another place. `checked` says that the
    method is known and the target `is_plain`.

    Raises MethodNotImplemented for what llhttp does not know, MethodNotAllowed for CONNECT and TRACE,
    and BadRequest for a target that is not served: neither a path nor `http(s)://host…` (RFC 9112
    section 3.2), with a byte outside 0x21-0x7e or a `#`, with userinfo, with a bad escape or `%00` in
    its path, or with dot segments that lead above the root.

    A plain slotted class and not a frozen dataclass: one is made for every request, and freezing
    costs an `object.__setattr__` for each field.
    """

    __slots__ = (
        "_normalised",
        "authority",
        "client",
        "fields",
        "headers",
        "method",
        "path",
        "port",
        "query",
        "reshaped",
        "target",
    )

    def __init__(
        self,
        *,
        method: str,
        target: bytes,
        headers: Sequence[tuple[bytes, bytes]] = (),
        client: str = "",
        port: int = 0,
        fields: dict[bytes, bytes] | None = None,
        checked: bool = False,
    ) -> None:
        self.authority = b""
        self.port = port
        if not checked:
            if method not in METHODS:
                raise _refused_method(method)
            if target.translate(_MARKED) != target:
                raise _refused_byte(target)
            if not target.startswith(b"/"):
                self.authority, target = _origin_form(target)
        path, _, self.query = target.partition(b"?")
        self.method = method
        self.target = target
        self.path = path
        self.headers = headers
        self.fields = dict(reversed(headers)) if fields is None else fields
        self.client = client
        # Text tells what is in it sooner than bytes do: their `in` takes its operand for an integer first,
        # and their `find` reads its arguments from a tuple.
        text = path.decode("latin-1")
        self.reshaped = "//" in text or "/." in text
        self._normalised: bytes | None = path
        if "%" in text:
            bad = _BAD_ESCAPE(path)
            if bad:
                raise _refused_escape(path, bad.start())
            self._normalised = None
            self.reshaped = self.reshaped or _HIDDEN_BORDER(path) is not None
        if self.reshaped:
            self._normalised = normalise(path)

    @property
    def normalised(self) -> bytes:
        """The path as nginx's `$uri`: decoded once, slashes merged, dot segments resolved."""
        # Most paths with escapes never need this one: it is decoded when first asked for.
        if self._normalised is None:
            self._normalised = unquote_to_bytes(self.path)
        return self._normalised

    def header(self, name: bytes) -> bytes:
        """The first value of that field, or an empty one."""
        return self.fields.get(name, b"")


def normalise(path: bytes) -> bytes:
    """Decodes once, merges slashes and resolves dot segments, as nginx does with `merge_slashes on`.

    Takes a path that starts with `/` and has no bad escape; raises BadRequest above the root.
    """
    kept: list[bytes] = []
    segments = unquote_to_bytes(path).split(b"/")[1:]
    for segment in segments:
        if segment == b"..":
            if not kept:
                raise BadRequest("the path leads above the root: `..` has no segment left to leave")
            kept.pop()
        elif segment not in (b"", b"."):
            kept.append(segment)
    if segments[-1] in (b"", b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept)


def _refused_method(method: str) -> MethodNotAllowed | MethodNotImplemented:
    shown = method[:32].encode("ascii", "backslashreplace").decode()
    if method in NEVER_PROXIED:
        return MethodNotAllowed(f"{shown} is never proxied")
    hint = f"; methods are case-sensitive: {shown.upper()}" if method.upper() in METHODS else ""
    return MethodNotImplemented(f"the method {shown!r} is not an HTTP method that is known here{hint}")


def _refused_byte(target: bytes) -> BadRequest:
    at = next(index for index, byte in enumerate(target) if byte not in _TAKEN)
    if target[at] == 0x23:
        return BadRequest(f"`#` at byte {at} of the target: a fragment is never sent, write %23")
    return BadRequest(f"byte 0x{target[at]:02x} at byte {at} of the target: write it as %{target[at]:02X}")


def _refused_escape(path: bytes, at: int) -> BadRequest:
    escape = path[at : at + 3].decode("ascii")
    if escape == "%00":
        return BadRequest(f"`%00` at byte {at} of the path: NUL is in no path")
    return BadRequest(f"`{escape}` at byte {at} of the path: `%` is followed by two hex digits")


def _origin_form(target: bytes) -> tuple[bytes, bytes]:
    """The authority and the origin-form of an absolute-form target (RFC 9112 section 3.2.2)."""
    absolute = _ABSOLUTE(target)
    if absolute is None:
        scheme, colon, rest = target.partition(b"://")
        if colon and b"@" in rest.partition(b"/")[0]:
            raise BadRequest("userinfo before the host of the target: `@` is refused there")
        if colon and scheme.lower() in (b"http", b"https"):
            raise BadRequest("the host of the target is malformed: expected `http://host[:port]/…`")
        raise BadRequest(
            f"the target starts with `{target[:16].decode()}`: expected `/…` or `http://host[:port]/…`"
        )
    authority, rest = target[absolute.start(1) : absolute.end()], target[absolute.end() :]
    return authority, rest if rest.startswith(b"/") else b"/" + rest
