"""`refuse`, `respond` and `redirect` of a route."""

from __future__ import annotations

import pytest

from router.answers import Redirect, Response
from router.config.actions import judge_redirects
from router.config.findings import Findings
from router.config.loader import load_bytes
from router.settings import CertificateFiles, Listener, ServerTls, Settings
from router.table import Pattern, Refusal, Route, TcpAddress
from tests.config.files import UPSTREAMS, fix, marked


def text_of(action: str) -> str:
    rest = "  - {path: '^/w', upstream: w}\n  - {path: '^/', upstream: main}\n"
    return f"{UPSTREAMS}routes:\n  - {{path: '^/x$', {action}}}\n{rest}"


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("refuse: {status: 410}", Refusal(status=410)),
        ("respond: {text: ok}", Response(media_type="text/plain; charset=utf-8", body=b"ok")),
        ("respond: {text: 'é'}", Response(media_type="text/plain; charset=utf-8", body="é".encode())),
        ("respond: {}", Response()),
        ("respond: {status: 204}", Response(status=204)),
        (
            "respond: {status: 503, json: {errcode: M_UNKNOWN, n: 1}, headers: {Retry-After: 60}}",
            Response(
                status=503,
                fields=(("Retry-After", "60"),),
                media_type="application/json",
                body=b'{"errcode": "M_UNKNOWN", "n": 1}',
            ),
        ),
        ("respond: {json: []}", Response(media_type="application/json", body=b"[]")),
        ("redirect: 'https://$host$request_uri'", Redirect(to="https://$host$request_uri", status=302)),
        ("redirect: {to: /app/, status: 308}", Redirect(to="/app/", status=308)),
        ("redirect: {to: /app/}", Redirect(to="/app/", status=302)),
    ],
)
def test_what_is_read(action: str, expected: object) -> None:
    loaded = load_bytes(text_of(action).encode())
    assert loaded.findings == ()
    assert loaded.config is not None
    assert loaded.config.table.routes[0].answer == expected


@pytest.mark.parametrize(
    ("action", "code", "caret"),
    [
        ("respond: {json: b, text: a}", "R131", "text"),
        ("respond: ok", "S009", "ok"),
        ("respond: {body: ok}", "S008", "body"),
        ("respond: {text: [a]}", "S009", "[a"),
        ("respond: {text: ''}", "S010", "''"),
        ("respond: {status: 100}", "S011", "100"),
        ("respond: {status: 204, text: a}", "R131", "{status"),
        ("respond: {headers: [a]}", "S009", "[a"),
        ("respond: {headers: {A b: 1}}", "R131", "A b"),
        ("respond: {headers: {Content-Length: 1}}", "R131", "Content-Length"),
        ("respond: {headers: {connection: close}}", "R131", "connection"),
        ('respond: {headers: {A: "1\\r\\nB: 2"}}', "R131", "A"),
        ("respond: {headers: {A: 1, a: 2}}", "S007", "a"),
        ("redirect: //evil.example", "R131", "//evil"),
        ("redirect: $request_uri", "R131", "$request"),
        ("redirect: 'https://$host$uri'", "R131", "'https"),
        ("redirect: {status: 301}", "S010", "{status"),
        ("redirect: {to: /a, status: 304}", "R131", "{to"),
        ("redirect: {to: /a, status: 200}", "R131", "{to"),
        ("redirect: {to: /a, status: 600}", "S011", "600"),
        ("redirect: [/a]", "S009", "[/a"),
        ("redirect: /a, respond: {}", "R107", "redirect"),
        ("upstream: main, redirect: /a", "R107", "redirect"),
        ("redirect_to: /a", "S008", "redirect_to"),
    ],
)
def test_what_is_wrong_is_marked(action: str, code: str, caret: str) -> None:
    assert marked(text_of(action), code).startswith(caret)


@pytest.mark.parametrize(
    ("to", "advice"),
    [
        ("'https://$host$uri$is_args$args'", "$request_uri`"),
        ("//h/x", "`https://h/x`"),
        ("$request_uri", "`https://$host$request_uri`"),
        ("here", "`/path`"),
    ],
)
def test_what_to_write_instead(to: str, advice: str) -> None:
    assert advice in fix(text_of(f"redirect: {to}"), "R131")


@pytest.mark.parametrize(
    ("to", "scheme", "found"),
    [
        ("https://$host$request_uri", b"https", True),
        ("https://$host$request_uri", b"http", False),
        ("http://$host$request_uri", b"http", True),
        ("https://$host/x$request_uri", b"https", False),
        ("https://o$request_uri", b"https", False),
        ("https://$host/", b"https", False),
    ],
)
def test_a_redirect_that_leads_back(to: str, scheme: bytes, found: bool) -> None:
    where = TcpAddress(host="127.0.0.1", port=443)
    tls = ServerTls(certificates=(CertificateFiles(certificate="c", key="k"),))
    listener = Listener(address=where, tls=tls if scheme == b"https" else None)
    route = Route(name="r", pattern=Pattern(text="^/"), redirect=Redirect(to=to))
    findings = Findings()
    judge_redirects([route], Settings(listen=(listener,)), findings)
    assert [one.code for one in findings] == ["R132"] * found
