from __future__ import annotations

import json
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest

from router.admin.misroutes import RECENT, alarming, misroutes_of
from router.admin.page import as_html, as_text
from router.admin.status import status_of
from router.observe.exposition import RouterCollector, new_registry
from router.request import RequestHead
from router.synapse.catalogue import shipped
from router.synapse.shapes import words_of
from tests.admin.processes import NOON, Process
from tests.observe.records import opening, unrecognized

RECEIPT = b"/_matrix/client/v3/rooms/!r:example.org/receipt/m.read/$event"
FAILED = b'{"errcode":"M_UNKNOWN","error":"Internal server error"}'
SYNC = b"/_matrix/client/v3/sync?since=s1"


def misrouted() -> Process:
    """Each kind once, the first twice; the table's fallback is main."""
    process = Process()
    for _ in range(2):
        process.serve(SYNC, status=404, opening=unrecognized())
        process.now += 1
    failed = opening(500, b"application/json", FAILED)
    process.serve(b"/media2" + RECEIPT, method="POST", status=500, opening=failed)
    page = opening(404, b"text/html", b"<h1>No Such Resource</h1>")
    process.serve(b"/_matrix/media/v3/x", status=404, opening=page)
    return process


def test_what_they_are_newest_first() -> None:
    page, stream, unknown = misroutes_of(misrouted().state)
    assert (unknown.count, unknown.first, unknown.time) == (2, NOON, NOON + 1)
    assert [each.kind for each in (page, stream, unknown)] == ["no_resource", "stream", "unrecognized"]
    assert [each.request for each in (page, stream, unknown)] == [
        "GET /_matrix/media/v3/*",
        "POST /*/_matrix/client/v3/rooms/*/receipt/*/*",
        "GET /_matrix/client/v3/*",
    ]
    assert (unknown.route, unknown.source) == ("sync", "routes.yaml:13")
    assert (unknown.upstream, unknown.instance) == ("generic-worker-user", "generic1")


def test_they_say_what_is_wrong_and_what_to_do() -> None:
    page, stream, unknown = misroutes_of(misrouted().state)
    assert unknown.sentence == (
        "generic1 (127.0.0.1:8101) does not know GET /_matrix/client/v3/*, "
        "which route sync (routes.yaml:13) sends there"
    )
    assert unknown.meaning == ("generic1 does not know this, which Synapse serves on: main. Send it there.")
    assert unknown.served_by == ("main",)
    assert stream.sentence == (
        "127.0.0.1:8008 answers 500, as all but the writer of receipts do, to "
        "POST /*/_matrix/client/v3/rooms/*/receipt/*/*, which route media (routes.yaml:16) sends there"
    )
    assert stream.meaning == (
        "Only the writer of the stream receipts can do this: send it there. "
        "If 127.0.0.1:8008 is that writer, its log says what failed."
    )
    assert page.sentence == (
        "127.0.0.1:8008 is no client listener and has no GET /_matrix/media/v3/*, "
        "which route media (routes.yaml:14) sends there"
    )
    assert page.meaning == (
        "127.0.0.1:8008 is no client listener, since those answer in JSON: is it the right port?"
    )


def test_the_media_repository_is_said_to_be_main_without_a_worker_for_it() -> None:
    process = Process()
    process.serve(SYNC, method="DELETE", status=404, opening=unrecognized())
    (misroute,) = misroutes_of(process.state)
    assert misroute.served_by == ("media",)
    assert "serves on: the media repository (main, where no worker has it). Send" in misroute.meaning


def test_what_nobody_serves_is_told_and_no_alarm() -> None:
    process = Process()
    process.serve(SYNC, method="PUT", status=405, opening=unrecognized(405))
    (unknown,) = misroutes_of(process.state)
    assert unknown.served_by == ()
    assert unknown.meaning == (
        "generic1 does not know this, nor does any process by default: a feature that is off, "
        "a client's mistake, or new in Synapse. If main knows it, give it a route there."
    )
    assert alarming([unknown], NOON) == []


@pytest.mark.parametrize(
    ("target", "method", "alarms"),
    [
        (b"/media2/x", "POST", 0),
        (b"/media2/x", "GET", 1),
        (b"/_matrix/client/v3/sync", "POST", 1),
    ],
)
def test_a_writer_that_has_served_and_fails_now_is_no_alarm(target: bytes, method: str, alarms: int) -> None:
    process = Process()
    process.serve(target, method=method)
    failed = opening(500, b"application/json", FAILED)
    process.serve(b"/media2" + RECEIPT, method="POST", status=500, opening=failed)
    (stream,) = misroutes_of(process.state)
    assert len(alarming([stream], NOON)) == alarms
    assert stream.served == (not alarms)
    assert ("if it is the writer, see its log" in stream.meaning) is (not alarms)


@pytest.mark.parametrize(("age", "spoken_of"), [(RECENT - 1, 3), (RECENT, 2), (RECENT + 1, 0)])
def test_what_is_long_ago_is_no_alarm(age: float, spoken_of: int) -> None:
    assert len(alarming(misroutes_of(misrouted().state), NOON + 1 + age)) == spoken_of


def _metrics(process: Process) -> str:
    collector = RouterCollector(
        process.metrics,
        process.misroutes,
        version="",
        digest=str,
        endpoints=list,
        listeners=list,
        log_dropped=int,
    )
    return generate_latest(new_registry(collector)).decode()


def _everything_shown(process: Process) -> str:
    status = status_of(process.state)
    return "\n".join((as_html(status), as_text(status), json.dumps(status.as_dict()), _metrics(process)))


ID = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_~.-", min_size=10, max_size=40)
KNOWN = {word for endpoint in shipped().endpoints for word in words_of(endpoint.pattern)}


@given(
    st.lists(ID.filter(lambda text: text not in KNOWN), min_size=1, max_size=6),
    st.sampled_from(["", "@", "!", "%21", "$", "%23", "syt_", "mat_", "%3Cb%3E"]),
)
def test_no_id_no_token_and_no_query_is_shown_anywhere(ids: list[str], sigil: str) -> None:
    unique = [f"{each}{secrets.token_hex(4)}" for each in ids]
    path = "".join(f"/{sigil}{each}" for each in unique)
    process = Process()
    for prefix in ("/media2", "/_matrix/media/v3", "/media2/x/receipt"):
        for status, kept in (
            (404, unrecognized()),
            (500, opening(500, b"application/json", FAILED)),
            (404, opening(404, b"text/html", b"<h1>No Such Resource</h1>")),
        ):
            head = RequestHead(method="POST", target=f"{prefix}{path}?x={unique[0]}".encode(), client="")
            process.serve(head.target, method="POST", status=status, opening=kept)
    shown = _everything_shown(process)
    assert process.misroutes.last
    assert not [each for each in unique if each in shown]
