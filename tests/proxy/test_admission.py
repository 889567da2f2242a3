from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import BadRequest, DownstreamError
from router.proxy.admission import admit, explain_sent, is_field_text, read_head
from router.proxy.capacity import Capacity
from router.proxy.connection import ClientConnection
from router.proxy.context import ProxyContext
from router.proxy.deadlines import Deadlines
from router.proxy.trust import Trust
from router.request import RequestHead
from router.routing.snapshot import Snapshot
from router.settings import Limits, Settings, TrustedProxies
from router.table import Endpoint, Pattern, Refusal, Route, RouteTable, Upstream
from router.upstream.pool import Pool
from router.upstream.state import EndpointStates
from tests.dialogues import Serve
from tests.wire import Recorder, answer, tcp
from tests.worker import Worker

FORWARD = 0
"""The verdict on a request that goes to a worker; any other is the status of a refusal."""

LIMITS = Limits(request_line=120, headers=300, header_count=6, body=100, media_body=200)
SETTINGS = Settings(limits=LIMITS)
Headers = list[tuple[bytes, bytes]]


def table(endpoint: Endpoint) -> RouteTable:
    return RouteTable(
        routes=(
            Route(name="gone", pattern=Pattern(text="^/gone"), refusal=Refusal(status=410)),
            Route(name="large", pattern=Pattern(text="^/large"), upstream="main", max_body=1000),
            Route(name="all", pattern=Pattern(text="^/_matrix/"), upstream="main"),
        ),
        upstreams={"main": Upstream(name="main", endpoints=(endpoint,))},
    )


TABLE = table(tcp(8008))
SNAPSHOT = Snapshot.build(TABLE)


def explained(method: str, target: bytes, headers: Headers) -> int:
    """What `explain` says becomes of it."""
    told = explain_sent(
        SNAPSHOT, EndpointStates(lambda: 0.0), SETTINGS, method=method, target=target, headers=headers
    )
    assert json.dumps(told.as_dict())
    assert (told.refusal is None) == (told.endpoint is not None)
    return told.refusal.status if told.refusal else FORWARD


def as_bytes(method: str, target: bytes, headers: Headers) -> bytes:
    fields = headers if any(name == b"host" for name, _ in headers) else [(b"Host", b"localhost"), *headers]
    lines = [b"%b %b HTTP/1.1" % (method.encode("latin-1"), target), *(b"%b: %b" % each for each in fields)]
    return b"".join(line + b"\r\n" for line in (*lines, b""))


Case = tuple[str, bytes, Headers, int]
"""Method, target, header fields, and the verdict."""

M = b"/_matrix/x"
H = (b"host", b"h")

CASES: list[Case] = [
    ("GET", M, [], FORWARD),
    ("GET", M, [H], FORWARD),
    ("GET", M, [(b"host", b"[::1]:8448")], FORWARD),
    ("GET", M, [(b"host", b"a b")], 400),
    ("GET", M, [(b"host", b"")], 400),
    ("GET", M, [(b"host", b"u@h")], 400),
    ("GET", M, [H, H], 400),
    ("GET", b"http://h" + M, [H], FORWARD),
    ("GET", b"http://H" + M, [H], FORWARD),
    ("GET", b"http://other" + M, [H], 400),
    ("GET", b"http://h:80" + M, [H], FORWARD),
    ("GET", b"http://h:81" + M, [H], 400),
    ("GET", b"https://h:80" + M, [H], 400),
    ("GET", b"HTTPS://h" + M, [(b"host", b"H:443")], FORWARD),
    ("GET", b"http://h:" + M, [H], FORWARD),
    ("GET", b"http://h8" + M, [(b"host", b"h80")], 400),
    ("GET", b"http://u@h" + M, [H], 400),
    ("GET", b"ftp://h" + M, [H], 400),
    ("GET", b"http://localhost" + M, [], FORWARD),
    ("POST", M, [(b"content-length", b"100")], FORWARD),
    ("POST", M, [(b"content-length", b"101")], 413),
    ("POST", M, [(b"content-length", b"9223372036854775808")], 400),
    ("POST", M, [(b"content-length", b"18446744073709551616")], 400),
    ("POST", b"/_matrix/media/x", [(b"content-length", b"200")], FORWARD),
    ("POST", b"/_matrix/media/x", [(b"content-length", b"201")], 413),
    ("POST", b"/large", [(b"content-length", b"1000")], FORWARD),
    ("POST", b"/large", [(b"content-length", b"1001")], 413),
    ("POST", b"/gone", [(b"content-length", b"1001")], 410),
    ("POST", b"/nowhere", [(b"content-length", b"1001")], 404),
    ("POST", b"/_synapse/admin", [(b"content-length", b"1001")], 404),
    ("POST", M, [(b"content-length", b"5"), (b"content-length", b"5")], 400),
    ("POST", M, [(b"content-length", b"5, 5")], 400),
    ("POST", M, [(b"content-length", b"+5")], 400),
    ("POST", M, [(b"content-length", b"")], 400),
    ("POST", M, [(b"content-length", b"5"), (b"transfer-encoding", b"chunked")], 400),
    ("POST", M, [(b"transfer-encoding", b"chunked")], FORWARD),
    ("POST", M, [(b"transfer-encoding", b"gzip")], 400),
    ("POST", M, [(b"transfer-encoding", b"gzip, chunked")], 400),
    ("POST", M, [(b"expect", b"100-continue"), (b"content-length", b"5")], FORWARD),
    ("POST", M, [(b"expect", b"more")], 417),
    ("GET", M, [(b"upgrade", b"h2c"), (b"connection", b"upgrade")], FORWARD),
    ("POST", M, [(b"upgrade", b"h2c"), (b"content-length", b"5")], 400),
    ("GET", M + b"x" * 95, [], FORWARD),
    ("GET", M + b"x" * 96, [], 414),
    ("FETCH", M + b"x" * 96, [], 414),
    ("GET", M, [(b"a", b"x" * 276)], FORWARD),
    ("GET", M, [(b"a", b"x" * 277)], 431),
    ("GET", M, [(b"a", b"1")] * 5, FORWARD),
    ("GET", M, [(b"a", b"1")] * 6, 431),
    ("GET", M, [(b"a b", b"1")], 400),
    ("GET", M, [(b"a", b"x\x01")], 400),
    ("GET", M, [(b"a", b"x\xff")], FORWARD),
    ("get", M, [], 501),
    ("G\xc9T", M, [], 400),
    ("", M, [], 400),
    ("CONNECT", b"h:1", [], 405),
    ("TRACE", M, [], 405),
    ("GET", b"", [], 400),
    ("GET", b"/a b", [], 400),
    ("GET", b"/a%zz", [], 400),
    ("GET", b"/a#b", [], 400),
    ("GET", b"/a\xff", [], 400),
    ("OPTIONS", b"*", [], 400),
]


