"""Health checks: each endpoint is asked by the same guarded way that requests take."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from router.errors import ConnectFailed, OutOfResources, UpstreamError
from router.http1.responses import ResponseMessage
from router.settings import Health
from router.table import DnsAddress, Endpoint, UnixAddress
from router.upstream.connection import UpstreamConnection
from router.upstream.pool import Pool
from router.upstream.state import EndpointStates

DOWN_INTERVAL = 1.0
"""Seconds between two checks of an endpoint that is down: a worker that is back serves soon."""


PATIENCE = 3
"""Checks in a row without an answer in time before an endpoint is down (HAProxy `fall` default).

A busy Synapse may take seconds to answer; to move its users to the others then would make those busy too.
Whoever refuses a connection, or answers something else, is down at once.
"""


class Probe:
    """One check: connects, asks where there is a path to ask, and holds the verdict.

    `verdict` becomes the reason why the endpoint is down, empty where it is up, None where it could not
    be asked for want of our own.
    """

    __slots__ = ("_connection", "_path", "verdict")

    def __init__(self, path: str | None, verdict: asyncio.Future[str | None]) -> None:
        self._path = path
        self._connection: UpstreamConnection | None = None
        self.verdict = verdict

    def _decide(self, reason: str | None) -> None:
        if not self.verdict.done():
            self.verdict.set_result(reason)

    def close(self) -> None:
        """Ends the connection, which never becomes one of the pool's."""
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    def on_connected(self, connection: UpstreamConnection) -> None:
        """An open connection is the answer, or the way to ask for one."""
        self._connection = connection
        if self._path is None:
            self._decide("")
            self.close()
            return
        endpoint = connection.endpoint
        host = "localhost" if isinstance(endpoint.address, UnixAddress) else endpoint.name
        head = f"GET {self._path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        connection.send(head.encode("ascii"), method="GET", decode=False, sink=self)
        connection.end_request()

    def on_connect_failed(self, error: ConnectFailed) -> None:
        """Nobody listens, or nobody could be asked."""
        self._decide(None if isinstance(error, OutOfResources) else error.message)

    def on_response(self, message: ResponseMessage, head: bytes, body: bytes) -> None:  # noqa: ARG002 - a sink's signature
        """2xx is up."""
        self._decide("" if 200 <= message.status < 300 else f"{self._path} answered {message.status}")
        self.close()

    def on_upstream_error(self, error: UpstreamError) -> None:
        """The endpoint listens, but does not answer."""
        self._decide(error.message)

    def on_switch(self, message: ResponseMessage, head: bytes, rest: bytes) -> None:
        """Nobody asked for that, and it is not 2xx."""
        self.on_response(message, head, rest)

    def on_informational(self, message: ResponseMessage, head: bytes) -> None:
        """Of no interest here, like the rest of the answer."""

    def on_response_body(self, data: bytes) -> None:
        """Of no interest here."""

    def on_response_end(self) -> None:
        """Of no interest here."""

    def on_upstream_paused(self) -> None:
        """Of no interest here."""

    def on_upstream_resumed(self) -> None:
        """Of no interest here."""


class HealthChecker:
    """Asks every endpoint again and again, one task for each address; a `dns:` is none before it is found."""

    __slots__ = ("_endpoints", "_late", "_pool", "_settings", "_states", "_tasks")

    def __init__(
        self,
        *,
        endpoints: Iterable[Endpoint],
        settings: Health,
        states: EndpointStates,
        pool: Pool,
    ) -> None:
        self._endpoints = _to_ask(endpoints)
        self._settings = settings
        self._states = states
        self._pool = pool
        self._late: dict[str, int] = {}
        self._tasks: dict[str, asyncio.Task[None]] | None = None

    async def check_all(self) -> None:
        """Asks every endpoint once, side by side."""
        await asyncio.gather(*(self.check(endpoint) for endpoint in self._endpoints.values()))

    async def check(self, endpoint: Endpoint) -> None:
        """Asks one endpoint and notes what it says."""
        up = self._states.is_up(endpoint)
        known = up and self._settings.path is None and self._pool.has_connection(endpoint)
        reason = "" if known else await self._ask(endpoint)
        if reason is None:
            return
        self._states.mark_checked(endpoint)
        if reason:
            self._states.mark_down(endpoint, reason)
        else:
            self._states.mark_up(endpoint)

    async def _ask(self, endpoint: Endpoint) -> str | None:
        timeout = self._settings.timeout
        probe = Probe(self._settings.path, asyncio.get_running_loop().create_future())
        connecting = self._pool.connect(endpoint, probe)
        try:
            async with asyncio.timeout(timeout):
                verdict = await probe.verdict
        except TimeoutError:
            late = self._late[endpoint.name] = self._late.get(endpoint.name, 0) + 1
            if late < PATIENCE and self._states.is_up(endpoint):
                return None
            return f"{endpoint.name}: no answer within {timeout:g} s, {late} times in a row"
        else:
            self._late.pop(endpoint.name, None)
            return verdict
        finally:
            connecting.cancel()
            probe.close()

    def start(self) -> None:
        """Begins to ask for good."""
        self._tasks = {}
        self.watch(self._endpoints.values())

    def watch(self, endpoints: Iterable[Endpoint]) -> None:
        """From now on these: who is new is asked at once, who is gone no more; the others see no change."""
        known, self._endpoints = self._endpoints, _to_ask(endpoints)
        if self._tasks is None:
            return
        for name in self._tasks.keys() - self._endpoints.keys():
            self._tasks.pop(name).cancel()
            self._late.pop(name, None)
        for name, endpoint in self._endpoints.items():
            if name not in self._tasks:
                self._tasks[name] = asyncio.create_task(self._watch(endpoint, at_once=name not in known))

    async def _watch(self, endpoint: Endpoint, *, at_once: bool) -> None:
        if at_once:
            await self.check(endpoint)
        while True:
            up = self._states.state(endpoint).up
            interval = self._settings.interval
            await asyncio.sleep(interval if up else min(interval, DOWN_INTERVAL))
            await self.check(endpoint)

    async def stop(self) -> None:
        """Asks no more."""
        tasks, self._tasks = (self._tasks or {}).values(), None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _to_ask(endpoints: Iterable[Endpoint]) -> dict[str, Endpoint]:
    return {each.name: each for each in endpoints if not isinstance(each.address, DnsAddress)}
