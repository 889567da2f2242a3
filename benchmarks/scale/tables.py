"""Route tables of any size, made of patterns such as Matrix has them, and requests that hit all over them."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.mix import USERS, Request
from benchmarks.reference import Rule

LARGEST = 1000
"""Rules that there are different words for."""

_DOES = (
    *("list", "read", "edit", "mark", "show", "find", "keep", "drop", "move", "copy", "send", "pull", "push"),
    *("join", "lock", "sync", "scan", "pick", "hold", "note", "rate", "call", "link", "mute", "tune"),
)
_WITH = (
    *("device", "member", "thread", "folder", "widget", "avatar", "status", "policy", "report", "search"),
    *("beacon", "basket", "filter", "server", "client", "record", "moment", "signal", "bridge", "camera"),
    *("screen", "window", "system", "module", "branch", "commit", "header", "footer", "parcel", "letter"),
    *("volume", "garden", "number", "ladder", "silver", "planet", "orange", "rocket", "market", "button"),
)


IDS = 2048
"""Rooms, events, people and files: a path with an id comes again only after so many others of its shape.

That is more paths than the router remembers, so that the table itself is asked.
"""


class _Shape(NamedTuple):
    """A pattern, a path that it matches, and the upstream: both have a `{word}`, a path perhaps an `{id}`."""

    pattern: str
    path: str
    upstream: str


_ANY = "^/_matrix/client/(api/v1|r0|v3|unstable)"
_CLIENT = "/_matrix/client/v3"
_ROOM = "!OGEhHVWS{id}Jzumhm:matrix.example.org"
_PERSON = "@ada{id}:matrix.example.org"

SHAPES = (
    _Shape(
        "^/_matrix/client/(r0|v3)/{word}$", f"{_CLIENT}/{{word}}?since=s1&filter=0", "generic-worker-user"
    ),
    _Shape(f"{_ANY}/rooms/.*/{{word}}$", f"{_CLIENT}/rooms/{_ROOM}/{{word}}", "generic-worker"),
    _Shape(f"{_ANY}/rooms/[^/]+/{{word}}/", f"{_CLIENT}/rooms/{_ROOM}/{{word}}/$h29iv0s8G3qsXyO", "receipts"),
    _Shape(
        "^/_matrix/client/(r0|v3|unstable)/user/[^/]*/{word}(/[^/]*)?$",
        f"{_CLIENT}/user/{_PERSON}/{{word}}/m.direct",
        "generic-worker",
    ),
    _Shape(
        "^/_matrix/federation/(v1|v2)/{word}/", f"/_matrix/federation/v2/{{word}}/{_ROOM}", "generic-worker"
    ),
    _Shape(
        "^/_matrix/client/unstable/org[.]matrix[.]msc[0-9]+/{word}$",
        "/_matrix/client/unstable/org.matrix.msc3575/{word}",
        "generic-worker-user",
    ),
    _Shape(
        "^/_matrix/client/v1/media/{word}/[^/]*/[^/]*$",
        "/_matrix/client/v1/media/{word}/matrix.example.org/GCmhgzMPRjqgpOD{id}",
        "synapse",
    ),
    _Shape(f"{_ANY}/{{word}}/", f"{_CLIENT}/{{word}}/{_PERSON}/displayname", "generic-worker"),
)
"""In turn down the table; what is asked of one table is asked of every other in the same shapes."""


def word(number: int) -> str:
    """All of one length, none a part of another."""
    does, what = number % len(_DOES), number // len(_DOES)
    return f"{_DOES[does]}_{_WITH[what]}"


def rules(count: int) -> tuple[Rule, ...]:
    """So many, each taking other paths; raises ValueError for more than `LARGEST`."""
    if count > LARGEST:
        raise ValueError(f"there are words for {LARGEST} rules")
    shaped = ((SHAPES[number % len(SHAPES)], word(number)) for number in range(count))
    return tuple(Rule(shape.pattern.format(word=name), shape.upstream) for shape, name in shaped)


def hit(count: int) -> tuple[int, ...]:
    """Of so many rules one for each shape, spread over the whole table; raises ValueError for too few."""
    if count < len(SHAPES):
        raise ValueError(f"there are {len(SHAPES)} shapes, and a rule is wanted for each")
    found = []
    for at in range(len(SHAPES)):
        turn = int((at + 0.5) * count / len(SHAPES) ** 2)
        number = turn * len(SHAPES) + at
        found.append(number if number < count else number - len(SHAPES))
    return tuple(found)


def path(number: int, of: int = 0) -> str:
    """One that only this rule of all takes; `of` is who or what it asks for."""
    return SHAPES[number % len(SHAPES)].path.format(word=word(number), id=f"{of:05}")


def requests(count: int) -> list[bytes]:
    """What is asked of a table with so many rules: each of `hit` for every id, by all users in turn."""
    return [
        Request(word(number), "GET", path(number, of)).raw(f"user{of % USERS}")
        for of in range(IDS)
        for number in hit(count)
    ]