@pytest.mark.parametrize("case", CASES, ids=repr)
async def test_explain_says_what_the_wire_does(case: Case, serve: Serve, worker: Worker) -> None:
    method, target, headers, verdict = case
    assert explained(method, target, headers) == verdict
    proxy = await serve(table=table(worker.endpoint), settings=SETTINGS)
    client = await proxy.ask(as_bytes(method, target, headers))
    if verdict == FORWARD:
        await worker.asked()
        await client.silent()
    else:
        assert (await answer(client)).status == verdict
        await worker.lonely()


class Transport:
    """A socket's other side that reads nothing: keeps what is written to it."""

    def __init__(self) -> None:
        self.written = b""
        self.closing = False

    def set_write_buffer_limits(self, *, high: int, low: int) -> None:
        assert high > low

    def get_extra_info(self, name: str) -> object:
        return ("192.0.2.7", 1) if name == "peername" else None

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closing = True

    write_eof = close


class Forwarded(Exception):
    """The request has reached the pool."""


class Workers(Pool):
    """A pool that only tells that it was asked."""

    def __init__(self) -> None:
        """Without anything: nobody gets so far as to connect."""

    def take(self, endpoint: Endpoint) -> None:  # noqa: ARG002 - the pool's name for it
        raise Forwarded


def served(data: bytes) -> int:
    """What a real client connection does with the bytes."""
    transport = Transport()
    context = ProxyContext(
        snapshot=SNAPSHOT,
        settings=SETTINGS,
        states=EndpointStates(lambda: 0.0),
        pool=Workers(),
        deadlines=Deadlines(),
        capacity=Capacity(SETTINGS.limits, descriptors=1024, clock=lambda: 0.0),
        observer=Recorder(),
        clock=lambda: 0.0,
    )
    forget: Callable[[ClientConnection], Any] = lambda _: None  # noqa: E731 - one line says it
    connection = ClientConnection(context, SETTINGS.listen[0], forget)
    connection.connection_made(cast("asyncio.Transport", transport))
    try:
        connection.data_received(data)
    except Forwarded:
        return FORWARD
    assert transport.written.startswith(b"HTTP/1.1 "), "a whole head is answered or forwarded"
    return int(transport.written[9:12])


