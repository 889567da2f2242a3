from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.admin.explain import BadQuestion, answer, read_question
from router.routing.explanation import explain_request
from router.settings import Limits, Settings
from tests.admin.processes import GENERIC2, Process


@given(target=st.binary(min_size=1), value=st.binary().filter(lambda value: not set(value) & {0, 10, 13}))
def test_what_is_quoted_once_more_is_read_back(target: bytes, value: bytes) -> None:
    query = f"method=PUT&target={quote(target, safe='')}&header={quote(b'X-A: ' + value, safe='')}&client=::1"
    assert read_question(query.encode()) == ("PUT", target, [(b"x-a", value.strip())], "::1", None)


def test_a_plus_is_a_plus() -> None:
    assert read_question(b"target=/a+b&header=A:+b")[1:3] == (b"/a+b", [(b"a", b"+b")])


def test_get_is_the_method_that_nobody_names() -> None:
    assert read_question(b"target=/")[0] == "GET"
    assert read_question(b"target=/&port=8448")[4] == 8448


def test_headers_keep_their_order() -> None:
    assert read_question(b"target=/&header=A:1&header=B:%20:2")[2] == [(b"a", b"1"), (b"b", b":2")]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (b"", "`target` is missing"),
        (b"method=GET", "`target` is missing"),
        (b"target=", "`target` is missing"),
        (b"target=/&target=/", "`target` is given 2 times"),
        (b"target=/&method=GET&method=PUT", "`method` is given 2 times"),
        (b"target=/&client=localhost", "`client` is not an IP address"),
        (b"target=/&header=nothing", "a `header` is not of the form `Name: value`"),
        (b"target=/&header=%20:x", "a `header` is not of the form `Name: value`"),
        (b"target=/&header=a:%0D%0Ab:c", "a `header` is one line: CR, LF and NUL cannot be sent in it"),
        (b"target=/&header=a%00:b", "a `header` is one line: CR, LF and NUL cannot be sent in it"),
        (
            b"target=/x?a=1&timeout=3",
            "unknown parameter `timeout`; the target's own `&` must be written as %26",
        ),
        (b"target=/&S3CRET=1", "unknown parameter; the target's own `&` must be written as %26"),
    ],
)
def test_a_bad_question_is_told_what_is_wrong(query: bytes, message: str) -> None:
    with pytest.raises(BadQuestion) as raised:
        read_question(query)
    assert str(raised.value) == message


def test_the_answer_names_the_way_and_the_state_of_its_endpoints() -> None:
    process = Process()
    process.states.mark_down(GENERIC2, "refused")
    header = quote("Authorization: Bearer syt_YWxpY2U_x_y", safe="")
    found = answer(process.state, f"target=/_matrix/client/v3/sync%3Fsince=s1&header={header}".encode())
    assert (found["route"], found["source"], found["endpoint"]) == (
        "sync",
        "routes.yaml:13",
        "127.0.0.1:8101",
    )
    assert found["key"] == {"kind": "user", "crc32": f"{crc32(b'YWxpY2U'):08x}", "hashed": True}
    endpoints = found["endpoints"]
    assert isinstance(endpoints, list)
    assert [(each["endpoint"], each["up"], each["reason"]) for each in endpoints] == [
        ("127.0.0.1:8101", True, ""),
        ("127.0.0.1:8102", False, "refused"),
    ]


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/gone", "route"),
        ("/_synapse/admin/x", "guard"),
        ("nonsense", "bad_request"),
        ("/_matrix/media/x&header=host:a%20b", "bad_request"),
        ("/_matrix/media/x&header=content-length:21&method=POST", "body_too_large"),
        ("/_matrix/media/%0D", "bad_request"),
    ],
)
def test_what_the_router_answers_itself_has_no_endpoints(target: str, reason: str) -> None:
    process = Process()
    process.config = replace(process.config, settings=Settings(limits=Limits(media_body=20)))
    found = answer(process.state, f"target={target}".encode())
    assert (found["reason"], found["endpoints"], found["endpoint"]) == (reason, [], None)


def test_it_is_what_the_command_line_says_with_the_endpoints_added() -> None:
    process = Process()
    found = answer(process.state, b"target=/_matrix/client/v3/sync")
    del found["endpoints"]
    explained = explain_request(
        process.snapshot, process.states, method="GET", target=b"/_matrix/client/v3/sync"
    )
    assert found == explained.as_dict()
