"""Asks every process of one deployment for every endpoint, and keeps what each answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from router.local.asking.person import Person, Place
from router.local.asking.requests import (
    Request,
    anonymous,
    authenticated,
    shown,
    valid_for,
    wants_credentials,
)
from router.local.asking.servlets import Servlet
from router.local.asking.wire import Answer, Wire

PAUSES = (0.05, 0.3)
"""Seconds before a request is made again that was answered with 5xx."""

METHODS = ("PUT", "POST", "GET", "DELETE")
"""In the order in which they are asked: what is made is there to be read, and to be deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one process answered to the requests of one servlet.

    `anonymous` has the answer to each target, asked without credentials; `valid` that to a valid request with
    credentials, empty where none was asked.
    """

    anonymous: Mapping[str, str]
    valid: str = ""


async def ask_processes(
    place: Place,
    processes: Sequence[str],
    servlets: Iterable[Servlet],
    *,
    accounts: bool = True,
    alternatives: bool = True,
) -> dict[str, dict[Servlet, Asked]]:
    """What each of the processes answers for each servlet: to all `alternatives`, or the foremost one only.

    Without `accounts` nothing is asked with credentials. The processes are asked at the same time, each by
    persons of its own and one request after another.
    """
    listed = sorted(servlets, key=lambda servlet: (servlet.pattern, METHODS.index(servlet.method)))
    async with Wire() as wire:
        askers = [
            _Asker(wire, place, name, accounts=accounts, alternatives=alternatives) for name in processes
        ]
        answers = await asyncio.gather(*(asker.ask(listed) for asker in askers))
    return dict(zip(processes, answers, strict=True))


class _Asker:
    """Asks one process."""

    __slots__ = ("_accounts", "_alternatives", "_person", "_place", "_port", "_wire")

    def __init__(self, wire: Wire, place: Place, process: str, *, accounts: bool, alternatives: bool) -> None:
        self._accounts = accounts
        self._alternatives = alternatives
        self._wire = wire
        self._place = place
        self._port = place.ports[process]
        self._person = Person(wire, place)

    async def ask(self, servlets: Iterable[Servlet]) -> dict[Servlet, Asked]:
        return {servlet: await self._ask_for(servlet) for servlet in servlets}

    async def _ask_for(self, servlet: Servlet) -> Asked:
        requests = [r for r in anonymous(servlet) if self._alternatives or r.target == shown(servlet)]
        without = {request.target: await _settled(partial(self._send, request)) for request in requests}
        told = {target: str(answer) for target, answer in without.items()}
        elsewhere = all(answer.elsewhere for answer in without.values())
        if elsewhere or not self._accounts or not wants_credentials(servlet):
            return Asked(anonymous=told)
        valid = await _settled(partial(self._ask_validly, servlet))
        return Asked(anonymous=told, valid=str(valid))

    async def _ask_validly(self, servlet: Servlet) -> Answer:
        valid = valid_for(servlet)
        person = Person(self._wire, self._place) if valid.alone else self._person
        request = await authenticated(servlet, person.value)
        token = "" if valid.tokenless else await person.text("token")
        return await self._send(request, token=token)

    async def _send(self, request: Request, *, token: str = "") -> Answer:
        return await self._wire.ask(
            self._port, request.method, request.target, body=request.body, token=token
        )


async def _settled(send: Callable[[], Awaitable[Answer]]) -> Answer:
    """What is answered in the end: two transactions that meet in the database fail one of them with 500."""
    answer = await send()
    for pause in PAUSES:
        if answer.status < 500:
            break
        await asyncio.sleep(pause)
        answer = await send()
    return answer
