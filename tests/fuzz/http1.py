"""Targets on the wire: request heads, response heads, chunked bodies."""

from __future__ import annotations

from random import Random

from router.errors import DownstreamError
from router.proxy.admission import read_head
from router.settings import Limits
from tests.fuzz.engine import Target, pieces
from tests.fuzz.readings import strict
from tests.http1 import llhttp
from tests.http1.bytes_strategies import BODIES, PARTS, REQUESTS, RESPONSES
from tests.http1.ours import (
    STRICTER,
    fields_of,
    pass_chunks,
    read_chunks,
    read_request,
    read_response,
)

FORBIDDEN = {*range(0x21), 0x23, *range(0x7F, 0x100)}
SMALL = Limits(request_line=40, headers=100, header_count=3)


def check_request(data: bytes, random: Random) -> None:
    """Only a DownstreamError is raised, pieces change nothing, and llhttp reads what is taken alike."""
    limits = random.choice((Limits(), SMALL))
    message = read_request([data], limits)
    assert fields_of(message) == fields_of(read_request(pieces(data, random), limits))
    if message is None:
        return
    head = data[: data.index(b"\r\n\r\n") + 4]
    assert llhttp.read_request(head) == llhttp.Head(target=message.target, headers=message.headers)
    [request] = strict(head).requests
    assert (request.method.decode(), request.target) == (message.method, message.target)
    assert [*request.fields] == message.headers
    try:
        admitted = read_head(head, client="192.0.2.7", limits=limits)
    except DownstreamError:
        return
    assert fields_of(admitted.message) == fields_of(message)
    assert not set(admitted.head.target) & FORBIDDEN


def check_response(data: bytes, random: Random) -> None:
    """Only a BadResponse is raised, pieces change nothing, and llhttp reads what is taken alike."""
    method = random.choice(("GET", "HEAD"))
    message = read_response([data], method)
    assert fields_of(message) == fields_of(read_response(pieces(data, random), method))
    if message is not None:
        theirs = llhttp.read_response(data[: data.index(b"\r\n\r\n") + 4])
        assert 100 <= message.status <= 599
        assert theirs is not None
        assert theirs.headers == message.headers
        assert message.no_body or (message.content_length >= 0) + message.chunked + message.until_close == 1


def check_chunks(data: bytes, random: Random) -> None:
    """llhttp has the same payload and end, or it or a named rule refuses; what goes out is a body again."""
    data += b"\r\n\r\n"  # ends whatever line is open, so that no verdict is outstanding
    theirs, ours, cut = llhttp.read_chunks(data), read_chunks([data]), read_chunks(pieces(data, random))
    if isinstance(ours, str):
        assert theirs is None or STRICTER.search(ours)
        assert isinstance(cut, str)
        return
    assert ours == theirs == cut
    out, used = pass_chunks(pieces(data, random))
    if used is not None:
        assert llhttp.read_chunks(out) == llhttp.Body(payload=ours.payload, used=len(out))
        assert pass_chunks([out]) == (out, len(out))


TARGETS = (
    Target(name="request-heads", corpus=REQUESTS, parts=PARTS, check=check_request),
    Target(name="response-heads", corpus=RESPONSES, parts=PARTS, check=check_response),
    Target(name="chunks", corpus=BODIES, parts=PARTS, check=check_chunks),
)