ONE_LINE = st.binary(max_size=6).filter(lambda text: b"\r" not in text and b"\n" not in text)
METHODS = st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "get", "CONNECT", "X", "G T"])
TARGETS = st.lists(
    st.one_of(
        st.sampled_from(
            [b"/_matrix/", b"/large", b"/gone", b"media/", b"?a=b", b"http://h", b"http://i:1", b"#", b"%2F"]
        ),
        st.sampled_from([b" ", b"@", b"x" * 90]),
        ONE_LINE,
    ),
    max_size=4,
).map(b"".join)
FIELDS = st.tuples(
    st.sampled_from(
        [b"host", b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"connection", b"a", b"a b"]
    ),
    st.one_of(
        st.sampled_from(
            [b"h", b"i:1", b"5", b"101", b"201", b"5000", b"chunked", b"gzip", b"100-continue", b"y" * 150]
        ),
        ONE_LINE,
    ),
)


@given(method=METHODS, target=TARGETS, headers=st.lists(FIELDS, max_size=7))
def test_explain_agrees_with_a_client_connection(method: str, target: bytes, headers: Headers) -> None:
    if all(name != b"host" for name, _ in headers):
        headers = [(b"host", b"h"), *headers]
    assert explained(method, target, headers) == served(as_bytes(method, target, headers))


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET", b"/_matrix/ HTTP/1.1\r\nHost: h\r\n\r\n", []),
        ("GET / HTTP/1.1\r\n", b"/", []),
        ("GET", b"/_matrix/", [(b"a", b"b\r\n\r\nGET /_matrix/ HTTP/1.1")]),
        ("GET", b"/_matrix/", [(b"a", b"b\r\nc: d")]),
        ("GET", b"/_matrix/", [(b"a", b"\r")]),
        ("GET", b"/_matrix/", [(b"a", b"\nb:c")]),
        ("GET", b"/_matrix/\n", []),
    ],
)
def test_what_is_more_than_one_request_is_refused(method: str, target: bytes, headers: Headers) -> None:
    with pytest.raises(BadRequest):
        admit(method=method, target=target, headers=headers, client="", limits=LIMITS)


@pytest.mark.parametrize(
    ("target", "host"),
    [(b"/", b"localhost"), (b"http://h:1/x", b"h:1"), (b"http://[::1]/x", b"[::1]"), (b"https://h?x", b"h")],
)
def test_a_host_that_nobody_gives_is_the_target_s(target: bytes, host: bytes) -> None:
    message, head = admit(
        method="GET", target=target, headers=[(b"a", b"1")], client="192.0.2.7", limits=LIMITS
    )
    assert message.headers == [(b"host", host), (b"a", b"1")]
    assert (head.method, head.headers, head.client) == ("GET", message.headers, "192.0.2.7")


@pytest.mark.parametrize(("peer", "client"), [("10.0.0.2", "203.0.113.7"), ("10.0.0.3", "10.0.0.3")])
def test_only_a_trusted_peer_names_the_client(peer: str, client: str) -> None:
    trust = Trust(TrustedProxies(networks=(IPv4Network("10.0.0.2/32"),)))
    headers = [(b"x-forwarded-for", b"203.0.113.7")]
    _, head = admit(method="GET", target=b"/", headers=headers, client=peer, limits=LIMITS, trust=trust)
    assert head.client == client


@given(target=TARGETS)
def test_without_headers_only_the_head_s_own_rules_and_the_limit_refuse(target: bytes) -> None:
    def refused(read: Callable[[], object]) -> bool:
        try:
            read()
        except DownstreamError:
            return True
        return False

    short = len(target) <= LIMITS.request_line - len("GET  HTTP/1.1\r\n")
    assert refused(lambda: admit(method="GET", target=target, headers=[], client="", limits=LIMITS)) == (
        refused(lambda: RequestHead(method="GET", target=target)) or not short
    )


def test_another_host_in_the_target_is_named() -> None:
    sent = b"GET http://h/ HTTP/1.1\r\nHost: i\r\n\r\n"
    with pytest.raises(BadRequest) as raised:
        read_head(sent, client="", limits=LIMITS)
    assert str(raised.value) == "the Host field is `i`, but the target names `h`"


def test_an_old_client_s_host_is_not_compared() -> None:
    message, head = read_head(b"GET http://h/ HTTP/1.0\r\nHost: i\r\n\r\n", client="", limits=LIMITS)
    assert (head.authority, message.host) == (b"h", b"i")


def test_a_body_over_the_limit_names_its_route_and_no_worker() -> None:
    told = explain_sent(
        SNAPSHOT,
        EndpointStates(lambda: 0.0),
        SETTINGS,
        method="POST",
        target=b"/large",
        headers=[(b"content-length", b"1001")],
    )
    assert told.route is not None
    assert (told.route.name, told.upstream, told.endpoint, told.max_body) == ("large", None, None, 1000)
    assert told.refusal == Refusal(
        status=413, errcode="M_TOO_LARGE", error="the body has 1001 bytes, more than 1000"
    )
    assert told.reason == "body_too_large"


@given(st.binary())
def test_a_field_holds_no_end_of_a_line(text: bytes) -> None:
    assert is_field_text(text) == (not set(text) & {0, 10, 13})
