"""What a route may answer by itself: a fixed response, or a redirect. Values that check themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass

FRAMED_HERE = frozenset(
    {
        "connection",
        "content-length",
        "date",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Fields that no response may set, in lower case: they say where a message and a connection end, and when."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[!-~]+(?:[ \t]+[!-~]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The whole of an answer: status, fields of its own beside those that every answer of ours has, body.

    An empty `media_type` goes with an empty body. Raises ValueError for what could not be sent as one answer.
    """

    status: int = 200
    fields: tuple[tuple[str, str], ...] = ()
    media_type: str = ""
    body: bytes = b""

    def __post_init__(self) -> None:
        if not 200 <= self.status <= 599:
            raise ValueError(f"a response has a status in 200-599, not {self.status}")
        if self.body and self.status in (204, 304):
            raise ValueError(f"a response with status {self.status} has no body")
        names = [name.lower() for name, _ in self.fields]
        for name, value in (*self.fields, ("Content-Type", self.media_type or "none")):
            if not _TOKEN.fullmatch(name):
                raise ValueError(f"{name!r} is not the name of a header")
            if name.lower() in FRAMED_HERE:
                raise ValueError(f"`{name}` is the router's own to say")
            if not _VALUE.fullmatch(value):
                raise ValueError(f"the value of `{name}` is not one line of visible ASCII")
        if len(set(names)) < len(names):
            raise ValueError("the same header twice")


PREFLIGHT = Response(status=204)
"""What OPTIONS is answered where a route answers by itself: as Synapse's own preflight."""

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_TARGET = re.compile(
    rf"(?:(?P<scheme>https?://)(?P<host>\$host|{_HOST})(?P<port>:[0-9]{{1,5}})?)?"
    r"(?P<path>(?:/(?:[A-Za-z0-9\-._~:/?#\[\]@!&'()*+,;=]|%[0-9A-Fa-f]{2})*)?)"
    r"(?P<rest>(?:\$request_uri)?)"
)
_REST = "$request_uri"

REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """To another place: `https://host/path`, or `/path` on this one.

    `$host` in place of the host is the request's own, in lower case and without its port, and
    `$request_uri` at the end its path and query as received, both as in nginx. A target without a host takes
    no `$request_uri`: one that begins with `//` would lead to any host. Raises ValueError for anything else.
    """

    to: str
    status: int = 302

    def __post_init__(self) -> None:
        if self.status not in REDIRECTS:
            raise ValueError(
                f"a redirect has a status of {', '.join(map(str, REDIRECTS))}, not {self.status}"
            )
        parts = _TARGET.fullmatch(self.to)
        if not self.to or parts is None:
            raise ValueError(f"{self.to!r} is not a place to go to")
        if parts["rest"] and (not parts["scheme"] or "?" in parts["path"] or "#" in parts["path"]):
            raise ValueError("`$request_uri` stands behind a host, or behind a host and a path")
        if not parts["scheme"] and self.to.startswith("//"):
            raise ValueError(f"{self.to} leads to another host: write its scheme, too")

    @property
    def needs_host(self) -> bool:
        """Whether the request's own host is a part of it."""
        return "//$host" in self.to

    def response(self, *, host: str, target: bytes) -> Response:
        """The answer to a request for that host (`''` where it needs none) and target in origin-form."""
        place = self.to.removesuffix(_REST)
        if place != self.to:
            place += target.decode("ascii")
        if self.needs_host:
            place = place.replace("$host", host, 1)
        return Response(status=self.status, fields=(("Location", place),))
