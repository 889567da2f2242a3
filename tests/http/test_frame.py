"""The frame itself: the notation, what it refuses, and what it reads from bytes."""

from __future__ import annotations

import dataclasses

import pytest

from tests.http import cases
from tests.http.cases import CaseError, all_cases, wire
from tests.http.clean import dirt
from tests.http.messages import read_answers, read_requests
from tests.http.table import NOT_ASKED, Row, objection

PLAIN = {"name": "n", "rfc": "RFC 9112", "send": "GET / HTTP/1.1\r\n\r\n", "passed": "GET / HTTP/1.1"}


def test_a_text_stands_for_bytes() -> None:
    assert wire("a<<xy*3>>\x80\r\n") == b"axyxyxy\x80\r\n"
    assert wire("<<a*b>>") == b"<<a*b>>"


@pytest.mark.parametrize(
    "entry",
    [
        {**PLAIN, "sent": ""},
        {**PLAIN, "end": "open"},
        {**PLAIN, "send": {"writes": "x"}},
        {**PLAIN, "got": {"status": 200, "header": {}}},
        {**PLAIN, "route": {"first_byte": 5}},
        {key: value for key, value in PLAIN.items() if key != "rfc"},
        {key: value for key, value in PLAIN.items() if key != "passed"},
    ],
)
def test_a_case_that_does_not_read_is_refused(entry: dict[str, object]) -> None:
    cases._case("t", PLAIN)
    with pytest.raises(CaseError):
        cases._case("t", entry)


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", [(b"", True)]),
        (b"GET / HTTP/1.1\r\nA: b", [(b"", False)]),
        (b"P / HTTP/1.1\r\nContent-Length: 2\r\n\r\nabG", [(b"ab", True), (b"", False)]),
        (b"P / HTTP/1.1\r\nContent-Length: 2\r\n\r\na", [(b"a", False)]),
        (b"P / HTTP/1.1\r\nContent-Length: 2, 2\r\n\r\nab", [(b"ab", False)]),
        (
            b"P / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;a\r\nab\r\n0\r\n\r\nX",
            [(b"ab", True), (b"", False)],
        ),
        (b"P / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nT: t\r\n\r\n", [(b"ab", True)]),
        (b"P / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab0\r\n\r\n", [(b"ab", False)]),
    ],
)
def test_requests_are_cut_where_they_end(data: bytes, seen: list[tuple[bytes, bool]]) -> None:
    assert [(each.body, each.whole) for each in read_requests(data)] == seen


@pytest.mark.parametrize(
    ("data", "closed", "seen"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", False, [(200, b"ab", True)]),
        (b"HTTP/1.1 200 OK\r\n\r\nab", False, [(200, b"ab", False)]),
        (b"HTTP/1.1 200 OK\r\n\r\nab", True, [(200, b"ab", True)]),
        (b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 204 N\r\n\r\n", False, [(100, b"", True), (204, b"", True)]),
        (b"HTTP/1.1 101 S\r\n\r\nraw", False, [(101, b"raw", True)]),
        (b"junk", True, [(0, b"", False)]),
    ],
)
def test_answers_are_cut_where_they_end(
    data: bytes, closed: bool, seen: list[tuple[int, bytes, bool]]
) -> None:
    answers = read_answers(data, ("GET",), closed=closed)
    assert [(each.status, each.body, each.whole) for each in answers] == seen


def test_an_answer_to_head_has_no_body() -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" * 2
    assert [each.whole for each in read_answers(data, ("HEAD", "GET"), closed=False)] == [True, False]


CLEAN = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        (b"POST /x", b"POST  /x"),
        (b"/x", b"/\xe4"),
        (b"1.1", b"1.0"),
        (b"POST", b"\r\nPOST"),
        (b"Host: h\r\n", b""),
        (b"Host: h", b"Host: h\r\nHost: h"),
        (b"Host: h", b"Host : h"),
        (b"Host: h", b"Host: h\r\nA: b\nC: d"),
        (b"Host: h", b"Host: h\r\nA: b\rc"),
        (b"Host: h", b"Host: h\r\n A: b"),
        (b"Host: h", b"Host: h\r\nA: \x00"),
        (b"Host: h", b"Host: h\r\nTE: trailers"),
        (b"Host: h", b"Host: h\r\nConnection: close"),
        (b"Host: h", b"Host: h\r\nUpgrade: h2c"),
        (b": 0", b": +0"),
        (b": 0", b": 0\r\nContent-Length: 0"),
        (b": 0", b": 0\r\nTransfer-Encoding: chunked"),
        (b"Content-Length: 0", b"Transfer-Encoding: Chunked"),
        (b"\r\n\r\n", b"\r\n"),
    ],
)
def test_what_is_not_clean_is_noticed(part: bytes, instead: bytes) -> None:
    [clean] = read_requests(CLEAN)
    assert dirt(clean) == []
    assert part in CLEAN
    assert dirt(read_requests(CLEAN.replace(part, instead))[0]) != []


def test_an_upgrade_is_clean() -> None:
    [request] = read_requests(b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: w\r\nConnection: upgrade\r\n\r\n")
    assert dirt(request) == []


@pytest.mark.parametrize(
    ("ours", "nginx", "haproxy", "reason", "objects"),
    [
        ("400", "400", "400", "", False),
        ("400", "200 → 1 request", "200 → 1 request", "", True),
        ("400", "200 → 1 request", "200 → 1 request", "differs", False),
        ("400", "400", "200 → 1 request", "differs", True),
        ("200 → 1 request", "400", "200 → 1 request", "", True),
        ("200 → 1 request", "400", "200 → 1 request", "laxer", False),
        ("200 → 1 request", "200 → 1 request", "200 → 1 request", "laxer", True),
        ("200 → 1 request", NOT_ASKED, NOT_ASKED, "", False),
    ],
)
def test_what_differs_needs_its_reason(
    ours: str, nginx: str, haproxy: str, reason: str, objects: bool
) -> None:
    case = dataclasses.replace(
        all_cases()[0],
        differs="because" if reason == "differs" else "",
        laxer="because" if reason == "laxer" else "",
    )
    row = Row(name="n", ours=ours, nginx=nginx, haproxy=haproxy)
    assert bool(objection(case, row)) == objects
