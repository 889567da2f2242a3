from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.synapse.catalogue import shipped
from router.synapse.coverage import paths
from router.synapse.shapes import CUT, MAX_SEGMENTS, MORE, Shapes, words_of

RECEIPT = "^/_matrix/client/(r0|v3|unstable)/rooms/(?P<room_id>[^/]*)/receipt/(?P<receipt_type>[^/]*)/x$"
SUMMARY = r"^/_matrix/client/unstable/im\.nheko\.summary/rooms/[a-z]{2,3}/\w+/summary$"
SHAPES = Shapes((), [RECEIPT, SUMMARY])


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        (b"/_matrix/client/v3/rooms/!a:b.org/receipt/m.read/$x", "/_matrix/client/v3/rooms/*/receipt/*/*"),
        (b"/_matrix/client/v3/rooms/%21abc%3Aexample.org/receipt", "/_matrix/client/v3/rooms/*/receipt"),
        (b"/_matrix/client/v3/syt_YWxpY2U_abc_123", "/_matrix/client/v3/*"),
        (b"/_matrix/client/v3/Rooms", "/_matrix/client/v3/*"),
        (b"/_matrix/client/v3/room_id/receipt_type", "/_matrix/client/v3/*/*"),
        (b"/_matrix/unstable/im.nheko.summary/summary", "/_matrix/unstable/im.nheko.summary/summary"),
        (b"/_matrix/client/unstable/imxnheko.summary/summary", "/_matrix/client/unstable/*/summary"),
        (b"/_matrix/client/v12/rooms", "/_matrix/client/v12/rooms"),
        (b"/_matrix/client/v123/rooms", "/_matrix/client/*/rooms"),
        (b"/_matrix/client/unstable/org.matrix.msc4999/x", "/_matrix/client/unstable/org.matrix.msc4999/*"),
        (b"/_matrix/client/unstable/org.matrix.alice/x", "/_matrix/client/unstable/*/*"),
        (b"/_matrix//rooms/", "/_matrix//rooms/"),
        (b"/\xff<script>", "/*"),
        (b"/", "/"),
    ],
)  # fmt: skip
def test_shapes(path: bytes, shape: str) -> None:
    assert SHAPES.of(path) == shape


def test_a_long_path_is_cut_short() -> None:
    assert SHAPES.of(b"/rooms" * MAX_SEGMENTS) == "/rooms" * MAX_SEGMENTS
    assert SHAPES.of(b"/rooms" * 5000) == "/rooms" * MAX_SEGMENTS + "/" + MORE


def test_the_words_of_a_pattern_stand_in_it_literally() -> None:
    assert words_of(RECEIPT) == {"_matrix", "client", "r0", "v3", "unstable", "rooms", "receipt"}
    assert words_of(SUMMARY) == {"_matrix", "client", "unstable", "im.nheko.summary", "rooms", "summary"}


@given(st.lists(st.binary(max_size=80), max_size=20))
def test_nothing_but_words_of_patterns_is_ever_shown(segments: list[bytes]) -> None:
    shapes = Shapes(shipped().endpoints)
    known = {word for endpoint in shipped().endpoints for word in words_of(endpoint.pattern)}
    shape = shapes.of(b"/" + b"/".join(segments))
    sent = {segment.decode("latin-1") for segment in b"/".join(segments).split(b"/")}
    shown = {*shape.split("/")} - {"", CUT, MORE}
    assert {each for each in shown & sent if not each.startswith(("v", "r0", "org.matrix."))} <= known
    assert shown <= sent
    assert len(shape) <= (MAX_SEGMENTS + 1) * 65


@pytest.mark.parametrize("servlet", ["receipt", "versions"])
def test_synapse_s_own_words_are_known(servlet: str) -> None:
    shapes = Shapes(shipped().endpoints)
    assert shapes.of(b"/" + servlet.encode()) == f"/{servlet}"


@pytest.mark.parametrize(
    ("method", "path", "kinds"),
    [
        ("POST", b"/_matrix/client/v3/rooms/!r:h/receipt/m.read/$e", {"writer"}),
        ("PUT", b"/_matrix/client/v3/rooms/!r:h/receipt/m.read/$e", set()),
        ("POST", b"/_matrix/client/v3/rooms/!r:h/receipt/m.read", set()),
        ("POST", b"/_matrix/client/v3/logout", {"main"}),
        ("GET", b"/_matrix/client/v3/logout", set()),
        ("GET", b"/_matrix/client/v3/profile/@a:h/displayname", {"main", "worker"}),
        ("GET", b"/_matrix/client/v1/auth_metadata", set()),
        ("GET", b"/_matrix/client/unstable/org.matrix.msc4143/rtc/transports", set()),
    ],
)
def test_who_serves_a_shape(method: str, path: bytes, kinds: set[str]) -> None:
    shapes = Shapes(shipped().endpoints)
    assert shapes.served_by(method, shapes.of(path)) == kinds


def test_whatever_the_catalogue_has_by_default_is_known_by_its_shape() -> None:
    shapes = Shapes(shipped().endpoints)
    for endpoint in shipped().endpoints:
        for path in () if endpoint.only_with else paths(endpoint):
            found = shapes.served_by(endpoint.method, shapes.of(path.encode("latin-1")))
            assert found >= endpoint.served_by, (endpoint.method, path)
