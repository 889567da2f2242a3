"""What a hash hashes: who asks, by token or signature, the room in a path, or any fact of a request."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import unquote_to_bytes

from router.request import RequestHead
from router.routing.facts import ReadFact, fact_reader
from router.routing.pattern import Found, compile_groups, group_number
from router.routing.query import find_parameter
from router.table import HashKey, PathForm, Pattern

# Numbers: bytes look for bytes in themselves only after an attempt to take them for a number.
_PERCENT: Final = 0x25
_BLANK: Final = 0x20

ReadKey = ReadFact
"""The bytes to hash; empty where the request has no such key."""

_SIGNED = re.compile(rb"x-matrix[ \t]+", re.IGNORECASE).match
_PARAMETER = re.compile(
    rb"""[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^ \t",]*)[ \t]*(?:,|\Z)"""
).match
# As servers write it: all of it is read at once, in a fifth of the time that it takes piece by piece.
_PLAIN = rb"""(?!origin=)[a-z]+=(?:"[^"\\]*"|[^ \t",\\]*)"""
_PLAINLY_SIGNED = re.compile(
    rb"""X-Matrix (?:%b,)*origin=(?:"([^"\\]*)"|([^ \t",\\]*))(?:,%b)*\Z""" % (_PLAIN, _PLAIN)
).match
_QUOTED_PAIR = re.compile(rb"\\(.)").sub


def reader(chain: Sequence[HashKey], pattern: Pattern) -> ReadKey:
    """How to read the key of a chain off a head; `pattern` is that of the request's route, for captures.

    What applies is said at `Policy`. Raises InvalidPattern for a pattern that RE2 does not take, and
    ValueError for a capture of a group that the route's pattern has not.
    """
    if len(chain) == 1 and not chain[0].pattern:
        return _whole(chain[0], pattern)
    steps = [_step(key, pattern) for key in chain]
    return lambda head: next((found for found in (step(head) for step in steps) if found is not None), b"")


def which(chain: Sequence[HashKey], pattern: Pattern, head: RequestHead) -> HashKey | None:
    """The one of the chain that applies to a request."""
    return next((key for key in chain if _step(key, pattern)(head) is not None), None)


def _step(key: HashKey, pattern: Pattern) -> Callable[[RequestHead], bytes | None]:
    """None where the key does not apply."""
    whole = _whole(key, pattern)
    if not key.pattern:
        return lambda head: whole(head) or None
    search = compile_groups(key.pattern)

    def part(head: RequestHead) -> bytes | None:
        found = search(whole(head))
        return None if found is None else found[1] or b""

    return part


def _whole(key: HashKey, pattern: Pattern) -> ReadFact:
    return _capture(key.name, pattern) if key.kind == "capture" else fact(key.kind, key.name)


def fact(kind: str, name: str = "") -> ReadFact:
    """How to read any fact of a request but a `capture`; raises KeyError for what is none."""
    return _OF_MATRIX.get(kind) or fact_reader(kind, name)


def _capture(group: str, pattern: Pattern) -> ReadFact:
    search = compile_groups(pattern.text)
    at = group_number(pattern.text, group)
    if pattern.form is PathForm.NORMALISED:
        return lambda head: _group(search(head.normalised), at)
    return lambda head: unquote_to_bytes(_group(search(head.path), at))


def _group(found: Found | None, at: int) -> bytes:
    return (found[at] if found is not None else None) or b""


def user(head: RequestHead) -> bytes:
    """The user part of the access token, or the whole token where it names nobody.

    The token is found where Synapse looks for it (synapse/api/auth/base.py,
    get_access_token_from_request): `Authorization: Bearer TOKEN`, the scheme in that spelling and one
    blank; without that field, the parameter `access_token`. What Synapse would not take is no key.
    """
    authorization = head.header(b"authorization")
    if authorization:
        token = authorization[7:].rstrip(b" \t")
        if not authorization.startswith(b"Bearer ") or _BLANK in token:
            return b""
    elif head.query.find(b"access_token") >= 0 or _PERCENT in head.query:
        token = find_parameter(head.query, b"access_token") or b""
    else:
        return b""
    return of_token(token)


def room(head: RequestHead) -> bytes:
    """The room id in the path: its first segment that begins with `!`, escaped or not, decoded once.

    That sigil is what makes a room id (Matrix specification, appendix 4.2.3), with a server name behind
    it or, since room version 12, without. An alias is another name for a room that only Synapse can
    look up, so it is no key.
    """
    path = head.path
    if _PERCENT not in path:
        _, sigil, rest = path.partition(b"/!")
        return b"!" + rest.partition(b"/")[0] if sigil else b""
    start = path.find(b"/!")
    escaped = path.find(b"/%21")
    if 0 <= escaped < start or start < 0:
        start = escaped
    return b"" if start < 0 else unquote_to_bytes(path[start + 1 :].partition(b"/")[0])


def origin(head: RequestHead) -> bytes:
    """The server that says it has signed the request: `origin` of `Authorization: X-Matrix origin=a.org,…`.

    Parameters come in any order, their names and the scheme in any case, a value quoted or not (Matrix
    specification, server-server API, "Request Authentication"; RFC 9110 section 11.4). Of two the last
    counts, as in Synapse. Nobody has verified the signature yet: whoever lies picks a worker, no more.
    """
    authorization = head.header(b"authorization")
    plain = _PLAINLY_SIGNED(authorization)
    if plain is not None:
        return plain[1] or plain[2] or b""
    signed = _SIGNED(authorization)
    found = b""
    at = signed.end() if signed else len(authorization)
    while at < len(authorization):
        parameter = _PARAMETER(authorization, at)
        if parameter is None:
            return b""
        if parameter[1].lower() == b"origin":
            found = parameter[2]
        at = parameter.end()
    return _QUOTED_PAIR(rb"\1", found[1:-1]) if found.startswith(b'"') else found


def of_token(token: bytes) -> bytes:
    """What is between `syt_` and the next `_` (the localpart in base64, undecoded), or all of the token."""
    if token.startswith(b"syt_"):
        parts = token.split(b"_", 2)
        if len(parts) == 3 and parts[1]:
            return parts[1]
    return token


_OF_MATRIX: dict[str, ReadFact] = {"user": user, "room": room, "origin": origin}
