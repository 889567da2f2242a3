"""The `well_known:` of the file: two documents that tell clients and servers where the homeserver is.

They become routes before all others: spec.matrix.org, client-server API, "Well-known URIs", and
server-server API, "Server discovery".
"""

from __future__ import annotations

import json
import re

from router.answers import Response
from router.config.actions import JSON
from router.config.fields import mapping
from router.config.findings import Findings
from router.config.json_text import json_text
from router.config.nodes import Items, Mapping, Node, Scalar
from router.config.values import kind_of, short
from router.errors import Source
from router.table import Pattern, Route

NAMES = {"client": "well_known_client", "server": "well_known_server"}
"""The routes' names, by the last segment of their path."""

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_SERVER = re.compile(rf"{_HOST}(?::[0-9]{{1,5}})?")
_BASE_URL = re.compile(rf"https?://{_HOST}(?::[0-9]{{1,5}})?(?:/[!-~]*)?")

_OTHER_METHODS = Response(
    status=405,
    fields=(("Allow", "GET, HEAD, OPTIONS"),),
    media_type=JSON,
    body=json.dumps({"errcode": "M_UNRECOGNIZED", "error": "Unrecognized request"}).encode(),
)


def well_known(node: Node | None, findings: Findings) -> tuple[Route, ...]:
    """Two routes for each document: one for GET, HEAD and OPTIONS, one that answers 405 to all others."""
    fields = mapping(node, NAMES, findings, "`well_known`", fix="write `{client: 'https://…'}`")
    if fields is None:
        return ()
    routes: list[Route] = []
    for kind in NAMES:
        value = fields.get(kind)
        text = _document(kind, value, findings) if value is not None else None
        if text is not None:
            routes += _routes(kind, text, fields.keys[kind].source)
    return tuple(routes)


def _routes(kind: str, text: str, source: Source) -> tuple[Route, Route]:
    pattern = Pattern(text=rf"^/\.well-known/matrix/{kind}$")
    document = Response(media_type=JSON, body=text.encode("ascii"))
    return (
        Route(
            name=NAMES[kind],
            pattern=pattern,
            methods=frozenset({"GET"}),
            response=document,
            source=source,
        ),
        Route(name=NAMES[kind], pattern=pattern, response=_OTHER_METHODS, source=source),
    )


def _document(kind: str, node: Node, findings: Findings) -> str | None:
    """The JSON: as written, or made of the one address that is written."""
    if isinstance(node, Items):
        findings.add("S009", f"`{kind}` is an address or a mapping, not {kind_of(node)}", node.source)
        return None
    if isinstance(node, Scalar):
        if not _told(kind, node, findings):
            return None
        address = json.dumps(node.text)
        return (
            f'{{"m.homeserver": {{"base_url": {address}}}}}'
            if kind == "client"
            else f'{{"m.server": {address}}}'
        )
    path = ("m.homeserver", "base_url") if kind == "client" else ("m.server",)
    found: Node | None = node
    for key in path:
        found = _member(found, key)
    if not isinstance(found, Scalar):
        findings.add(
            "S016",
            f"`{kind}` does not say `{'` `'.join(path)}`",
            node.source,
            fix=f"write `{kind}: {_example(kind)}`, or add it",
        )
        return None
    return json_text(node) if _told(kind, found, findings) else None


def _member(node: Node | None, key: str) -> Node | None:
    if not isinstance(node, Mapping):
        return None
    return next((entry.value for entry in node.entries if entry.key.text == key), None)


def _told(kind: str, scalar: Scalar, findings: Findings) -> bool:
    pattern = _BASE_URL if kind == "client" else _SERVER
    if pattern.fullmatch(scalar.text):
        return True
    what = "the URL of a homeserver" if kind == "client" else "a host with an optional port"
    findings.add(
        "S016", f"`{short(scalar.text)}` is not {what}", scalar.source, fix=f"write `{_example(kind)}`"
    )
    return False


def _example(kind: str) -> str:
    return "https://matrix.example.org" if kind == "client" else "matrix.example.org:443"
