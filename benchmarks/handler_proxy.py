"""The proxy as everyone writes it on aiohttp: a catch-all handler, a ClientSession, a loop over `re`.

Run as a program: `python -m benchmarks.handler_proxy PORT ACCESS_LOG UPSTREAM=PORT,PORT...`. It is kept
simple on purpose, and gets uvloop, which makes it faster than the default loop does.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import AsyncIterator, Mapping
from itertools import cycle
from pathlib import Path

import uvloop
from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web
from yarl import URL

from benchmarks.reference import DEFAULT, HOST, rules

DROPPED = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length"}
)


class HandlerProxy:
    """Finds the upstream by the first pattern that matches, and passes the request on."""

    def __init__(self, ports: Mapping[str, tuple[int, ...]]) -> None:
        self._rules = [(re.compile(rule.pattern), rule.upstream) for rule in rules()]
        self._turns = {name: cycle(group) for name, group in ports.items()}
        self._session: ClientSession | None = None

    async def session(self, _: web.Application) -> AsyncIterator[None]:
        """One session for as long as the application runs."""
        async with ClientSession(
            auto_decompress=False, cookie_jar=DummyCookieJar(), connector=TCPConnector(limit=0)
        ) as self._session:
            yield

    def upstream(self, path: str) -> str:
        """The upstream's name."""
        return next((name for pattern, name in self._rules if pattern.search(path)), DEFAULT)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Forwards one request, and streams the answer back."""
        assert self._session is not None
        port = next(self._turns[self.upstream(request.path)])
        headers = {name: value for name, value in request.headers.items() if name.lower() not in DROPPED}
        headers["X-Forwarded-For"] = request.remote or ""
        headers["X-Forwarded-Proto"] = request.scheme
        async with self._session.request(
            request.method,
            URL(f"http://{HOST}:{port}{request.raw_path}", encoded=True),
            headers=headers,
            data=await request.read() if request.can_read_body else None,
            allow_redirects=False,
        ) as answer:
            response = web.StreamResponse(status=answer.status, reason=answer.reason)
            for name, value in answer.headers.items():
                if name.lower() not in DROPPED:
                    response.headers.add(name, value)
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response


def main(port: str, access_log: str, *upstreams: str) -> None:
    """Serves until a signal."""
    logger = logging.getLogger("aiohttp.access")
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.FileHandler(Path(access_log)))
    groups = (upstream.split("=") for upstream in upstreams)
    proxy = HandlerProxy({name: tuple(map(int, ports.split(","))) for name, ports in groups})
    application = web.Application(client_max_size=2 << 30)
    application.cleanup_ctx.append(proxy.session)
    application.router.add_route("*", "/{path:.*}", proxy.handle)
    web.run_app(
        application,
        host=HOST,
        port=int(port),
        access_log=logger,
        print=None,
        loop=uvloop.new_event_loop(),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
