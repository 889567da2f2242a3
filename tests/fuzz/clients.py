"""The target of a whole client connection in memory: what a client sends, and what workers get of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import h11

from router.proxy.headers import NOT_FROM_CLIENTS
from tests.fuzz.engine import Target, pieces
from tests.fuzz.memory import MemoryTransport
from tests.fuzz.readings import CUT, Field, Request, lenient, strict
from tests.fuzz.world import Client, World
from tests.http.cases import all_cases
from tests.http1 import llhttp
from tests.http1.bytes_strategies import BODIES, PARTS, REQUESTS

SHORT = 1000
"""Bytes of a case that is worth mutating."""

STATUS = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9])[ \r]")


@dataclass(slots=True)
class Seen:
    """A request that a worker has read, and what became of it."""

    request: Request
    answered: bool = False


class Team:
    """The workers of one input, and what they have read, in order."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.workers: list[Reader] = []
        self.seen: list[Seen] = []

    def hire(self) -> Reader:
        """One more connection."""
        self.workers.append(Reader(self))
        return self.workers[-1]


class Reader:
    """One connection to a worker that reads by RFC 9112 and answers, or not, as it comes."""

    def __init__(self, team: Team) -> None:
        self.transport: MemoryTransport
        self.data = b""
        self._team = team
        self._seen: list[Seen] = []
        self._over = False

    def got(self, data: bytes) -> None:
        self.data += data
        if self._over:
            return
        reading = strict(self.data)
        for request in reading.requests[len(self._seen) :]:
            self._seen.append(Seen(request))
            self._team.seen.append(self._seen[-1])
        for seen, request in zip(self._seen, reading.requests, strict=True):
            seen.request = request
            if not seen.answered and (request.whole or self._team.random.randrange(40) == 0):
                self._answer(seen)

    def ended(self, *, reset: bool) -> None:  # noqa: ARG002  the same to it
        self._over = True

    def _answer(self, seen: Seen) -> None:
        random = self._team.random
        kind = random.randrange(16)
        if kind == 0:
            return  # for ever
        if kind == 1:
            self._over = True
            if random.randrange(2):
                self.transport.reset()
            else:
                self._send(b"")
            return
        seen.answered = True
        request = seen.request
        said = b"" if request.method == b"HEAD" else name_of(request)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(name_of(request))
        if kind == 2:
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        elif kind == 3:
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            said = said and b"%x\r\n%b\r\n0\r\n\r\n" % (len(said), said)
        elif kind == 4:
            head, said = b"HTTP/1.1 204 No Content\r\n\r\n", b""
        elif kind == 5:
            said = said[:-1]
            self._over = True
        elif kind in (6, 7):
            head = (
                b"HTTP/1.0 200 OK\r\n\r\n" if kind == 6 else b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
            )
            self._over = True
        for piece in pieces(head + said, random):
            if piece:
                self._send(piece)
        if self._over:
            self._send(b"")

    def _send(self, data: bytes) -> None:
        self.transport.feed_soon(data)


def name_of(request: Request) -> bytes:
    """What a worker answers to a request, so that no other answer looks like it."""
    return b"%b %b %d" % (request.method, request.target, len(request.body) if request.whole else -1)


def check_client(data: bytes, random: Random) -> None:
    """One clean message for each request, or a documented refusal, after which nothing is read."""
    team = Team(random)
    with World(team.hire, workers=random.choice((1, 2))) as world:
        client = Client(world)
        sent = _send(world, client, data, random)
        world.settle()
        ending = random.randrange(3)
        if ending == 0:
            client.transport.feed(b"")
        elif ending == 1:
            client.transport.reset()
            client.was_reset = True
        client.transport.take()
        world.settle()
        world.end()
    _check_workers(team)
    _check_requests(world, team, sent)
    _check_answers(world, client)


def _send(world: World, client: Client, data: bytes, random: Random) -> bytes:
    sent = b""
    for piece in pieces(data, random):
        if not piece:
            continue
        client.transport.feed(piece)
        sent += piece
        if random.randrange(4):
            world.settle()
        chance = random.randrange(60)
        if chance == 0:
            client.transport.stall()
        elif chance == 1:
            client.transport.take()
        elif chance == 2:
            world.proxy.server.pre_shutdown()
    return sent


def _check_workers(team: Team) -> None:
    """Every reader reads the same requests out of what a worker got."""
    for worker in team.workers:
        theirs = strict(worker.data)
        assert theirs == lenient(worker.data) or not all(each.whole for each in theirs.requests), worker.data
        assert theirs.fault in ("", CUT), (theirs.fault, worker.data)
        whole = [each for each in theirs.requests if each.whole]
        assert [(each.method, each.target, each.body) for each in whole] == list(by_h11(worker.data)), (
            worker.data
        )
        assert llhttp.count(worker.data) == len(whole), worker.data


