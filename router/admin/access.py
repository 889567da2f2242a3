"""Who may read the admin listener's answers: no web page but its own."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

FOR_ALL_ANSWERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Set where a handler has not set its own. There is no CORS header: other origins read nothing."""

_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:@/]+)(?::[0-9]*)?")


def is_local_name(authority: str) -> bool:
    """Whether a Host header names this machine to itself: `localhost` or a loopback address, with any port.

    A page that has its own name resolved to 127.0.0.1 (DNS rebinding) still sends that name.
    """
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        return False
    host = match["host"].strip("[]").lower()
    if host.rstrip(".") == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # Python 3.11 does not call ::ffff:127.0.0.1 a loopback address, 3.13 does.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def came_by_unix_socket(request: web.Request) -> bool:
    """Whether the peer is on a unix socket, which no browser reaches."""
    return not isinstance(request.get_extra_info("sockname"), tuple)


def guard(is_public: Callable[[], bool]) -> Middleware:
    """A middleware: refuses foreign names unless the listener is public, and turns errors to JSON."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = request.headers.get("Host")
        # A client without a Host header is an HTTP/1.0 one, and no browser.
        if is_public() or host is None or came_by_unix_socket(request) or is_local_name(host):
            response = await _answer(request, handler)
        else:
            response = error(
                403, "this listener answers to `localhost` and loopback addresses only", "Host: localhost"
            )
        for name, value in FOR_ALL_ANSWERS.items():
            response.headers.setdefault(name, value)
        return response

    return answer


def error(status: int, message: str, expected: str) -> web.Response:
    """An error as JSON: what is wrong, and what was expected."""
    return web.json_response({"error": message, "expected": expected}, status=status)


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as refused:
        methods = ", ".join(sorted(refused.allowed_methods))
        response = error(405, "nothing is changed through this listener", methods)
        response.headers["Allow"] = methods
        return response
    except web.HTTPNotFound:
        known = sorted({route.resource.canonical for route in request.app.router.routes() if route.resource})
        return error(404, "there is no such page", ", ".join(known))
