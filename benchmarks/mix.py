"""The requests that are asked: eight that Matrix clients and servers send all day, from many users."""

from __future__ import annotations

from base64 import b64encode
from typing import NamedTuple

USERS = 64
"""As many users as connections: enough for every worker to have some."""

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Element/1.12.3 Safari/537.36"
ROOM = "!OGEhHVWSdvArJzumhm:matrix.example.org"
EVENT = "$h29iv0s8G3qsXyOdzPrAsKzCvwkzDNvTVGYzGq1Jr6c"


class Request(NamedTuple):
    """`path` may hold `{user}`, which each user fills in; `body` is JSON or empty."""

    name: str
    method: str
    path: str
    body: str = ""

    def raw(self, user: str) -> bytes:
        """The request as a browser's client sends it for that user."""
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
        if self.body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(self.body)}"]
        return "\r\n".join([*lines, "", self.body]).encode("ascii")


MIX = (
    Request("sync", "GET", "/_matrix/client/v3/sync?filter=0&timeout=0&since=s72595_4483_1934_12_7_1_24"),
    Request(
        "send",
        "PUT",
        f"/_matrix/client/v3/rooms/{ROOM}/send/m.room.message/m1700000000000.12",
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
        "/_matrix/federation/v1/send/1700000000000-314",
        '{"origin":"other.example.org","origin_server_ts":1700000000000,"pdus":[],"edus":[]}',
    ),
)


def requests() -> list[bytes]:
    """Every request of the mix for every user, as bytes to be sent."""
    return [request.raw(f"user{number}") for number in range(USERS) for request in MIX]
