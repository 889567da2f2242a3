from __future__ import annotations

from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import ProxyError
from router.request import RequestHead
from router.routing.key import ReadKey, of_token, reader
from router.table import HashKey, Pattern
from tests.routing.tables import head

ANY = Pattern(text="")


def of(kind: str, name: str = "") -> ReadKey:
    return reader((HashKey(kind=kind, name=name),), ANY)


user = of("user")
room = of("room")
origin = of("origin")

segments = st.lists(st.sampled_from(["_matrix", "client", "v3", "rooms", "messages", "@a:hs", "$e", ""]))
opaque = st.binary(min_size=1).filter(lambda text: b"\0" not in text)


def escaped(text: bytes, keep: bytes) -> str:
    """Percent-encoded, but for unreserved bytes and those of `keep`."""
    return quote_from_bytes(text, safe=keep)


@pytest.mark.parametrize(
    ("token", "key"),
    [
        (b"syt_YWxpY2U_abcdefghij_1a2b3c", b"YWxpY2U"),
        (b"syt_YWxpY2U_", b"YWxpY2U"),
        (b"syt_a+b/c_x", b"a+b/c"),
        (b"syt_YWxpY2U", b"syt_YWxpY2U"),  # no second `_`: not of the form
        (b"syt__x_y", b"syt__x_y"),
        (b"SYT_YWxpY2U_x", b"SYT_YWxpY2U_x"),
        (b"syt-YWxpY2U_x", b"syt-YWxpY2U_x"),
        (b"mat_abc_def", b"mat_abc_def"),
        (b"mct_abc", b"mct_abc"),
        (b"", b""),
    ],
)
def test_the_user_part_of_a_token(token: bytes, key: bytes) -> None:
    assert of_token(token) == key


@pytest.mark.parametrize(
    ("authorization", "key"),
    [
        ("Bearer syt_YWxpY2U_x_y", b"YWxpY2U"),
        ("Bearer syt_YWxpY2U_x_y \t", b"YWxpY2U"),
        ("Bearer opaque", b"opaque"),
        ("bearer opaque", b""),  # Synapse takes no other spelling
        ("Bearer  opaque", b""),
        ("Bearer two words", b""),
        ("Beareropaque", b""),
        ("Bearer", b""),
        ("X-Matrix origin=a,key=b,sig=c", b""),
        ("Basic YTpi", b""),
    ],
)
def test_the_token_of_an_authorization_field(authorization: str, key: bytes) -> None:
    assert user(head("/", authorization=authorization)) == key


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("access_token=syt_YWxpY2U_x_y", b"YWxpY2U"),
        ("since=1&access_token=opaque", b"opaque"),
        ("access%5Ftoken=syt%5FYWxpY2U%5Fx", b"YWxpY2U"),
        ("access_token=a&access_token=b", b"a"),
        ("access_token=", b""),
        ("access_token", b""),
        ("xaccess_token=opaque", b""),
        ("since=1", b""),
        ("", b""),
    ],
)
def test_the_token_of_a_query(query: str, key: bytes) -> None:
    assert user(head("/sync?" + query)) == key


def test_the_header_wins_over_the_query() -> None:
    assert user(head("/?access_token=b", authorization="Bearer a")) == b"a"
    assert user(head("/?access_token=b", authorization="Basic a")) == b""


def test_a_header_key_is_the_first_value_as_received() -> None:
    by_origin = of("header", "x-origin")
    assert by_origin(head("/", x_origin="A b,c")) == b"A b,c"
    assert by_origin(head("/", x_origin=" A ")) == b"A"
    assert by_origin(head("/", x_other="A")) == b""
    assert by_origin(head("/")) == b""


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/_matrix/client/v3/rooms/!a:hs/messages", b"!a:hs"),
        ("/_matrix/client/v3/rooms/%21a%3Ahs/messages", b"!a:hs"),
        ("/_matrix/client/v3/rooms/!a%3ahs/messages", b"!a:hs"),
        (
            "/_matrix/client/v3/rooms/!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM/messages",
            b"!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM",
        ),
        ("/_matrix/client/v3/rooms/!a%2Fmessages:hs/messages", b"!a/messages:hs"),
        ("/_matrix/client/v3/rooms/!a%2521:hs/messages", b"!a%21:hs"),
        ("/_matrix/client/v3/rooms/!%C3%A9+b:hs/messages", "!\u00e9+b:hs".encode()),
        ("/_matrix/client/v3/rooms/!a:hs", b"!a:hs"),
        ("/_matrix/client/v3/rooms/%21a:hs/state/m.x/!b:hs", b"!a:hs"),
        ("/_matrix/client/v3/rooms/!a:hs/state/m.x/%21b:hs", b"!a:hs"),
        ("/_matrix/client/v3/user/@b:hs/rooms/!a:hs/tags", b"!a:hs"),
        ("/_matrix/client/v3/user/@b%2Fc:hs/rooms/!a:hs/tags", b"!a:hs"),
        ("/_matrix/client/v3/join/!a:hs", b"!a:hs"),
        ("/_matrix/client/v1/room_summary/%21a:hs", b"!a:hs"),
        ("/_matrix/federation/v1/make_join/!a:hs/@b:hs", b"!a:hs"),
        ("/_matrix/client/v3/join/%23alias:hs", b""),
        ("/_matrix/client/v3/rooms/%2521a:hs/messages", b""),
        ("/_matrix/client/v3/rooms/a!:hs/messages", b""),
        ("/_matrix/client/v3/rooms%2F!a:hs/messages", b""),
        ("/_matrix/client/v3/rooms/%23!a:hs/messages", b""),
        ("/_matrix/client/v3/joined_rooms", b""),
        ("/", b""),
    ],
)
def test_the_room_in_a_path(path: str, key: bytes) -> None:
    assert room(head(path)) == key
    assert room(head(f"{path}?from=/!other:hs")) == key


