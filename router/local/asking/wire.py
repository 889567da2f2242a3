"""One request to one process, past the router, and what its answer says about whether it serves the path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import aiohttp
from yarl import URL

from router.local.layout import HOST

TIMEOUT = aiohttp.ClientTimeout(total=60)

NOT_FOUND = (b"<title>404 - No Such Resource</title>", b"<title>405 - Method Not Allowed</title>")
"""Twisted's own pages, where Synapse has mounted nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status and body; `elsewhere` if the process has nothing at that path, or not for that method."""

    status: int
    body: bytes

    @property
    def elsewhere(self) -> bool:
        """Whether it says so: M_UNRECOGNIZED, or Twisted's own page.

        Synapse answers so before it looks at a token (Matrix specification, common error codes), but a
        few servlets of features that are switched off say the same.
        """
        if self.status not in (404, 405):
            return False
        if any(page in self.body for page in NOT_FOUND):
            return True
        return self.json().get("errcode") == "M_UNRECOGNIZED"

    def json(self) -> Mapping[str, object]:
        """The body as an object; empty if it is none."""
        try:
            read = json.loads(self.body)
        except ValueError:
            return {}
        return read if isinstance(read, dict) else {}

    def __str__(self) -> str:
        return f"{self.status}-" if self.elsewhere else str(self.status)


class Wire:
    """Asks processes of 127.0.0.1; use it as an async context manager."""

    __slots__ = ("_session",)

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(timeout=TIMEOUT, auto_decompress=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def ask(
        self, port: int, method: str, target: str, *, body: object = None, token: str = ""
    ) -> Answer:
        """Sends the target as it is written, and `body` as JSON or, if bytes, as a picture.

        Raises aiohttp.ClientError or TimeoutError where there is no answer.
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        data: bytes | None = None
        if isinstance(body, bytes):
            headers["Content-Type"], data = "image/png", body
        elif body is not None:
            headers["Content-Type"], data = "application/json", json.dumps(body).encode()
        url = URL(f"http://{HOST}:{port}{target}", encoded=True)
        async with self._session.request(
            method, url, data=data, headers=headers, allow_redirects=False
        ) as answer:
            return Answer(status=answer.status, body=await answer.read())
