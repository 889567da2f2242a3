"""The requests that a servlet is asked with: each alternative without credentials, and a valid one."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import quote

import yaml

from router.local.asking.servlets import Servlet
from router.local.asking.targets import foremost, targets

FILE = Path(__file__).parent / "requests.yaml"

FIXED: Mapping[str, str] = {
    "alias": "#alias:localhost",
    "delayed_event": "delay",
    "device": "DEVICE",
    "event": "$event",
    "filter": "0",
    "knockable_room": "!room:localhost",
    "left_room": "!room:localhost",
    "media": "media",
    "media_id": "media",
    "muted_room": "!room:localhost",
    "other": "@other:localhost",
    "room": "!room:localhost",
    "thread": "$event",
    "unique": "transaction",
    "user": "@user:localhost",
    "version": "1",
}
"""What stands for a value of `person.py`, `new_` or not, in a request without credentials."""

FIXED_OR_NEW: Mapping[str, str] = {**FIXED, **{f"new_{name}": value for name, value in FIXED.items()}}

GROUPS: Mapping[str, str] = {
    "account_data_type": "org.example",
    "device_id": "$device",
    "event_id": "$event",
    "event_type": "m.room.message",
    "field_name": "org.example",
    "file": "client/login/",
    "file_name": "picture.png",
    "filter_id": "$filter",
    "media_id": "$media",
    "medium": "email",
    "message_type": "org.example",
    "parent_id": "$event",
    "path": "global/room/$room",
    "query_type": "profile",
    "relation_type": "m.thread",
    "room_alias": "$alias",
    "room_id": "$room",
    "room_identifier": "$room",
    "server": "localhost",
    "server_name": "localhost",
    "session_id": "session",
    "stagetype": "m.login.dummy",
    "tag": "u.example",
    "target_user_id": "$user",
    "thread_root_id": "$event",
    "transaction_id": "$unique",
    "txn_id": "$unique",
    "user_id": "$user",
    "version": "$version",
}
"""What fills a group of a pattern, by its name; any other is filled with `x`."""

SAFE = "!$@:/"
"""What stays as it is in a target, besides letters, digits and `_.-~` (RFC 3986, section 3.3)."""

WITH_CREDENTIALS = re.compile(r"\^?/_matrix/(client/|media/|federation/v1/openid/)")
"""What a user may ask. Other servers sign their requests: those are known as far as their 401."""

_NAME = re.compile(r"\$([a-z_]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Valid:
    """How a valid request of a servlet differs from an empty object sent to its path; see requests.yaml."""

    ids: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    body: object = None
    alone: bool = False
    tokenless: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """As it is sent."""

    method: str
    target: str
    body: object


Making = Callable[[str], Awaitable[object]]
"""Gives what `$NAME` stands for."""


@cache
def valid_requests() -> Mapping[str, Valid]:
    """Those of requests.yaml, by `METHOD Servlet`; raises TypeError for a key that is not known."""
    read = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {name: Valid(**fields) for name, fields in read.items()}


def valid_for(servlet: Servlet) -> Valid:
    """How to make a valid request of it; an experiment may put `UnstableX` in the place of a servlet `X`."""
    known, name = valid_requests(), f"{servlet.method} {servlet.name}"
    return known.get(name) or known.get(name.replace(" Unstable", " "), Valid())


def anonymous(servlet: Servlet) -> tuple[Request, ...]:
    """A request for each alternative of the pattern, with the same ids each time."""
    return tuple(
        Request(method=servlet.method, target=_quoted(target), body=_body(servlet.method, None))
        for target in targets(servlet.pattern, _fill({**GROUPS, **valid_for(servlet).ids}, FIXED_OR_NEW))
    )


def shown(servlet: Servlet) -> str:
    """The target that stands for them all in the catalogue."""
    return foremost(request.target for request in anonymous(servlet))


def wants_credentials(servlet: Servlet) -> bool:
    """Whether there is more to learn about it with credentials."""
    return WITH_CREDENTIALS.match(servlet.pattern) is not None


async def authenticated(servlet: Servlet, making: Making) -> Request:
    """A valid request to the foremost alternative; `making` gives the values that it names."""
    valid = valid_for(servlet)
    groups = {**GROUPS, **valid.ids}
    named = {name for text in _used(servlet, groups) for name in _NAME.findall(text)}
    made = {name: str(await making(name)) for name in sorted(named)}
    target = _quoted(foremost(targets(servlet.pattern, _fill(groups, made))))
    if valid.query:
        target += f"?{await _completed(valid.query, making, quoted=True)}"
    return Request(
        method=servlet.method, target=target, body=await _completed(_body(servlet.method, valid.body), making)
    )


def _used(servlet: Servlet, groups: Mapping[str, str]) -> list[str]:
    """What fills those groups that the pattern has."""
    return [groups[name] for name in re.compile(servlet.pattern).groupindex if name in groups]


def _fill(groups: Mapping[str, str], values: Mapping[str, str]) -> Callable[[str], str]:
    def filled(group: str) -> str:
        return _NAME.sub(lambda name: values[name[1]], groups.get(group, "x"))

    return filled


def _quoted(target: str) -> str:
    return quote(target, safe=SAFE)


def _body(method: str, body: object) -> object:
    return {} if body is None and method in {"POST", "PUT"} else body


async def _completed(body: object, making: Making, *, quoted: bool = False) -> object:
    """The body with values for every `$NAME` in it; a text that is nothing else becomes the value itself."""
    if isinstance(body, dict):
        return {
            str(await _completed(key, making)): await _completed(value, making) for key, value in body.items()
        }
    if isinstance(body, list):
        return [await _completed(value, making) for value in body]
    if not isinstance(body, str):
        return body
    if whole := _NAME.fullmatch(body):
        return await making(whole[1])
    values = {name: await making(name) for name in _NAME.findall(body)}
    return _NAME.sub(
        lambda found: quote(str(values[found[1]]), safe="") if quoted else str(values[found[1]]), body
    )
