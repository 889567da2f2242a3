from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.web.http import parse_qs

from router.routing.query import find_parameter

NAMES = st.sampled_from([b"since", b"s", b"a b", b"\xff", b"since="])
PIECES = st.sampled_from(
    [b"since", b"s", b"&", b";", b"=", b"+", b"%", b"%73ince", b"%zz", b"%3D", b"a%20b", b"x", b"%FF"]
)


@example(b"since=", b"since")
@example(b"since", b"since")
@example(b"a=1;since=2", b"since")
@example(b"%73ince=x", b"since")
@example(b"a+b=c", b"a b")
@example(b"since%3D=1", b"since=")
@given(st.lists(PIECES, max_size=8).map(b"".join), NAMES)
def test_parameters_are_those_that_twisted_gives_to_synapse(query: bytes, name: bytes) -> None:
    there = parse_qs(query, keep_blank_values=1).get(name)  # type: ignore[no-untyped-call]
    assert find_parameter(query, name) == (there[0] if there else None)
