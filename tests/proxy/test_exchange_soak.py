"""Many clients and workers at once, all of whom leave, die and dawdle: nobody gets another's answer."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

from router.settings import Limits, Settings
from tests.dialogues import Hire, Serve
from tests.wire import Peer, Proxy
from tests.worker import Worker

CLIENTS = 40
REQUESTS = 25


class Luck:
    """What a worker does with one request, and a client with one answer, by dice."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def often(self) -> bool:
        return self.random.random() < 0.9

    def pieces(self, data: bytes) -> list[bytes]:
        """The last one is not empty."""
        cuts = sorted(self.random.randrange(len(data)) for _ in range(self.random.randrange(4)))
        return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def field(head: bytes, name: bytes) -> int:
    _, found, rest = head.partition(b"\r\n" + name + b": ")
    return int(rest.split(b"\r\n")[0]) if found else 0


async def work(peer: Peer, luck: Luck) -> None:
    """Answers requests with their own path, in every framing, or breaks off."""
    while True:
        head = await peer.until()
        method, path, _ = head.split(b" ", 2)
        early = not luck.often()
        if not early:
            await peer.exactly(field(head, b"Content-Length"))
        elif not luck.often():
            return
        body = path * luck.random.choice([1, 1, 1, 5000])
        framing = luck.random.randrange(8)
        if method == b"HEAD" or framing < 4:
            text = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
            text += body if method != b"HEAD" else b""
        elif framing < 7:
            text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (
                len(body),
                body,
            )
        else:
            text = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body
        whole = luck.often()
        pieces = luck.pieces(text if whole else text[: luck.random.randrange(1, len(text))])
        if whole and framing != 7 and not luck.often():
            # Right behind the answer: once the next request is sent, nobody can tell it from an answer.
            pieces[-1] += b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
        for piece in pieces:
            await peer.send(piece)
            await asyncio.sleep(luck.random.choice([0, 0, 0.002]))
        if whole and (framing == 7 or early):
            return
        if not whole:
            luck.random.choice([peer.close, peer.reset] if framing < 7 else [peer.reset])()
            return


def hire(worker: Worker, luck: Luck) -> None:
    async def behaviour(peer: Peer) -> None:
        await work(peer, luck)

    worker.behave(behaviour)


async def ask(client: Peer, number: int, luck: Luck) -> bool:
    """One request and its answer, which must be its own; whether the connection is of further use."""
    path = b"/%07d" % number
    method = luck.random.choice([b"GET", b"GET", b"POST", b"PUT", b"HEAD"])
    body = bytes(luck.random.choice([0, 10, 100_000])) if method in (b"POST", b"PUT") else b""
    request = b"%b %b HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b" % (method, path, len(body), body)
    for piece in luck.pieces(request):
        await client.send(piece)
        await asyncio.sleep(0)
    if not luck.often():
        return False
    head = await client.until()
    if not head.startswith(b"HTTP/1.1 200 "):
        assert head[9:12] in (b"502", b"503", b"504"), head
        await client.exactly(field(head, b"Content-Length") if method != b"HEAD" else 0)
        return b"Connection: close" not in head
    if method == b"HEAD":
        return b"Connection: close" not in head
    if b"chunked" in head:
        data = b""
        while size := int(await client.until(b"\r\n"), 16):
            data += await client.exactly(size)
            assert await client.exactly(2) == b"\r\n"
        assert await client.exactly(2) == b"\r\n"
    else:
        data = await client.exactly(field(head, b"Content-Length"))
    assert data == path * (len(data) // len(path))
    assert data
    return b"Connection: close" not in head


async def use(proxy: Proxy, first: int, luck: Luck, wrong: list[str]) -> None:
    client = await proxy.connect()
    for number in range(first, first + REQUESTS):
        try:
            further = await ask(client, number, luck)
        except OSError:
            further = False
        except AssertionError as error:
            if "ended" not in str(error):
                wrong.append(f"{number}: {error}")
            further = False
        if not further:
            luck.random.choice([client.close, client.reset])()
            client = await proxy.connect()


async def test_nobody_gets_the_answer_of_another(serve: Serve, workers: Hire) -> None:
    luck = Luck(2)
    staff = [workers() for _ in range(3)]
    for worker in staff:
        hire(worker, luck)
    proxy = await serve(
        *(replace(worker.endpoint, max_fails=0) for worker in staff),
        settings=Settings(limits=Limits(body=200_000)),
    )
    wrong: list[str] = []
    async with asyncio.timeout(30):
        await asyncio.gather(*(use(proxy, client * 10_000, luck, wrong) for client in range(CLIENTS)))
    assert wrong == []
    assert len(proxy.ends) > CLIENTS * REQUESTS / 2
    assert {reason for _, reason in proxy.ends} == {"", "aborted", "client_gone"}