def by_h11(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Method, target and body of every request that h11 reads whole."""
    reader = h11.Connection(h11.SERVER)
    reader.receive_data(data)
    method, target, body = b"", b"", b""
    while True:
        event = reader.next_event()
        if event is h11.NEED_DATA:
            return
        if isinstance(event, h11.Request):
            method, target, body = event.method, event.target, b""
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            yield method, target, body
            reader.send(h11.Response(status_code=204, headers=[]))
            reader.send(h11.EndOfMessage())
            if reader.states != {h11.SERVER: h11.DONE, h11.CLIENT: h11.DONE}:
                raise AssertionError("h11 reads a request after which it wants no other")
            reader.start_next_cycle()


def _check_requests(world: World, team: Team, sent: bytes) -> None:
    """What workers got is what the client sent, in its order; twice only what was not answered before."""
    asked = list(strict(sent).requests)
    ended = world.proxy.recorder.ended
    assert not any(exchange.head is None for exchange in ended[:-1]), "a request was read after a refusal"
    at = -1
    for index, seen in enumerate(team.seen):
        request = seen.request
        repeats = at >= 0 and not team.seen[index - 1].answered and is_same(asked[at], request)
        if not repeats:
            at += 1
            while at < len(asked) and not is_same(asked[at], request):
                at += 1
        assert at < len(asked), f"{request} was never sent"


def is_same(sent: Request, got: Request) -> bool:
    """Whether a worker got the request that was sent, less what is hop-by-hop, with the forwarded fields."""
    if sent.method != got.method or origin_form(sent.target) != got.target:
        return False
    body = got.body == sent.body if got.whole else not got.body
    return body and fields_to_worker(sent) == [field for field in got.fields[:-3] if field != (b"host", b"")]


def origin_form(target: bytes) -> bytes:
    """What of an absolute target is forwarded (RFC 9112 section 3.2.1)."""
    if target.startswith(b"/"):
        return target
    rest = re.sub(rb"\A[A-Za-z]+://[^/?]*", b"", target)
    return rest if rest.startswith(b"/") else b"/" + rest


def fields_to_worker(sent: Request) -> list[Field]:
    """The fields that pass, in their order."""
    dropped = NOT_FROM_CLIENTS | nominated(sent)
    return [field for field in sent.fields if field[0] not in dropped and field != (b"host", b"")]


def nominated(sent: Request) -> set[bytes]:
    """What its Connection fields name, less what no Connection field can take away."""
    names = {
        name.strip().lower()
        for field, value in sent.fields
        if field == b"connection"
        for name in value.split(b",")
    }
    return names - {b"host", b"content-length", b"transfer-encoding", b"authorization"}


def _check_answers(world: World, client: Client) -> None:
    """Each exchange is answered by its own answer, whole, or the client sees that it is not."""
    rest = client.data
    for exchange in world.proxy.recorder.ended:
        if exchange.status in (0, 499):
            break
        while rest.startswith(b"HTTP/1.1 100 Continue\r\n\r\n"):
            rest = rest.partition(b"\r\n\r\n")[2]
        head, end, rest = rest.partition(b"\r\n\r\n")
        if not end:
            assert client.was_reset or not client.data, (exchange.line, head)
            return
        status = STATUS.match(head)
        assert status is not None, head
        assert int(status[1]) == exchange.status, (exchange.line, head)
        body, rest = _body_of(head, rest, head_only=exchange.line.startswith(b"HEAD "))
        if exchange.reason:
            if exchange.first_byte:
                assert client.was_reset, "a broken answer looks whole"
                return
            continue
        assert exchange.head is not None
        name = b"%b %b " % (exchange.head.method.encode(), exchange.head.target)
        assert body.startswith(name) or not body or client.was_reset, (name, body)


def _body_of(head: bytes, rest: bytes, *, head_only: bool) -> tuple[bytes, bytes]:
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    if head_only or head[9:12] == b"204":
        return b"", rest
    if b"content-length" in fields:
        length = int(fields[b"content-length"])
        return rest[:length], rest[length:]
    if b"transfer-encoding" in fields:
        chunks = llhttp.read_chunks(rest)
        assert chunks is not None, rest
        return chunks.payload, b"" if chunks.used is None else rest[chunks.used :]
    return rest, b""


def said_in_cases() -> Iterator[bytes]:
    """What the clients of tests/http/ send, where it is short."""
    for case in all_cases():
        for client in case.clients:
            data = b"".join(step.data for step in client.steps if step.verb in ("write", "bytewise"))
            if len(data) <= SHORT:
                yield data


CLIENT_CORPUS = (
    *said_in_cases(),
    *(head + body + REQUESTS[0] for head in REQUESTS for body in (b"", b"hello", BODIES[0])),
    REQUESTS[0] * 3,
    REQUESTS[1].replace(b"Expect: 100-continue\r\n", b"") + b"hello" + REQUESTS[0],
    REQUESTS[0] + b"GET /_synapse/admin HTTP/1.1\r\nHost: h\r\n\r\n" + REQUESTS[0],
    b"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + BODIES[1] + REQUESTS[0],
    b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" + BODIES[0] + REQUESTS[0],
    b"POST /x HTTP/1.1\r\nHost: h\r\nConnection: content-length\r\nContent-Length: 5\r\n\r\nhello"
    + REQUESTS[0],
    b"HEAD /x HTTP/1.1\r\nHost: h\r\nConnection: a, keep-alive\r\nA: b\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"
    * 2,
)
LINES = (
    *(
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: content-length\r\n",
        b"gzip, ",
    ),
    *(
        b"Connection: transfer-encoding, host\r\n",
        b"Connection: close\r\n",
        b"Expect: 100-continue\r\n",
        b"identity",
    ),
    *(b"Forwarded: for=x\r\n", b"X_Forwarded_For: x\r\n", b"Upgrade: websocket\r\nConnection: upgrade\r\n"),
)
TARGETS = (
    Target(
        name="client-connection",
        corpus=CLIENT_CORPUS,
        parts=(*PARTS, *REQUESTS[:5], *BODIES[:2], *LINES),
        check=check_client,
    ),
)