@given(before=segments, after=segments, name=opaque, keep=st.sampled_from([b"", b":", b"!:$@"]))
def test_a_room_id_is_one_key_however_it_is_escaped(
    before: list[str], after: list[str], name: bytes, keep: bytes
) -> None:
    paths = [
        "/".join(["", *before, sigil + escaped(name, kept), *after])
        for sigil, kept in (("!", keep), ("%21", b""), ("!", b""))
    ]
    assert {room(head(path)) for path in paths} == {b"!" + name}


@pytest.mark.parametrize(
    ("authorization", "key"),
    [
        ('X-Matrix origin=a.org,destination="hs",key="ed25519:1",sig="c2ln"', b"a.org"),
        ('X-Matrix origin="a.org",destination="hs",key="ed25519:1",sig="c2ln"', b"a.org"),
        ('X-Matrix key="ed25519:1",sig="c2ln",origin="a.org:8448"', b"a.org:8448"),
        ("X-Matrix key=ed25519:1,sig=c2ln,origin=a.org:8448", b"a.org:8448"),
        ('x-matrix  sig="c2ln" , ORIGIN = "a.org" ,key=1', b"a.org"),
        ("X-MATRIX\tOrigin=a.org", b"a.org"),
        ("X-Matrix origin=a.org ", b"a.org"),
        ("X-Matrix origin=[2001:db8::1]:8448", b"[2001:db8::1]:8448"),
        (r'X-Matrix origin="a\.org"', b"a.org"),
        ('X-Matrix origin="a.org",origin=b.org', b"b.org"),
        ('X-Matrix destination="x,origin=b.org",origin=a.org', b"a.org"),
        (r'X-Matrix destination="x\",origin=b.org",origin=a.org', b"a.org"),
        ("X-Matrix origin=", b""),
        ('X-Matrix origin=""', b""),
        ("X-Matrix origins=a.org", b""),
        ("X-Matrix the-origin=a.org", b""),
        ('X-Matrix destination="origin=a.org"', b""),
        ("X-Matrix origin", b""),
        ("X-Matrix origin a.org", b""),
        ('X-Matrix origin="a.org', b""),
        ('X-Matrix origin=a.org"', b""),
        ("X-Matrix origin=a.org key=1", b""),
        ("X-Matrix", b""),
        ("X-Matrixorigin=a.org", b""),
        ("X-Matrices origin=a.org", b""),
        ("Bearer origin=a.org", b""),
        ("Bearer X-Matrix origin=a.org", b""),
        ("", b""),
    ],
)
def test_the_server_that_signed(authorization: str, key: bytes) -> None:
    assert origin(head("/_matrix/federation/v1/send/1", authorization=authorization)) == key


def test_without_a_signature_there_is_no_server() -> None:
    assert origin(head("/_matrix/federation/v1/send/1?origin=a.org", origin="a.org")) == b""


parameters = st.lists(
    st.tuples(st.sampled_from(["destination", "key", "sig"]), st.text('abz.:,=\\" -[]09')), max_size=4
)


@given(
    name=st.text("abz.:-[]09", min_size=1),
    before=parameters,
    after=parameters,
    begins=st.sampled_from(["X-Matrix {}origin=", "x-matrix {}Origin="]),
    comma=st.sampled_from([",", ", ", "\t,"]),
)
def test_a_server_is_one_key_however_it_is_written(
    name: str,
    before: list[tuple[str, str]],
    after: list[tuple[str, str]],
    begins: str,
    comma: str,
) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'

    others = [[f"{key}={quoted(value)}" for key, value in part] for part in (before, after)]
    for value in (name, quoted(name), '"' + "".join(f"\\{letter}" for letter in name) + '"'):
        text = begins.format("".join(other + comma for other in others[0])) + comma.join([value, *others[1]])
        assert origin(head("/", authorization=text)) == name.encode()


@given(
    st.lists(
        st.sampled_from([*'ab=,"\\\t ', "origin=", "key=", 'origin="a"', "sig=", ",origin="]), max_size=9
    )
)
def test_the_usual_spelling_is_read_as_the_grammar_has_it(parts: list[str]) -> None:
    text = "".join(parts)
    usual, general = (
        origin(head("/", authorization=f"{scheme} {text}")) for scheme in ("X-Matrix", "x-matrix")
    )
    assert usual == general


@given(st.binary())
def test_every_authorization_has_a_server_or_none(value: bytes) -> None:
    headers = ((b"authorization", b"X-Matrix origin=" + value),)
    assert isinstance(origin(RequestHead(method="PUT", target=b"/", headers=headers)), bytes)


@given(st.binary())
def test_every_path_has_a_key_or_none(path: bytes) -> None:
    try:
        asked = RequestHead(method="GET", target=b"/" + path)
    except ProxyError:
        return
    assert room(asked).startswith(b"!") or room(asked) == b""
