"""The target of router, nginx and HAProxy side by side.

Where the router lets a request through, nginx or HAProxy lets the same one through: method, target, body and
fields, less those that are hop-by-hop or say who the client is. Stricter rules are counted by kind.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from random import Random

from router.http1.fields import FRAMING
from router.proxy.headers import NOT_FROM_CLIENTS
from tests.fuzz import grammar
from tests.fuzz.clients import LINES, nominated, origin_form, said_in_cases
from tests.fuzz.engine import Target
from tests.fuzz.readings import CUT, Field, Request, lenient, strict
from tests.fuzz.rivals import TAG, Rivals, Seen

Theirs = dict[str, list[Request]]

NOT_COMPARED = NOT_FROM_CLIENTS | {b"host", b"content-length", b"transfer-encoding", b"expect", TAG}
"""Fields that nginx or HAProxy write anew: the framing is compared as the body that it frames."""

STRICTER: Counter[str] = Counter()
"""How often the router refused what another let through, by the reason that it gave."""

ONCE_IN_NGINX = (
    rb"authorization|content-range|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since"
)
"""Names whose second field nginx refuses; a Matrix server sends one Authorization field for each key."""

MOST = 12
"""Reasons that are told."""

AGAIN = re.compile(rb"(?i)(\r\n(%b):(?:(?!\r\n\r\n).)*?)\r\n\2:[^\r]*(?=\r\n)" % ONCE_IN_NGINX, re.DOTALL)
BLANKS = re.compile(rb"[ \t]+\r\n")
QUOTED = re.compile(r"`[^`]*`|0x[0-9a-f]+|\d+|'[^']*'")


@cache
def rivals() -> Rivals:
    """Started with the first input."""
    return Rivals()


def check(data: bytes, random: Random) -> None:
    """Nothing passes that neither nginx nor HAProxy would pass, and after a refusal nothing."""
    seen, theirs = rivals().play(data, random)
    assert not any(exchange.head is None for exchange in seen.ended[:-1]), (
        "a request was read after a refusal"
    )
    for got in seen.workers:
        reading = strict(got)
        assert reading.fault in ("", CUT), (reading.fault, got)
        assert reading == lenient(got) or reading.fault, got
    ours = seen.requests
    if not (_all_in(ours, theirs["nginx"]) or _all_in(ours, theirs["haproxy"])):
        _look_closer(data, seen)
    _count(ours, theirs, seen)


def _all_in(ours: Sequence[Request], theirs: Sequence[Request]) -> bool:
    """Whether these are the same requests, in the same order, and perhaps further ones."""
    left = iter(theirs)
    return all(any(is_same(request, other) for other in left) for request in ours)


def _look_closer(data: bytes, seen: Seen) -> None:
    """Each request alone: one of the two may have refused an earlier one, the other a later one."""
    whole = rivals().ask_again(data)
    ours = seen.requests
    if any(_all_in(ours, each) for each in whole.values()):
        return
    begin = 0
    lines = iter(seen.ended)
    for request in ours:
        line = next(
            (each.line for each in lines if each.head is not None and each.head.target == request.target),
            None,
        )
        assert line is not None, f"{request} is no request that the router has read"
        begin = data.index(line, begin)
        alone = _alone(data[begin:], request)
        theirs = rivals().ask_again(alone)
        if not any(each and is_same(request, each[0]) for each in theirs.values()):
            assert _is_same_once(request, alone), (
                f"only the router lets it through: {request}; the others: {theirs}"
            )
        begin += len(line)


def _alone(data: bytes, request: Request) -> bytes:
    """What the others are asked about one request.

    Of one that never became whole, its head: what is wrong with its body may come later. Without the blanks
    behind values, which mean nothing (RFC 9112 section 5.1), but nginx refuses a tab behind Host.
    """
    head, end, body = data.partition(b"\r\n\r\n")
    return BLANKS.sub(b"\r\n", head + end) + (body if request.whole else b"")


def _is_same_once(request: Request, alone: bytes) -> bool:
    """Whether nginx lets it through with the second ones of `ONCE_IN_NGINX` left out."""
    shorter = _once(alone)
    theirs = rivals().ask_again(shorter)["nginx"]
    fields = strict(_once(_head(request))).requests[0].fields
    return shorter != alone and bool(theirs) and is_same(replace(request, fields=fields), theirs[0])


def _once(data: bytes) -> bytes:
    while (shorter := AGAIN.sub(rb"\1", data)) != data:
        data = shorter
    return data


def _head(request: Request) -> bytes:
    lines = b"".join(b"%b: %b\r\n" % field for field in request.fields if field[0] not in FRAMING)
    return b"GET / HTTP/1.1\r\n%b\r\n" % lines


def is_same(ours: Request, theirs: Request) -> bool:
    """Whether the other let the same request through, as far as it came."""
    if (ours.method, origin_form(ours.target)) != (theirs.method, origin_form(theirs.target)):
        return False
    if ours.whole and (not theirs.whole or ours.body != theirs.body):
        return False
    return _fields(ours) == [field for field in _fields(theirs) if field[0] not in nominated(theirs)]


def _fields(request: Request) -> list[Field]:
    return sorted(field for field in request.fields if field[0] not in NOT_COMPARED)


def _count(ours: Sequence[Request], theirs: Theirs, seen: Seen) -> None:
    more = [name for name, each in theirs.items() if len(each) > len(ours)]
    if more and seen.ended and seen.ended[-1].reason:
        STRICTER[f"{' and '.join(more)}: {_why(seen.got)}"] += 1


def _why(got: bytes) -> str:
    """The words of the last error that the client got, without what is quoted in them."""
    said = re.findall(rb'\{"errcode".*?\}', got)
    try:
        return QUOTED.sub("…", json.loads(said[-1])["error"]) if said else "no answer"
    except ValueError:
        return "an error"


def _notes() -> str:
    """How often the router was stricter, and for what most."""
    most = "".join(f"\n  {count} {why}" for why, count in STRICTER.most_common(MOST))
    return f"{STRICTER.total()} times stricter than another, most often:{most}\n  and"


TARGETS = (
    Target(
        name="against-nginx-and-haproxy",
        corpus=tuple(said_in_cases()),
        parts=(*grammar.NOISE, *LINES),
        check=check,
        make=grammar.stream,
        needs=("nginx", "haproxy"),
        notes=_notes,
        choices=0,
    ),
)
