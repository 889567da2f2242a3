"""A client that tells of each request how it ended, and whether a byte of the answer had come."""

from __future__ import annotations

import asyncio
from collections import Counter
from enum import Enum


class End(Enum):
    """How a request ended, as the client saw it."""

    WHOLE = "200, whole"
    REFUSED_502 = "502 before an answer byte"
    REFUSED_503 = "503 before an answer byte"
    REFUSED_504 = "504 before an answer byte"
    CUT = "cut after an answer byte"
    LOST = "connection lost before an answer byte"
    NOT_CONNECTED = "never connected"


REFUSED = {502: End.REFUSED_502, 503: End.REFUSED_503, 504: End.REFUSED_504}
TALLY = Counter[tuple[str, End]]
"""How many requests of a method ended so."""


class Client:
    """One connection at a time, kept alive as long as the router keeps it; counts into a shared tally."""

    def __init__(self, port: int, tally: TALLY) -> None:
        self._port = port
        self._tally = tally
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.told_to_close = False

    async def ask(
        self, method: str, target: str, body: bytes = b"", *, name: str = "", pause: float = 0.0
    ) -> End:
        """Sends one request; the end of it is counted once, under `name` or its method.

        With a `pause`, in seconds, half of the body comes after it.
        """
        end = await self._ask(method, target, body, pause)
        self._tally[name or method, end] += 1
        if end is not End.WHOLE or self.told_to_close:
            self.close()
        return end

    async def connect(self) -> bool:
        """Opens a connection where there is none; whether there is one now."""
        self.told_to_close = False
        try:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        return True

    def is_over(self) -> bool:
        """Whether the router has closed the connection."""
        return self._reader is None or self._reader.at_eof()

    async def _ask(self, method: str, target: str, body: bytes, pause: float) -> End:
        if self._writer is None and not await self.connect():
            return End.NOT_CONNECTED
        reader, writer = self._reader, self._writer
        assert reader is not None
        assert writer is not None
        length = f"Content-Length: {len(body)}\r\n" if body or method == "POST" else ""
        come = b""
        try:
            head = f"{method} {target} HTTP/1.1\r\nHost: h\r\n{length}\r\n".encode()
            first = len(body) // 2 if pause else len(body)
            writer.write(head + body[:first])
            if pause:
                await asyncio.sleep(pause)
                writer.write(body[first:])
            while b"\r\n\r\n" not in come:
                piece = await reader.read(65_536)
                if not piece:
                    return End.CUT if come else End.LOST
                come += piece
            answer, _, rest = come.partition(b"\r\n\r\n")
            fields = answer.lower()
            self.told_to_close = b"connection: close" in fields
            size = int(fields.partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(size - len(rest))
        except (ConnectionError, asyncio.IncompleteReadError):
            return End.CUT if come else End.LOST
        return REFUSED.get(int(answer[9:12]), End.WHOLE)

    def close(self) -> None:
        """Ends the connection; the next request opens another."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


def table(tally: TALLY) -> list[str]:
    """A line for each end, a column for each method."""
    methods = sorted({method for method, _ in tally})
    lines = [f"{'':40}" + "".join(f"{method:>9}" for method in methods)]
    lines += [
        f"{end.value:40}" + "".join(f"{tally[method, end]:9,}" for method in methods)
        for end in End
        if any(tally[method, end] for method in methods)
    ]
    sums = [sum(count for (each, _), count in tally.items() if each == method) for method in methods]
    return [*lines, f"{'sum':40}" + "".join(f"{each:9,}" for each in sums)]
