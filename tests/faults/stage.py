"""A real router before real worker processes, which can be killed and come back."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from pathlib import Path

from tests.real_nginx import free_ports

PATIENCE = 20.0
"""Seconds that anything may take to start or to end before a run fails."""


class Stage:
    """A router and its workers, in a folder; `kills` counts those that were killed."""

    def __init__(self, folder: Path, *, workers: int, drain_timeout: str = "30s") -> None:
        self.port, *self._ports = free_ports(1 + workers)
        self._folder = folder
        self._admin = folder / "admin.sock"
        self._workers: dict[int, asyncio.subprocess.Process] = {}
        self.router: asyncio.subprocess.Process | None = None
        self.kills = 0
        (folder / "routes.yaml").write_text(
            f"listen: '127.0.0.1:{self.port}'\nadmin: 'unix:{self._admin}'\naccess_log: off\n"
            f"drain_timeout: {drain_timeout}\n"
            "health: {path: /health, interval: 250ms, jitter: 50ms}\n"
            f"upstreams: {{all: {{endpoints: [{', '.join(f'127.0.0.1:{port}' for port in self._ports)}]}}}}\n"
            "routes: [{path: '^/', upstream: all}]\n"
        )

    async def start(self) -> None:
        """Returns once the router serves."""
        for place in range(len(self._ports)):
            await self._hire(place)
        file = str(self._folder / "routes.yaml")
        with (self._folder / "router.log").open("wb") as log:
            self.router = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "router", "serve", "-c", file, stderr=log
            )
        await _until_it_listens(self.port)

    async def _hire(self, place: int) -> None:
        port = self._ports[place]
        self._workers[place] = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.faults.worker", str(port)
        )
        await _until_it_listens(port)

    async def kill_and_bring_back(self, seconds: float, *, every: float, away: float) -> None:
        """One worker after the other, by SIGKILL, until the time is over; all are there at the end."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            place = self.kills % len(self._ports)
            await asyncio.sleep(every - away)
            self._workers[place].kill()
            await self._workers[place].wait()
            self.kills += 1
            await asyncio.sleep(away)
            await self._hire(place)

    async def counted(self, metric: str) -> int:
        """The sum over all series of one of the router's metrics."""
        reader, writer = await asyncio.open_unix_connection(str(self._admin))
        writer.write(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
        text = (await reader.read()).decode()
        writer.close()
        return sum(
            int(float(each)) for each in re.findall(rf"^{metric}(?:{{.*}})? (\S+)$", text, re.MULTILINE)
        )

    def terminate(self) -> None:
        """SIGTERM for the router."""
        assert self.router is not None
        self.router.send_signal(signal.SIGTERM)

    async def stop(self) -> None:
        """Ends whatever still runs."""
        for process in (self.router, *self._workers.values()):
            if process is not None and process.returncode is None:
                process.kill()
                await process.wait()


async def _until_it_listens(port: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
