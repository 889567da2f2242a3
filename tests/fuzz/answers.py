"""The target of what a worker answers, in memory: one answer for one request, whole or visibly broken."""

from __future__ import annotations

import json
from random import Random

from router.http1.fields import HOP_BY_HOP
from tests.fuzz.engine import Target, pieces
from tests.fuzz.memory import MemoryTransport
from tests.fuzz.readings import Answer, Field, answer, strict
from tests.fuzz.world import Client, World
from tests.http1.bytes_strategies import BODIES, PARTS, RESPONSES

ASKED = (
    b"GET /first HTTP/1.1\r\nHost: h\r\n\r\n",
    b"HEAD /first HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /first HTTP/1.0\r\n\r\n",
    b"POST /first HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /first HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel",
    b"PUT /first HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n0\r\n\r\n",
    b"GET /first HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
)
SECOND = b"GET /second HTTP/1.1\r\nHost: h\r\n\r\n"
ANSWERS = {
    b"/first": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain",
    b"/second": b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond",
}
FIN, RESET, SILENCE = range(3)
FRAMES = frozenset({b"content-length", b"transfer-encoding"})


class Script:
    """What the first connection answers to the first request; all other requests get answers of their own."""

    def __init__(self, data: bytes, random: Random) -> None:
        self.pieces = [piece for piece in pieces(data, random) if piece]
        self.ending = random.randrange(3)
        self.used = False

    def hire(self) -> Player:
        """One more connection."""
        return Player(self)


class Player:
    """One connection to a worker."""

    def __init__(self, script: Script) -> None:
        self.transport: MemoryTransport
        self._script = script
        self._data = b""
        self._asked = 0

    def got(self, data: bytes) -> None:
        self._data += data
        requests = strict(self._data).requests
        for request in requests[self._asked :]:
            if request.target == b"/first" and not self._script.used:
                self._script.used = True
                self._play()
            else:
                self.transport.feed_soon(ANSWERS[request.target])
        self._asked = len(requests)

    def _play(self) -> None:
        for piece in self._script.pieces:
            self.transport.feed_soon(piece)
        if self._script.ending == FIN:
            self.transport.feed_soon(b"")
        elif self._script.ending == RESET:
            self.transport.reset_soon()

    def ended(self, *, reset: bool) -> None:
        pass


def check_answer(data: bytes, random: Random) -> None:
    """The client gets the worker's answer or one of ours, and its next request an answer of its own."""
    script = Script(data, random)
    asked = random.choice(ASKED)
    with World(script.hire, workers=random.choice((1, 2))) as world:
        client = Client(world)
        client.transport.feed(asked)
        world.settle()
        after_first = client.data
        if not client.over and strict(asked).requests[0].whole:
            client.transport.feed(SECOND)
            world.settle()
        world.end()
    method = asked.partition(b" ")[0]
    first = world.proxy.recorder.ended[0]
    again = first.attempts > 1
    theirs = answer(ANSWERS[b"/first"] if again else data, method, ended=again or script.ending == FIN)
    ours = answer(client.data, method, ended=client.over and not client.was_reset)
    if first.first_byte:
        assert ours is not None
        assert theirs is not None
        _check_passed(ours, theirs, whole=not first.reason, was_reset=client.was_reset)
    elif ours is not None:
        assert (ours.status, ours.whole) == (first.status, True)
        assert ours.body == b"" or "errcode" in json.loads(ours.body)
    else:
        assert client.was_reset or first.reason == "client_gone", (first.reason, client.data)
    if len(world.proxy.recorder.ended) > 1 and ours is not None:
        assert ours.whole
        assert len(after_first) >= ours.used or not first.first_byte, (
            "the first answer ended with the second's bytes"
        )
        second = answer(client.data[ours.used :], b"GET", ended=client.over)
        assert second is not None
        assert (second.status, second.body) == (200, b"second"), client.data


def _check_passed(ours: Answer, theirs: Answer, *, whole: bool, was_reset: bool) -> None:
    assert (ours.status, ours.before <= theirs.before) == (theirs.status, True)
    assert _passing(ours) == _passing(theirs)
    if whole:
        assert ours.whole
        assert theirs.whole
        assert ours.body == theirs.body
    else:
        assert was_reset, "a broken answer looks whole"


def _passing(message: Answer) -> list[Field]:
    nominated = {
        name.strip().lower()
        for field, value in message.fields
        if field == b"connection"
        for name in value.split(b",")
    }
    return [field for field in message.fields if field[0] not in HOP_BY_HOP | FRAMES | nominated]


PAYLOADS = (b"", b"hello", *BODIES[:3])
TARGETS = (
    Target(
        name="worker-answers",
        corpus=(
            *(head + body for head in RESPONSES for body in PAYLOADS),
            RESPONSES[4] + RESPONSES[0] + BODIES[0],
            RESPONSES[2] + b"hello, world" + RESPONSES[0],
            *(response + RESPONSES[1] for response in RESPONSES),
        ),
        parts=(*PARTS, *RESPONSES, *BODIES[:2], b"Content-Length: 5\r\n", b"Connection: close\r\n"),
        check=check_answer,
    ),
)
