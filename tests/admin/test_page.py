from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from router.admin.misroutes import RECENT
from router.admin.page import CONTENT_SECURITY_POLICY, as_html, as_text
from router.admin.status import status_of
from router.observe.listeners import CertificateState
from router.table import Endpoint, Pattern, Route, RouteTable, TcpAddress, Upstream
from tests.admin.processes import GENERIC2, MAIN, NOON, Process
from tests.observe.records import unrecognized

VOID = {"meta", "input"}


class Reader(HTMLParser):
    """Checks that elements nest, and gathers text and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: dict[str, list[str]] = {}
        self.attributes: list[tuple[str, str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and data.strip():
            self.text.setdefault(self.open[-1], []).append(data)


def read(process: Process) -> Reader:
    reader = Reader()
    reader.feed(as_html(status_of(process.state)))
    reader.close()
    assert reader.open == []
    return reader


def busy() -> Process:
    process = Process()
    process.states.mark_down(GENERIC2, "127.0.0.1:8102: connection refused")
    process.serve(b"/_matrix/media/x", status=502, reason="bad_response")
    process.serve(b"/_matrix/client/v3/sync", status=500)
    process.serve(b"/_matrix/client/v3/sync?since=s1", status=404, opening=unrecognized())
    return process


def test_the_verdict_comes_first() -> None:
    process = busy()
    verdict = status_of(process.state).verdict
    assert read(process).text["h1"] == [verdict]
    since = verdict.partition(" UTC: ")[0]
    assert read(process).text["title"] == [f"{since} UTC - Synapse router"]
    assert as_text(status_of(process.state)).startswith(verdict + "\n")
    page = as_html(status_of(process.state))
    assert (
        page.index(verdict) < page.index("<table") < page.index("routes.yaml:12") < page.index("bad_response")
    )


def test_a_verdict_that_is_bad_looks_so_and_a_good_one_does_not() -> None:
    assert ("h1", "class", "bad") in read(busy()).attributes
    assert not any(tag == "h1" for tag, _, _ in read(Process()).attributes)


def test_a_misroute_alone_looks_bad_until_it_is_long_ago() -> None:
    process = Process()
    process.serve(b"/_matrix/client/v3/sync?since=s1", status=404, opening=unrecognized())
    assert ("h1", "class", "bad") in read(process).attributes
    process.now += RECENT
    assert not any(tag == "h1" for tag, _, _ in read(process).attributes)


def test_a_state_is_a_word_and_a_shape_and_not_only_a_colour() -> None:
    spans = read(busy()).text["span"]
    assert spans.count("✕ down") == 2
    assert spans.count("● up") == 3


@pytest.mark.parametrize(
    ("fails", "word", "shown"), [(0, "up", "● up"), (1, "failing", "▲ failing"), (2, "out", "✕ out")]
)
def test_a_state_is_the_word_that_status_says(fails: int, word: str, shown: str) -> None:
    process = Process()
    for _ in range(fails):
        process.states.attempt_failed(replace(GENERIC2, max_fails=2), "refused")
    told = [each for upstream in status_of(process.state).upstreams for each in upstream.endpoints]
    assert {each.state for each in told if each.endpoint == GENERIC2.name} == {word}
    assert shown in read(process).text["span"]
    assert re.search(rf"{GENERIC2.name} .* {word} ", as_text(status_of(process.state)))


def test_nothing_is_loaded_and_nothing_runs() -> None:
    reader = read(busy())
    tags = {tag for tag, _, _ in reader.attributes} | reader.text.keys()
    assert not tags & {"script", "img", "link", "iframe", "object"}
    for _, name, value in reader.attributes:
        assert not name.startswith("on")
        assert name != "style"
        if name in ("href", "action"):
            assert re.fullmatch("/[a-z]*", value or "")


def test_the_policy_allows_exactly_the_style_of_the_page() -> None:
    (style,) = re.findall("<style>(.*?)</style>", as_html(status_of(Process().state)), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in CONTENT_SECURITY_POLICY
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY
    assert "@import" not in style
    assert "url(" not in style


def test_it_follows_the_reader_s_dark_mode_and_fits_a_phone() -> None:
    page = as_html(status_of(Process().state))
    assert "color-scheme: light dark" in page
    assert "prefers-color-scheme: dark" in page
    assert 'content="width=device-width, initial-scale=1"' in page
    assert "@media (max-width: 40rem)" in page


def test_every_cell_of_a_narrow_table_names_its_column() -> None:
    page = as_html(status_of(busy().state))
    assert page.count("<td") == page.count('data-label="')
    assert page.count("<td") > 30


def test_whatever_is_in_the_file_is_escaped() -> None:
    nasty = "<b>\"&'</b>"
    table = RouteTable(
        routes=(Route(name=nasty, pattern=Pattern(text="/"), upstream=nasty),),
        upstreams={
            nasty: Upstream(
                name=nasty,
                endpoints=(Endpoint(address=TcpAddress(host="127.0.0.1", port=8008), instance=nasty),),
            )
        },
    )
    process = Process(table=table)
    process.states.mark_down(table.upstreams[nasty].endpoints[0], nasty)
    page = as_html(status_of(process.state))
    assert "<b>" not in page
    assert "&lt;b&gt;&quot;&amp;&#x27;&lt;/b&gt;" in page
    assert nasty in as_text(status_of(process.state))


def test_the_text_has_what_the_page_has() -> None:
    process = busy()
    process.dropped = 2
    text = as_text(status_of(process.state))
    lines = text.splitlines()
    assert "2 log lines dropped" in text
    assert "routes.yaml@3f9c1a (generation 3)" in text
    (down,) = [line for line in lines if line.startswith("generic-worker ") and "8102" in line]
    assert re.search(
        r"127\.0\.0\.1:8102 \(generic2\) +down +0s .* never +127\.0\.0\.1:8102: connection refused$", down
    )
    assert any(
        re.match(r"media \(routes.yaml:14\) +main +0 +1 +0 +0 +1 +0 +bad_response 1$", line) for line in lines
    )
    (misroute,) = [line for line in lines if "does not know this" in line]
    assert re.match(
        r"0s ago +1 +sync \(routes.yaml:13\) +127.0.0.1:8101 \(generic1\) +"
        r"GET /_matrix/client/v3/\* +404 +generic1 does not know this, ",
        misroute,
    )
    assert "Misroutes: None noticed since the start." in as_text(status_of(Process().state))
    assert any(line.endswith("500     answered by the worker") for line in lines)
    assert "Last failures: None since the start." in as_text(status_of(Process().state))
    assert MAIN.name in text


def test_certificates_are_shown_where_there_are_any() -> None:
    process = Process()
    assert "CERTIFICATE" not in as_text(status_of(process.state))
    process.certificates = (
        CertificateState(certificate="/a.pem", names=("a.example", "*.b.example"), not_after=NOON + 90_000),
        CertificateState(certificate="/c.pem", names=(), not_after=NOON - 60),
    )
    rows = [
        re.split(r"  +", line)[1:]
        for line in as_text(status_of(process.state)).splitlines()
        if line.startswith("127.0.0.1:8080 ") and ".pem" in line
    ]
    assert rows == [["/a.pem", "a.example, *.b.example", "in 1d 1h"], ["/c.pem", "none", "EXPIRED 1m ago"]]
    page = read(process)
    assert "EXPIRED 1m ago" in page.text["td"]
    assert ("h1", "class", "bad") in page.attributes
    process.certificates = process.certificates[:1]
    assert ("h1", "class", "bad") not in read(process).attributes
