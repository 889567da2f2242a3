from __future__ import annotations

import asyncio

import pytest

from benchmarks.scale.holder import HELD, hold

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_it_holds_until_one_is_closed(capsys: pytest.CaptureFixture[str]) -> None:
    """Each connection gets one answer; the third is closed once all have theirs."""
    writers: list[asyncio.StreamWriter] = []
    all_there = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        writers.append(writer)
        if len(writers) == 5:
            all_there.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        holding = asyncio.create_task(hold({port: 5}, look=0.01))
        async with asyncio.timeout(5):
            await all_there.wait()
            done, _ = await asyncio.wait([holding], timeout=0.05)
            assert not done
            assert HELD in capsys.readouterr().out
            writers[2].close()
            assert await holding == f"port {port} has closed a connection"
        for writer in writers:
            writer.close()
