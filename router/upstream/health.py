"""Health checks: when each endpoint is asked, and what its answers, or their absence, come to."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable

from router.settings import Health
from router.table import DnsAddress, Endpoint
from router.upstream.check import CheckFailed, Checks, NotAsked
from router.upstream.pool import Pool
from router.upstream.state import EndpointStates

SOONER = 1.0
"""Seconds between two checks of an endpoint that is not up: a worker that is back serves soon."""


class HealthChecker:
    """Asks every endpoint again and again, one task for each address; a `dns:` is none before it is found.

    `chance` gives numbers from 0 up to 1.
    """

    __slots__ = ("_chance", "_checks", "_endpoints", "_pool", "_settings", "_states", "_tasks")

    def __init__(
        self,
        *,
        endpoints: Iterable[Endpoint],
        settings: Health,
        states: EndpointStates,
        pool: Pool,
        checks: Checks,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._endpoints = _to_ask(endpoints)
        self._settings = settings
        self._states = states
        self._pool = pool
        self._checks = checks
        self._chance = chance
        self._tasks: dict[str, asyncio.Task[None]] | None = None

    async def check_all(self) -> None:
        """Asks every endpoint once, side by side."""
        await asyncio.gather(*(self.check(endpoint) for endpoint in self._endpoints.values()))

    async def check(self, endpoint: Endpoint) -> None:
        """Asks one endpoint and notes what it says.

        Whoever refuses is down at once, and so is who answers the very first check with anything but 2xx. One
        that is late may only be busy: to move its users to the others would make those busy too.
        """
        states, settings = self._states, self._settings
        first = not states.state(endpoint).checked
        try:
            if not self._is_known(endpoint):
                await self._checks.make(endpoint, settings.path, settings.timeout)
        except NotAsked:
            return
        except TimeoutError:
            reason = f"{endpoint.name}: no answer within {settings.timeout:g} s"
            states.check_failed(endpoint, reason, settings, at_once=False)
        except CheckFailed as failed:
            states.check_failed(endpoint, str(failed), settings, at_once=failed.refused or first)
        else:
            states.check_passed(endpoint, settings)

    def _is_known(self, endpoint: Endpoint) -> bool:
        """Whether an open connection shows what a connect would; not that of a worker that takes no other."""
        state = self._states.state(endpoint)
        shows = self._settings.path is None and self._pool.has_connection(endpoint)
        return state.up and not state.unreachable and shows

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
        for name, endpoint in self._endpoints.items():
            if name not in self._tasks:
                self._tasks[name] = asyncio.create_task(self._watch(endpoint, at_once=name not in known))

    async def _watch(self, endpoint: Endpoint, *, at_once: bool) -> None:
        """The first interval is cut by chance: whoever starts together is not in step."""
        wait = 0.0 if at_once else self._settings.interval * self._chance()
        while True:
            await asyncio.sleep(wait)
            await self.check(endpoint)
            wait = self._interval(up=self._states.state(endpoint).up)

    def _interval(self, *, up: bool) -> float:
        settings = self._settings
        interval = settings.interval if up else min(settings.interval, SOONER)
        return interval + settings.jitter * self._chance()

    async def stop(self) -> None:
        """Asks no more."""
        tasks, self._tasks = (self._tasks or {}).values(), None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _to_ask(endpoints: Iterable[Endpoint]) -> dict[str, Endpoint]:
    return {each.name: each for each in endpoints if not isinstance(each.address, DnsAddress)}
