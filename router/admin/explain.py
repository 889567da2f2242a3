"""GET /explain: a request described in a query string, and why it would go where it would go."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import asdict
from urllib.parse import unquote_to_bytes

from router.admin.state import AdminState
from router.admin.status import live_state
from router.observe.redaction import redact
from router.proxy.admission import explain_sent, is_field_text
from router.routing.explanation import Explanation, response_as_dict

PARAMETERS = ("method", "target", "header", "client", "port")

USAGE = (
    "GET /explain?method=GET&target=TARGET, with TARGET percent-encoded once more; "
    "optional: header=Name:%20value (may be repeated), client=IP"
)


_PLAIN_NAME = re.compile(rb"[a-z_]{1,20}").fullmatch


class BadQuestion(Exception):
    """The query string does not describe a request; the text says what is wrong with it."""


def answer(state: AdminState, query: bytes) -> dict[str, object]:
    """The explanation as `explain --json` prints it, and the live state of the endpoints as `endpoints`.

    `query` is what follows the `?`, as received. Raises BadQuestion, and ProxyError for a defect of ours.
    """
    method, target, headers, client, port = read_question(query)
    snapshot = state.snapshot()
    explanation = explain_sent(
        snapshot,
        state.states,
        state.config().settings,
        method=method,
        target=target,
        headers=headers,
        client=client,
        port=port,
    )
    result = explanation.as_dict()
    for field in ("path", "normalised"):
        result[field] = redact(str(result[field]).encode()).decode()
    if explanation.response is not None:
        told = response_as_dict(explanation.response)
        told["headers"] = {
            name: redact(value.encode()).decode() for name, value in explanation.response.fields
        }
        result["response"] = told
    return {**result, "endpoints": _endpoints(state, explanation)}


def read_question(query: bytes) -> tuple[str, bytes, list[tuple[bytes, bytes]], str, int | None]:
    """Method, target, headers (names in lower case), client address and port; raises BadQuestion.

    Only percent-encoding is undone: a `+` stays one, since targets and tokens have them.
    """
    found: dict[str, list[bytes]] = {name: [] for name in PARAMETERS}
    for item in filter(None, query.split(b"&")):
        name, _, value = item.partition(b"=")
        known = found.get(unquote_to_bytes(name).decode("latin-1"))
        if known is None:
            shown = f" `{name.decode()}`" if _PLAIN_NAME(name) else ""
            raise BadQuestion(f"unknown parameter{shown}; the target's own `&` must be written as %26")
        known.append(unquote_to_bytes(value))
    for single in ("method", "target", "client", "port"):
        if len(found[single]) > 1:
            raise BadQuestion(f"`{single}` is given {len(found[single])} times")
    if not found["target"] or not found["target"][0]:
        raise BadQuestion("`target` is missing")
    method = found["method"][0].decode("latin-1") if found["method"] else "GET"
    client = found["client"][0].decode("latin-1") if found["client"] else ""
    port = found["port"][0] if found["port"] else b""
    if port and not (port.isdigit() and len(port) <= 5):
        raise BadQuestion("`port` is not a number")
    headers = [_header(line) for line in found["header"]]
    return method, found["target"][0], headers, _address(client), int(port) if port else None


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    if not colon or not name.strip():
        raise BadQuestion("a `header` is not of the form `Name: value`")
    if not is_field_text(line):
        raise BadQuestion("a `header` is one line: CR, LF and NUL cannot be sent in it")
    return name.strip().lower(), value.strip()


def _address(text: str) -> str:
    if text:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise BadQuestion("`client` is not an IP address") from None
    return text


def _endpoints(state: AdminState, explanation: Explanation) -> list[dict[str, object]]:
    if explanation.upstream is None:
        return []
    upstream = explanation.upstream
    return [asdict(live_state(state, endpoint, upstream)) for endpoint in upstream.endpoints]
