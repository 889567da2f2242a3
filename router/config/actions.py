"""What becomes of the requests of a route that has no upstream: `refuse`, `respond` and `redirect`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from router.answers import REDIRECTS, Redirect, Response
from router.config.fields import Fields, mapping
from router.config.findings import Findings
from router.config.json_text import json_text
from router.config.nodes import Mapping, Node, Scalar
from router.config.values import kind_of, short, whole, word
from router.settings import Settings
from router.table import Refusal, Route

ACTIONS = ("upstream", "refuse", "respond", "redirect")
"""Of these keys a route has one."""

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"

_ERRCODE = re.compile(r"[A-Za-z0-9_.-]+")
_REFUSALS = (400, 599)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One of these; none where what is written cannot be read."""

    upstream: str | None = None
    refusal: Refusal | None = None
    response: Response | None = None
    redirect: Redirect | None = None

    @property
    def forwards(self) -> bool:
        """Whether it is none of the answers."""
        return self.refusal is None and self.response is None and self.redirect is None


def read_answer(key: str, node: Node, findings: Findings) -> Action:
    """What one of the keys other than `upstream` says."""
    if key == "refuse":
        return Action(refusal=_refusal(node, findings))
    if key == "respond":
        return Action(response=_response(node, findings))
    return Action(redirect=read_redirect(node, findings))


def _refusal(node: Node, findings: Findings) -> Refusal | None:
    fields = mapping(node, ("status", "errcode", "error"), findings, "`refuse`", fix="write `{status: 404}`")
    if fields is None:
        return None
    default = Refusal()
    status, errcode, error = fields.get("status"), fields.get("errcode"), fields.get("error")
    least, most = _REFUSALS
    number = whole(status, findings, "`status`", least=least, most=most) if status else default.status
    code = word(errcode, findings, "`errcode`") if errcode else None
    text = word(error, findings, "`error`") if error else None
    if code and not _ERRCODE.fullmatch(code.text):
        findings.add(
            "S014",
            f"`{short(code.text)}` is not an error code of Matrix",
            code.source,
            fix="write one as M_NOT_FOUND or org.example.NAME",
        )
    return Refusal(
        status=number or default.status,
        errcode=code.text if code else default.errcode,
        error=text.text if text else default.error,
    )


def _response(node: Node, findings: Findings) -> Response | None:
    fields = mapping(
        node, ("status", "json", "text", "headers"), findings, "`respond`", fix="write `{text: ok}`"
    )
    if fields is None:
        return None
    status = fields.get("status")
    number = whole(status, findings, "`status`", least=200, most=599) if status else 200
    said = _headers(fields.get("headers"), findings)
    media_type, body = _body(fields, findings)
    if number is None:
        return None
    try:
        return Response(status=number, fields=said, media_type=media_type, body=body)
    except ValueError as error:
        findings.add("R131", str(error), fields.source, fix="remove the body, or choose another status")
    return None


def _body(fields: Fields, findings: Findings) -> tuple[str, bytes]:
    """Media type and bytes; both empty where there is no body."""
    if "json" in fields.keys and "text" in fields.keys:
        findings.add(
            "R131",
            "a response has both `json` and `text`",
            fields.keys["text"].source,
            fix="keep one of them",
        )
    elif "json" in fields.keys:
        node = fields.get("json")
        return (JSON, json_text(node).encode("ascii")) if node else ("", b"")
    elif "text" in fields.keys:
        node = fields.get("text")
        scalar = word(node, findings, "`text`") if node else None
        return (TEXT, scalar.text.encode()) if scalar else ("", b"")
    return "", b""


def _headers(node: Node | None, findings: Findings) -> tuple[tuple[str, str], ...]:
    if node is None:
        return ()
    if not isinstance(node, Mapping):
        findings.add(
            "S009",
            f"`headers` names headers with their values, and is {kind_of(node)}",
            node.source,
            fix="write `{Cache-Control: max-age=3600}`",
        )
        return ()
    said: dict[str, tuple[str, str]] = {}
    for entry in node.entries:
        value = word(entry.value, findings, f"`{short(entry.key.text)}`")
        if value is None:
            continue
        if _sendable(entry.key, value, findings):
            if entry.key.text.lower() in said:
                findings.add(
                    "S007",
                    f"`{short(entry.key.text)}` stands twice, in different cases",
                    entry.key.source,
                    fix="keep one of them",
                )
            said[entry.key.text.lower()] = (entry.key.text, value.text)
    return tuple(said.values())


def _sendable(name: Scalar, value: Scalar, findings: Findings) -> bool:
    try:
        Response(fields=((name.text, value.text),))
    except ValueError as error:
        findings.add("R131", short(str(error)), name.source, fix="remove it, or write it otherwise")
        return False
    return True


def read_redirect(node: Node, findings: Findings) -> Redirect | None:
    """Where to, or a mapping of `to` and `status`."""
    status: int | None = 302
    where: Node | None = node
    if not isinstance(node, Scalar):
        fields = mapping(node, ("to", "status"), findings, "`redirect`", fix="write `{to: 'https://…'}`")
        if fields is None:
            return None
        where = fields.need("to", "write `to: 'https://example.org/'`")
        written = fields.get("status")
        if written:
            status = whole(written, findings, "`status`", least=100, most=599)
    scalar = word(where, findings, "`to`") if where else None
    if scalar is None or status is None:
        return None
    if status not in REDIRECTS:
        known = ", ".join(map(str, REDIRECTS))
        findings.add("R131", f"{status} is not the status of a redirect", node.source, fix=f"one of {known}")
        return None
    try:
        return Redirect(to=scalar.text, status=status)
    except ValueError as error:
        findings.add("R131", short(str(error)), scalar.source, fix=_place_hint(scalar.text))
    return None


def _place_hint(text: str) -> str:
    if "$request_uri" not in text and ("$uri" in text or "$args" in text):
        return "write `$request_uri`, path and query as received: `$uri` is decoded, and may hold line ends"
    if text.startswith("//"):
        return f"write `https:{text}`"
    if text.startswith("$"):
        return "write `https://$host$request_uri`"
    return "write `https://example.org/path`, `https://$host$request_uri` or `/path`"


def judge_redirects(routes: Iterable[Route], settings: Settings, findings: Findings) -> None:
    """A route holds on every listener: a redirect to the scheme of one of them leads back there for ever."""
    back = {f"{listener.scheme.decode()}://$host$request_uri": listener for listener in settings.listen}
    for route in routes:
        listener = back.get(route.redirect.to) if route.redirect is not None else None
        if listener is not None:
            findings.add(
                "R132",
                f"`{route.name}` redirects requests on {listener} to where they came from",
                route.source,
                fix="name another host, or let whoever listens in front redirect to https",
            )
