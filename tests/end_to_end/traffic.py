"""Steady traffic of devices that send, sync, type and read, and try again as Matrix clients do."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp
import nio

from tests.end_to_end.people import V3, Device, room_path

PAUSE = 0.25
"""Seconds between two things that one device does, and before it tries again."""

POLL_MS = 2000

PATIENCE = 60.0
"""Seconds until all that was held up must have gone on; some of it waits for a worker's next try."""

IMPATIENCE = 5.0
"""Seconds after which a client asks again; below the 25 s in which Synapse tells main once of a device."""

FILTER = {"room": {"timeline": {"limit": 500}}}
"""No gap in a timeline, however long a device was without an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A request that did not succeed; `status` is 0 where the connection broke."""

    what: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    def __str__(self) -> str:
        return f"{self.what}: {self.status or 'connection broken'}"

    @property
    def well_told(self) -> bool:
        """Whether a web client can read it, and finds in it that it may try again."""
        if self.status == 0:
            return True
        try:
            told = json.loads(self.body)
        except ValueError:
            return False
        return (
            self.headers.get("Access-Control-Allow-Origin") == "*"
            and self.headers.get("Content-Type", "").startswith("application/json")
            and self.status in (502, 503, 504)
            and isinstance(told.get("errcode"), str)
            and told["errcode"] != "M_UNRECOGNIZED"
        )


class Traffic:
    """In one room, until left: what was sent, what went wrong, how often each thing was done.

    A device that sends counts its messages, and goes on to the next one when one is confirmed. As a
    Matrix client does, it tries again with the same transaction id, and syncs again from the same token.
    """

    def __init__(self, room: str, *, senders: Iterable[Device], readers: Iterable[Device]) -> None:
        self._room = room
        self._senders = tuple(senders)
        self.readers = tuple(readers)
        self._ending = False
        self._all_sent = False
        self._writing: list[asyncio.Task[None]] = []
        self._reading: list[asyncio.Task[None]] = []
        self.said: dict[str, list[str]] = {device.user: [] for device in self._senders}
        """By user, the texts that Synapse has confirmed, in order."""
        self.confirmed: set[str] = set()
        """The ids of all those messages."""
        self.counts: Counter[tuple[str, Device]] = Counter()
        self.troubles: list[Trouble] = []

    async def __aenter__(self) -> Self:
        self._reading = [asyncio.create_task(self._sync(device)) for device in self.readers]
        for device in self._senders:
            loops = (self._send(device), self._type_and_read(device), self._keep(device))
            self._writing += [asyncio.create_task(loop) for loop in loops]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            for task in (*self._writing, *self._reading):
                task.cancel()
            await asyncio.gather(*self._writing, *self._reading, return_exceptions=True)
            return
        self._ending = True
        await asyncio.gather(*self._writing)
        self._all_sent = True
        await asyncio.gather(*self._reading)

    async def _send(self, device: Device) -> None:
        texts = self.said[device.user]
        while not self._ending:
            text = f"{device.user} {len(texts)}"
            content = {"msgtype": "m.text", "body": text}
            again = f"traffic{len(texts)}"
            answer = await self._try(
                "send", device, device.client.room_send(self._room, "m.room.message", content, tx_id=again)
            )
            if isinstance(answer, nio.RoomSendResponse):
                texts.append(text)
                self.confirmed.add(answer.event_id)
            await asyncio.sleep(PAUSE)

    async def _sync(self, device: Device) -> None:
        while not self._all_sent or not self.confirmed <= device.ids(self._room):
            answer = await self._try("sync", device, device.client.sync(POLL_MS, FILTER))
            if isinstance(answer, nio.SyncResponse):
                device.take(answer)
            else:
                await asyncio.sleep(PAUSE)

    async def _type_and_read(self, device: Device) -> None:
        while not self._ending:
            await self._type(device)
            await self._read(device)
            await asyncio.sleep(PAUSE)

    async def _type(self, device: Device) -> None:
        typing = room_path(self._room, "typing", device.user)
        await self._ask("typing", device, "PUT", typing, {"typing": True, "timeout": 30_000})

    async def _read(self, device: Device) -> None:
        last = self.last_seen(device)
        if last:
            read = room_path(self._room, "receipt", "m.read", last)
            await self._ask("receipt", device, "POST", read, {})

    async def _keep(self, device: Device) -> None:
        """Writes that only the main process takes."""
        path = f"{V3}/user/{quote(device.user)}/account_data/org.example.traffic"
        while not self._ending:
            await self._ask("account data", device, "PUT", path, {"from": device.name})
            await asyncio.sleep(PAUSE)

    def last_seen(self, device: Device) -> str | None:
        """The id of the last message that the device has, or that its user's other one has."""
        ids = [e.event_id for d in self.readers if d.user == device.user for e in d.events[self._room][-1:]]
        return str(ids[-1]) if ids else None

    async def _ask(self, what: str, device: Device, method: str, path: str, content: object) -> None:
        answer = await self._try(what, device, device.ask(method, path, content))
        if answer is not None and answer.status != 200:
            self._note(what, answer.status, answer.headers, answer.body)
        elif answer is not None:
            self.counts[what, device] += 1

    async def _try(self, what: str, device: Device, request: Awaitable[Any]) -> Any:
        """The answer of nio, None where there is none."""
        try:
            answer = await request
        except (aiohttp.ClientError, TimeoutError) as error:
            self._note(what, 0, {}, repr(error).encode())
            return None
        if isinstance(answer, nio.ErrorResponse):
            raw = answer.transport_response
            self._note(what, raw.status, raw.headers, await raw.read())
        elif isinstance(answer, nio.Response):
            self.counts[what, device] += 1
        return answer

    def _note(self, what: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.troubles.append(Trouble(what=what, status=status, headers=dict(headers), body=body))

    async def goes_on(self, *what: str) -> None:
        """Waits until each device has done each of these twice more: the second one began after this call."""
        goal = {key: times + 2 for key, times in self.counts.items() if key[0] in what}
        try:
            await self.until(lambda: all(self.counts[key] >= times for key, times in goal.items()))
        except TimeoutError:
            late = [f"{w} of {device.user}" for (w, device), n in goal.items() if self.counts[w, device] < n]
            raise AssertionError(f"for {PATIENCE:g} s these did not go on: {late}") from None

    async def goes_on_for_the_impatient(self) -> None:
        """Waits until each device has typed and read once more, and asks again where an answer is late.

        The one that waits for main has told its process that the user is there: the next one need not.
        """
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*map(self._type_and_read_impatiently, self._senders))

    async def _type_and_read_impatiently(self, device: Device) -> None:
        for what, do in (("typing", self._type), ("receipt", self._read)):
            before = self.counts[what, device]
            while self.counts[what, device] == before:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(IMPATIENCE):
                        await do(device)

    async def fails(self, *what: str) -> None:
        """Waits until each of these has failed once more."""
        before = len(self.troubles)
        await self.until(lambda: set(what) <= {trouble.what for trouble in self.troubles[before:]})

    async def until(self, seen: Callable[[], bool]) -> None:
        """Waits until that is so, while the traffic goes on."""
        async with asyncio.timeout(PATIENCE):
            while not seen():
                for task in (*self._writing, *self._reading):
                    if task.done():
                        task.result()
                await asyncio.sleep(0.02)
