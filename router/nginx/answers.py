"""What nginx answers by itself, as values of the table: `return`, and files of static JSON."""

from __future__ import annotations

import re
from http import HTTPStatus
from pathlib import Path

from router.answers import REDIRECTS, Redirect, Response
from router.nginx.directives import Directive
from router.nginx.locations import Location
from router.nginx.pcre import NotCarried
from router.table import Refusal

Answer = Refusal | Response | Redirect

TEXT = "text/plain; charset=utf-8"
"""What `text:` is sent as in routes.yaml, unless a header says otherwise."""

NOT_FOUND = Refusal()
_SENT_WITHOUT_ALWAYS = frozenset({200, 201, 204, 206, 301, 302, 303, 304, 307, 308})
"""Statuses that `add_header` adds to (ngx_http_headers_module)."""


def returned(directive: Directive, location: Location) -> Answer:
    """What a `return` answers, with a code, a text, a URL, or a code and one of these; raises NotCarried."""
    first, rest = directive.args[0], directive.args[1:]
    if not first.isdigit():
        return _redirect(first, 302)
    status, text = int(first), rest[0] if rest else ""
    if status in REDIRECTS:
        return _redirect(text, status)
    if "$" in text:
        raise NotCarried(f"`{text}` is a text with variables")
    if 400 <= status <= 599 and not text:
        return _refusal(status)
    media = location.last("default_type")
    return response(status, text.encode(), media.args[0] if media else "text/plain", location)


def _redirect(to: str, status: int) -> Redirect:
    try:
        return Redirect(to=to, status=status)
    except ValueError as error:
        raise NotCarried(str(error)) from None


def _refusal(status: int) -> Refusal:
    if status == 444:
        raise NotCarried("444 closes the connection without an answer, which the router never does")
    errcode = "M_UNRECOGNIZED" if status in (404, 405) else "M_FORBIDDEN" if status == 403 else "M_UNKNOWN"
    return Refusal(status=status, errcode=errcode, error=HTTPStatus(status).phrase)


def response(status: int, body: bytes, media: str, location: Location) -> Response:
    """An answer with the fields that `add_header` adds to it at that place; raises NotCarried."""
    fields = []
    for each in _added(location):
        name, value, *more = each.args
        if "$" in value:
            raise NotCarried(f"the header `{name}` has a value with variables")
        if name.lower() != "strict-transport-security" and (
            status in _SENT_WITHOUT_ALWAYS or "always" in more
        ):
            fields.append((name, value))
    if body and media != TEXT:
        fields.append(("Content-Type", media))
    try:
        return Response(status=status, fields=tuple(fields), media_type=TEXT if body else "", body=body)
    except ValueError as error:
        raise NotCarried(str(error)) from None


def _added(location: Location) -> tuple[Directive, ...]:
    """The `add_header` lines of the innermost block that has any."""
    for block in (location.directive, *reversed(location.outer)):
        found = tuple(block.all("add_header"))
        if found:
            return found
    return ()


def static_json(location: Location) -> Response | None:
    """The file of JSON that an exact location serves; None where it is something else.

    Raises NotCarried where the file cannot be read, with its path.
    """
    file = _file(location)
    if file is None:
        return None
    try:
        body = Path(file).read_bytes()
    except OSError as error:
        raise NotCarried(f"{file} cannot be read: {error.strerror}") from None
    return response(200, body, "application/json", location)


def _file(location: Location) -> str | None:
    media = location.last("default_type")
    json = media is not None and media.args[0] == "application/json"
    alias, root = location.directive.last("alias"), location.last("root")
    tried = location.directive.last("try_files")
    if location.directive.args[:1] != ("=",):
        return None
    if alias is not None:
        found = alias.args[0]
    elif root is not None and tried is not None:
        found = root.args[0] + tried.args[0]
    elif root is not None:
        found = root.args[0] + location.prefix
    else:
        return None
    plain = re.fullmatch(r"/[^$]*", found)
    return found if plain and (json or found.endswith(".json")) else None
