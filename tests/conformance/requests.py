"""Generated requests: what the routes of a table match, near misses of it, and nasty ways to write either."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from router.config.regex import NotRead, parse
from router.config.samples import sample_paths
from router.table import Route

METHODS = ("GET", "GET", "GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH")
ODD_METHODS = ("BREW", "get", "TRACE", "PROPFIND", "M-SEARCH", "X_Y")
IDS = (
    "!r:example.org", "%21r%3Aexample.org", "!newid", "@a:hs", "$event", "%23room:hs", "a%2Fb", "..%2Fx",
    "%40a", "m.typing",
)  # fmt: skip
VERSIONS = ("api/v1", "r0", "v1", "v3", "unstable", "v2", "R0", "v3x")
ENDPOINTS = (
    "sync", "events", "initialSync", "login", "keys/query", "keys/upload/x", "createRoom", "devices/D",
    "join/{}", "rooms/{}/messages", "rooms/{}/send/m.room.message/1", "rooms/{}/typing/{}",
    "rooms/{}/receipt/m.read/{}", "rooms/{}/state/m.room.name", "rooms/{}/members", "rooms/{}/read_markers",
    "user/{}/account_data/x", "user/{}/filter", "user/{}/rooms/{}/tags/u", "pushrules/",
    "sendToDevice/m.x/1", "presence/{}/status", "profile/{}", "account/whoami", "media/config",
    "publicRooms", "unstable/x",
)  # fmt: skip
ROOTS = (
    "/_matrix/federation/v1/send/1", "/_matrix/federation/v1/event/{}",
    "/_matrix/federation/v2/send_join/{}/{}", "/_matrix/key/v2/server", "/_matrix/key/v2/query",
    "/_matrix/media/v3/upload", "/_matrix/media/v3/download/hs/x", "/_matrix/client/versions",
    "/_synapse/client/pick_idp", "/_synapse/admin/v1/users", "/health", "/healthz", "/",
    "/.well-known/matrix/client", "/xwell-known/matrix/server", "/_matrixx", "/robots.txt", "/old/x",
    "/index.json",
)  # fmt: skip
QUERIES = (
    "", "", "", "?since=s1", "?since=", "?Since=s1", "?%73ince=s1", "?a=1&since=s_2", "?x;since=1", "?",
    "?a?since=1", "?access_token=syt_YWxpY2U_abc_123", "?timeout=0&since=s&since=", "?since", "?q=%2F..%2F",
)  # fmt: skip
NASTY = (
    "/", "//", "/.", "/./", "/../", "/x/..", "%2F", "%2f", "%2E%2E/", "/%2e%2e%2f", "%00", "%0A", "%0a",
    "%zz", "%", "%4", ";", ";x=1", "\\", "+", "%2B", "%3F", "%23", "#", "\u00e9", "%C3%A9", "%FF", "\u007f",
    "~", "*", "'", '"', "<", "|", "^", "`", "{", "}", "[", "@", ":", "&", "=", "$", "!", ",", "x",
)  # fmt: skip
ENDS = ("/", "x", "%0A", "%0a", "/%0A", "/x", "//", "/..", "/.", "%20", ".json", "%00")
AGENTS = ("", "Element/1", "matrix-bot/2", "AppService")
TOKENS = (
    "", "Bearer syt_YWxpY2U_abc_123", "Bearer opaque", "bearer syt_Ym9i_x_y",
    "X-Matrix origin=a.org,key=b,sig=c",
)  # fmt: skip
COOKIES = ("", "canary=on", "Canary=ON", "a=1; canary=off")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request as it is sent; the Host field comes first."""

    method: str
    target: bytes
    fields: tuple[tuple[bytes, bytes], ...]


def generate(routes: Sequence[Route], hosts: Sequence[str], *, count: int, seed: int) -> Iterator[Asked]:
    """So many requests, the same for the same seed: half of them are near the patterns of the table."""
    chance = random.Random(seed)
    near = [path.decode("latin-1") for route in routes for path in _samples(route)] or ["/"]
    for _ in range(count):
        path, mark, query = (chance.choice(near) if chance.random() < 0.5 else _matrix(chance)).partition("?")
        asked = f"?{_plain(query)}" if mark and chance.random() < 0.8 else chance.choice(QUERIES)
        target = _nasty(_plain(path), chance) + asked
        method = chance.choice(ODD_METHODS) if chance.random() < 0.03 else chance.choice(METHODS)
        yield Asked(method=method, target=target.encode("latin-1"), fields=tuple(_fields(hosts, chance)))


def _samples(route: Route) -> list[bytes]:
    """What the route's pattern matches, and what its conditions on the path or target do."""
    texts = [each.pattern for each in route.conditions if each.kind in ("normalised", "target")]
    found: list[bytes] = []
    for text in (route.pattern.text, *texts):
        try:
            found += [path for path in sample_paths(parse(text)) if path.startswith(b"/")]
        except NotRead:
            continue
    return found


def _plain(text: str) -> str:
    """What cannot stand in a target is escaped; samples hold any byte."""
    return "".join(
        each if "!" <= each <= "~" and each not in "?#" else f"%{ord(each) & 255:02X}" for each in text
    )


def _matrix(chance: random.Random) -> str:
    if chance.random() < 0.3:
        path = chance.choice(ROOTS)
    else:
        path = f"/_matrix/client/{chance.choice(VERSIONS)}/{chance.choice(ENDPOINTS)}"
    while "{}" in path:
        path = path.replace("{}", chance.choice(IDS), 1)
    return path


def _escaped(path: str, chance: random.Random) -> str:
    at = chance.randrange(len(path))
    form = chance.choice(("%{:02X}", "%{:02x}", "%25{:02X}"))
    return path[:at] + form.format(ord(path[at]) & 0xFF) + path[at + 1 :]


def _nasty(path: str, chance: random.Random) -> str:
    """As it is, or written in one of the ways that proxies have misread."""
    kind = chance.random()
    if kind < 0.45:
        return path
    path = path or "/"
    at = chance.randrange(len(path) + 1)
    slash = path.rfind("/", 0, at) if "/" in path[:at] else 0
    insert = chance.choice(NASTY)
    if kind < 0.6:
        return _escaped(path, chance)
    if kind < 0.7:
        return path + chance.choice(
            ("/", "x", "%0A", "%0a", "/%0A", "/x", "//", "/..", "/.", "%20", ".json", "%00")
        )
    if kind < 0.85:
        return path[:slash] + insert + path[slash:]
    if kind < 0.95:
        return path[:at] + insert + path[at:]
    if kind < 0.96:
        return path + "a" * chance.choice((7000, 8150, 8192, 9000))
    if kind < 0.98:
        return f"{chance.choice(('http', 'HTTP', 'https'))}://h.example{path}"
    return chance.choice(("*", "x" + path, path.upper(), path.removeprefix("/"), "//" + path, "/.." + path))


def _fields(hosts: Sequence[str], chance: random.Random) -> Iterator[tuple[bytes, bytes]]:
    yield b"Host", chance.choice(hosts).encode()
    for name, values in ((b"User-Agent", AGENTS), (b"Authorization", TOKENS), (b"Cookie", COOKIES)):
        value = chance.choice(values)
        if value:
            yield name, value.encode()
