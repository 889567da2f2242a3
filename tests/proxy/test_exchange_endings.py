"""Every exchange ends once, with the right word for it, whoever ends it and whenever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from router.settings import Limits, Settings
from tests.wire import Peer, Proxy, all_to, settle
from tests.worker import Worker

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: h\r\n"
EMPTY = POST + b"Content-Length: 0\r\n\r\n"
UPLOAD = POST + b"Content-Length: 9\r\n\r\nhalf"

PHASES = {
    # what the client has sent, and what the worker has
    "waiting": (EMPTY, b""),
    "hinted": (EMPTY, HINTS),
    "half a head": (EMPTY, CHUNKED[:20]),
    "answering": (EMPTY, CHUNKED + b"2\r\nhi\r\n"),
    "until close": (EMPTY, b"HTTP/1.1 200 OK\r\n\r\nhi"),
    "uploading": (UPLOAD, b""),
    "both": (UPLOAD, CHUNKED + b"2\r\nhi\r\n"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """An exchange under way."""

    proxy: Proxy
    client: Peer
    peer: Peer


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What somebody does, the reason that is noted, and the status where no answer has begun."""

    name: str
    act: Callable[[Scene], object]
    reason: str
    status: int


ENDINGS = [
    Ending(name="client leaves", act=lambda at: at.client.close(), reason="client_gone", status=499),
    Ending(name="client half-closes", act=lambda at: at.client.finish(), reason="client_gone", status=499),
    Ending(name="client resets", act=lambda at: at.client.reset(), reason="client_gone", status=499),
    Ending(name="worker closes", act=lambda at: at.peer.close(), reason="aborted", status=502),
    Ending(name="worker resets", act=lambda at: at.peer.reset(), reason="aborted", status=502),
    Ending(name="worker babbles", act=lambda at: at.peer.send_some(b"\n"), reason="bad_response", status=502),
    Ending(name="time passes", act=lambda at: at.proxy.pass_time(700), reason="timeout", status=504),
    Ending(name="process ends", act=lambda at: at.proxy.server.cut(), reason="drain", status=503),
]  # fmt: skip
OTHERWISE: dict[tuple[str, str], tuple[int, str] | None] = {
    ("time passes", "uploading"): (408, "request_timeout"),
    # The end of the connection is the end of that body, and whatever comes is a part of it.
    ("worker closes", "until close"): (200, ""),
    ("worker babbles", "until close"): None,
}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.name)
async def test_phases_and_endings(proxy: Proxy, worker: Worker, phase: str, ending: Ending) -> None:
    sent, answered = PHASES[phase]
    client = await proxy.ask(sent)
    peer = await worker.asked()
    await peer.send(answered)
    await settle()
    done = ending.act(Scene(proxy=proxy, client=client, peer=peer))
    if isinstance(done, Awaitable):
        await done
    await settle()
    begun = b"\r\n\r\n" in answered.removeprefix(HINTS)
    end = OTHERWISE.get((ending.name, phase), (200 if begun else ending.status, ending.reason))
    assert proxy.ends == ([end] if end else [])
    for exchange in proxy.recorder.ended:
        assert exchange.bytes_in == (4 if sent is UPLOAD else 0)
        passed = len(answered.partition(b"\r\n\r\n")[2])
        if phase == "until close":
            passed = len(b"2\r\nhi\r\n0\r\n\r\n" if end == (200, "") else b"2\r\nhi\r\n")
        assert exchange.bytes_out == passed or not begun


class Script:
    """One client and one worker, who do in any order what two programs can do to each other."""

    def __init__(self) -> None:
        self.worker = Worker()
        self.proxy = Proxy(all_to(self.worker.endpoint), Settings(limits=Limits(body=20)))
        self.client: Peer | None = None
        self.peer: Peer | None = None

    async def play(self, steps: list[tuple[str, bytes]]) -> None:
        await self.proxy.listen()
        try:
            for name, data in steps:
                await self._step(name, data)
                await settle()
                self._accept()
        finally:
            await self.proxy.stop()
            await self.worker.stop()

    async def _step(self, name: str, data: bytes) -> None:
        client, peer = self.client, self.peer
        if name == "connect" or client is None:
            self.client = await self.proxy.connect()
        elif name == "time":
            await self.proxy.pass_time(len(data) * 30)
        elif name == "drain":
            self.proxy.server.pre_shutdown()
        else:
            await self._do(client if name.startswith("client") else peer, name.partition(" ")[2], data)

    async def _do(self, end: Peer | None, verb: str, data: bytes) -> None:
        if end is None or end.sock.fileno() < 0:
            return
        try:
            if verb == "sends":
                await end.send(data)
            elif verb == "finishes":
                end.finish()
            else:
                end.reset()
        except OSError:
            end.close()

    def _accept(self) -> None:
        try:
            sock, _ = self.worker.sock.accept()
        except BlockingIOError:
            return
        self.peer = Peer(sock)
        self.worker.peers.append(self.peer)


FROM_CLIENTS = [
    EMPTY,
    UPLOAD,
    b"12345",
    b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n" * 3,
    b"GET /c HTTP/1.0\r\n\r\n",
    b"HEAD /d HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    b"GET /_synapse/admin HTTP/1.1\r\nHost: h\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    b"0\r\n\r\n",
    POST + b"Content-Length: 21\r\n\r\n",
    POST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n",
    b"abc",
    b"GET /half",
    b"\x00",
]
FROM_WORKERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
    CHUNKED + b"2\r\nhi\r\n",
    b"2\r\nhi\r\n",
    b"0\r\n\r\n",
    b"12345",
    b"HTTP/1.1 200 OK\r\n\r\nuntil",
    b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
    HINTS,
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"junk\n",
]
STEPS = st.one_of(
    st.tuples(st.just("client sends"), st.sampled_from(FROM_CLIENTS)),
    st.tuples(st.just("worker sends"), st.sampled_from(FROM_WORKERS)),
    st.tuples(
        st.sampled_from(["connect", "client finishes", "client resets", "worker finishes", "worker resets"]),
        st.just(b""),
    ),
    st.tuples(st.just("time"), st.sampled_from([b"1", b"123", b"1" * 24])),
    st.tuples(st.just("drain"), st.just(b"")),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, min_size=3, max_size=14))
def test_whatever_two_programs_do_to_each_other_ends_once(steps: list[tuple[str, bytes]]) -> None:
    """`Proxy.stop` looks at what is left: it raises for a fault in a callback and for anything unfinished."""

    async def play() -> None:
        await Script().play(steps)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(play())
