"""The requests that are asked: what Matrix clients and servers send all day, from many users."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from typing import NamedTuple

USERS = 64
"""As many users as connections: enough for every worker to have some."""

KIB, MIB = 1 << 10, 1 << 20

LARGE = "limit=500"
"""In a target: the stand-ins answer 64 KiB of JSON."""

DOWNLOAD = "/media/download/"
"""In a target: the stand-ins answer 1 MiB."""

LONG_POLL = "timeout=30000"
"""In a target: the stand-ins answer nothing."""

NUMBER = "@@"
"""In a path: wrk puts a number of its own there each time, as a transaction has; others send it as it is."""

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Element/1.12.3 Safari/537.36"
ROOM = "!OGEhHVWSdvArJzumhm:matrix.example.org"
EVENT = "$h29iv0s8G3qsXyOdzPrAsKzCvwkzDNvTVGYzGq1Jr6c"
MEDIA = "matrix.example.org/GCmhgzMPRjqgpODLsNQzVuHZ"


class Request(NamedTuple):
    """`path` may hold `{user}`, which each user fills in; `body` is ASCII or empty, and of type `content`."""

    name: str
    method: str
    path: str
    body: str = ""
    content: str = "application/json"

    def raw(self, user: str, *, close: bool = False) -> bytes:
        """The request as a browser's client sends it for that user; `close` asks for a last answer."""
        token = f"syt_{b64encode(user.encode()).decode().rstrip('=')}_pKmGmFzPbDQeqvNXXzYO_2nBoZ4"
        lines = [
            f"{self.method} {self.path.format(user=user)} HTTP/1.1",
            "Host: matrix.example.org",
            f"Authorization: Bearer {token}",
            f"User-Agent: {AGENT}",
            "Accept: application/json",
            "Accept-Encoding: gzip, deflate, br",
            "Accept-Language: en-GB,en;q=0.9",
            "Origin: https://app.example.org",
            "Referer: https://app.example.org/",
        ]
        if close:
            lines.append("Connection: close")
        if self.body:
            lines += [f"Content-Type: {self.content}", f"Content-Length: {len(self.body)}"]
        return "\r\n".join([*lines, "", self.body]).encode("ascii")


MIX = (
    Request("sync", "GET", "/_matrix/client/v3/sync?filter=0&timeout=0&since=s72595_4483_1934_12_7_1_24"),
    Request(
        "send",
        "PUT",
        f"/_matrix/client/v3/rooms/{ROOM}/send/m.room.message/m{NUMBER}.12",
        '{"msgtype":"m.text","body":"Shall we meet at the fountain, or is it too cold already?"}',
    ),
    Request(
        "typing",
        "PUT",
        f"/_matrix/client/v3/rooms/{ROOM}/typing/@{{user}}:matrix.example.org",
        '{"typing":true,"timeout":30000}',
    ),
    Request(
        "receipt",
        "POST",
        f"/_matrix/client/v3/rooms/{ROOM}/receipt/m.read/{EVENT}",
        '{"thread_id":"main"}',
    ),
    Request("messages", "GET", f"/_matrix/client/v3/rooms/{ROOM}/messages?dir=b&limit=20"),
    Request(
        "keys", "POST", "/_matrix/client/v3/keys/query", '{"device_keys":{"@ada:matrix.example.org":[]}}'
    ),
    Request("profile", "GET", "/_matrix/client/v3/profile/@{user}:matrix.example.org/displayname"),
    Request(
        "transaction",
        "PUT",
        f"/_matrix/federation/v1/send/{NUMBER}-314",
        '{"origin":"other.example.org","origin_server_ts":1700000000000,"pdus":[],"edus":[]}',
    ),
)

LARGE_ANSWERS = (
    Request("messages", "GET", f"/_matrix/client/v3/rooms/{ROOM}/messages?dir=b&{LARGE}"),
    Request("sync", "GET", f"/_matrix/client/v3/sync?filter=0&timeout=0&{LARGE}&since=s72595_4483_1934_12"),
)

_SIXTY_FOUR = '{"body":"' + "x" * (64 * KIB - 11) + '"}'
LARGE_BODIES = (
    Request(
        "send",
        "PUT",
        f"/_matrix/client/v3/rooms/{ROOM}/send/m.room.message/m1700000000000.13",
        _SIXTY_FOUR,
    ),
    Request("transaction", "PUT", "/_matrix/federation/v1/send/1700000000000-315", _SIXTY_FOUR),
)

DOWNLOADS = (Request("download", "GET", f"/_matrix/client/v1{DOWNLOAD}{MEDIA}"),)
UPLOADS = (
    Request("upload", "POST", "/_matrix/media/v3/upload?filename=a.png", "x" * MIB, content="image/png"),
)

POLLING = Request("poll", "GET", f"/_matrix/client/v3/sync?filter=0&{LONG_POLL}&since=s72595_4483_1934_12_7")


def requests(mix: Iterable[Request] = MIX, *, users: int = USERS, close: bool = False) -> list[bytes]:
    """Every request of a mix for every user, as bytes to be sent."""
    return [request.raw(f"user{number}", close=close) for number in range(users) for request in mix]
