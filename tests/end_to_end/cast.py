"""Who takes part: users whose /sync the table spreads over all generic workers, with their devices."""

from __future__ import annotations

import secrets
import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from router.local.layout import Layout
from tests.end_to_end.people import Device
from tests.evidence import ServedTable

WORKERS = ("generic1", "generic2", "generic3")

HOME = {"alice": "generic1", "bob": "generic2", "carol": "generic3", "dave": "generic1"}
"""The worker that each user's name is chosen for."""


def name_for(person: str, worker: str, table: ServedTable) -> str:
    """A new user name that begins with the person's and whose /sync the table gives to that worker."""
    while True:
        name = f"{person}-{secrets.token_hex(3)}"
        if table.sync_worker(name) == worker:
            return name


class Cast:
    """Four people with seven devices: alice has three, bob two. Closes their sessions at the end."""

    def __init__(
        self, layout: Layout, table: ServedTable, folder: Path, *, ca: ssl.SSLContext | None = None
    ) -> None:
        self.base_url = layout.base_url
        self.server_name = layout.server_name
        self._folder = folder
        self._ca = ca
        self._devices = AsyncExitStack()
        self.names = {person: name_for(person, worker, table) for person, worker in HOME.items()}
        self.alice = self.device("alice", "laptop")
        self.alice_phone = self.device("alice", "phone")
        self.alice_tablet = self.device("alice", "tablet")
        self.bob = self.device("bob", "laptop")
        self.bob_phone = self.device("bob", "phone")
        self.carol = self.device("carol", "laptop")
        self.dave = self.device("dave", "laptop")
        self.lobby = ""
        """A public room of all four, made by one step and used by those after it."""
        self.admin_token = ""
        """Of somebody who may use the admin API, where it is open."""
        self.alias = f"#lobby-{secrets.token_hex(3)}:{self.server_name}"

    def device(self, person: str, name: str) -> Device:
        """A device that has not logged in yet."""
        device = Device(self.base_url, self.names[person], name, self._folder, ca=self._ca)
        self._devices.push_async_callback(device.close)
        return device

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._devices.aclose()
