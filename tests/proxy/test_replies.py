"""Our own answers: what a Matrix client, and a browser, can read of them."""

from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime

import pytest

import router.errors
from router.answers import PREFLIGHT, Response
from router.errors import ProxyError
from router.proxy.replies import REASONS, error_reply, local_reply, render
from router.table import Refusal


def every(error: type[ProxyError]) -> list[type[ProxyError]]:
    return [error, *(each for child in error.__subclasses__() for each in every(child))]


@pytest.mark.parametrize("error", every(router.errors.ProxyError))
@pytest.mark.parametrize("close", [False, True])
def test_every_error_is_matrix_json_with_cors(error: type[ProxyError], close: bool) -> None:
    head, body = error_reply(error("127.0.0.1:8101: refused"), close=close)
    lines = head.decode("ascii").split("\r\n")
    assert lines[-2:] == ["", ""]
    assert lines[0].startswith(f"HTTP/1.1 {error.status} ")
    fields = dict(line.split(": ", 1) for line in lines[1:-2])
    assert len(fields) == len(lines) - 3, "each field once"
    assert fields["Content-Type"] == "application/json"
    assert fields["Content-Length"] == str(len(body))
    assert fields["Access-Control-Allow-Origin"] == "*"
    assert ("Connection" in fields) is close
    said = json.loads(body)
    assert said["errcode"] == error.errcode
    assert said["error"]
    assert ("Retry-After" in fields) is ("retry_after_ms" in said) is (error.status in (429, 503))


@pytest.mark.parametrize(
    ("now", "date"),
    [(784_111_777.9, "Sun, 06 Nov 1994 08:49:37 GMT"), (784_111_778.0, "Sun, 06 Nov 1994 08:49:38 GMT")],
)
def test_a_reply_tells_the_time(monkeypatch: pytest.MonkeyPatch, now: float, date: str) -> None:
    """RFC 9110 section 6.6.1; the example is the one of section 5.6.7."""
    monkeypatch.setattr(time, "time", lambda: now)
    head, _ = render(status=404, errcode="M_X", error="x", close=False)
    assert f"\r\nDate: {date}\r\n".encode() in head
    assert int(parsedate_to_datetime(date).timestamp()) == int(now)


@pytest.mark.parametrize("error", every(router.errors.UpstreamError))
def test_a_client_is_never_told_of_a_worker(error: type[ProxyError]) -> None:
    for part in error_reply(error("127.0.0.1:8101: refused"), close=False):
        assert b"8101" not in part


@pytest.mark.parametrize(("status", "waits"), [(404, False), (429, True), (503, True), (599, False)])
def test_refusals_of_the_table(status: int, waits: bool) -> None:
    head, body = local_reply(Refusal(status=status, errcode="M_X", error="\u20ac \r\nX: y"), close=False)
    assert head.startswith(b"HTTP/1.1 %d %b\r\n" % (status, REASONS.get(status, "").encode()))
    assert b"\r\nX: y" not in head
    said = json.loads(body)
    assert (said["errcode"], said["error"]) == ("M_X", "\u20ac \r\nX: y")
    assert ("retry_after_ms" in said) is waits


def test_405_names_what_is_allowed() -> None:
    assert b"\r\nAllow: GET, " in render(status=405, errcode="M_X", error="x", close=False)[0]
    assert b"\r\nAllow: " not in render(status=404, errcode="M_X", error="x", close=False)[0]


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (
            Response(media_type="application/json", body=b"{}"),
            {"Content-Type": "application/json", "Content-Length": "2", "Access-Control-Allow-Origin": "*"},
        ),
        (
            Response(status=302, fields=(("Location", "https://h/"),)),
            {"Content-Length": "0", "Location": "https://h/", "Access-Control-Allow-Origin": "*"},
        ),
        (PREFLIGHT, {"Access-Control-Allow-Origin": "*"}),
        (
            Response(
                status=299,
                fields=(("content-type", "text/html"), ("ACCESS-CONTROL-ALLOW-ORIGIN", "https://a")),
                media_type="text/plain",
                body=b"<p>",
            ),
            {"content-type": "text/html", "Content-Length": "3", "ACCESS-CONTROL-ALLOW-ORIGIN": "https://a"},
        ),
    ],
)
def test_responses_of_a_route(response: Response, expected: dict[str, str], close: bool) -> None:
    head, body = local_reply(response, close=close)
    assert body == response.body
    assert head.endswith(b"\r\n\r\n")
    line, *lines = head.decode("ascii").removesuffix("\r\n\r\n").split("\r\n")
    assert line == f"HTTP/1.1 {response.status} {REASONS.get(response.status, '')}"
    fields = dict(each.split(": ", 1) for each in lines)
    assert len(fields) == len(lines) == len({name.lower() for name in fields})
    assert fields.pop("Date")
    assert (fields.pop("Connection", "") == "close") is close
    for name in ("Access-Control-Allow-Methods", "Access-Control-Allow-Headers"):
        assert fields.pop(name)
    assert fields == expected
