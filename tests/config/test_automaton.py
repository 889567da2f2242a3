from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.automaton import Undecided, find_path, readable
from router.config.bytesets import mask_of
from router.config.regex import NotRead
from router.errors import ProxyError
from router.request import RequestHead
from router.routing.pattern import compile_alone
from router.table import PathForm

RAW, NORMALISED = PathForm.RAW, PathForm.NORMALISED


@pytest.mark.parametrize(
    ("wanted", "unwanted", "path"),
    [
        (["^/a$"], [], b"/a"),
        (["^/a$"], ["^/a"], None),
        (["^/a"], ["^/a$"], b"/ax"),
        (["^/(r0|v3)/sync$"], ["^/r0/", "^/v3/s"], None),
        (["^/(r0|v3)/sync$"], ["^/r0/"], b"/v3/sync"),
        (["^/rooms/[^/]+/send$"], ["^/rooms/.*/send$"], None),
        (["^/rooms/.*/send$"], ["^/rooms/[^/]+/send$"], b"/rooms//send"),
        (["^/rooms/.*/send$"], ["^/rooms/[^/]*/send$"], b"/rooms///send"),
        (["a$"], ["^/"], None),
        (["b"], ["a"], b"/b"),
        (["a", "b", "^/.$"], [], None),
        (["a", "b", "^/..$"], [], b"/ab"),
        ([], ["^/[^/]*$", "/.*/"], None),
        (["$"], ["^/$"], b"/x"),
        (["^/a"], ["b", "a$"], b"/ax"),
        (["^/a{3,5}$"], ["^/a{4}$"], b"/aaa"),
    ],
)
def test_a_path_that_these_match_and_those_do_not(
    wanted: list[str], unwanted: list[str], path: bytes | None
) -> None:
    assert find_path(wanted, unwanted, RAW) == path


@pytest.mark.parametrize(
    ("pattern", "raw", "normalised"),
    [
        ("^/a b$", None, b"/a b"),
        ("^/a%20b$", b"/a%20b", b"/a%20b"),
        ("^/a%2$", None, b"/a%2"),
        ("^/a%00$", None, b"/a%00"),
        ("//", b"//", None),
        (r"^/\./a$", b"/./a", None),
        (r"^/a/\.\.$", b"/a/..", None),
        (r"^/a/\.\.\.$", b"/a/...", b"/a/..."),
        (r"^/\.a$", b"/.a", b"/.a"),
        (r"\?", None, b"/?"),
        (r"#", None, b"/#"),
        (r"\xe9", None, b"/\xe9"),
        (r"\x00", None, None),
        (r"^a", None, None),
        (r"\n", None, b"/\n"),
    ],
)
def test_only_paths_that_a_client_can_send(pattern: str, raw: bytes | None, normalised: bytes | None) -> None:
    assert find_path([pattern], [], RAW) == raw
    assert find_path([pattern], [], NORMALISED) == normalised


def test_everything_is_taken_only_by_what_takes_everything() -> None:
    for pattern in ("^/", "/", "", "^", "^/.*", "^.*$", "(?:)", "^/|x"):
        assert find_path([], [pattern], RAW) is None
    for pattern in ("^/.", "^/[^?]", "^/$", "x"):
        assert find_path([], [pattern], RAW) is not None
    assert find_path([], ["^/.*$"], NORMALISED) == b"/\n"


def test_too_much_is_undecided_and_what_is_not_read_is_said() -> None:
    many = [f"^/x/.*{letter}.{{9}}$" for letter in "abc"]
    with pytest.raises(Undecided):
        find_path(["^/x/.*$"], [*many, "^/x/.{0,30}$"], RAW, budget=500)
    with pytest.raises(NotRead):
        find_path([r"\ba"], [], RAW)
    with pytest.raises(NotRead):
        find_path(["(a{1,1000}){1,9}"], [], RAW)


PIECES = st.sampled_from(
    ["/", "a", "b", "[^/]+", ".*", "[ab]", "(a|b/)", "(/|$)", "a?", "x{1,2}", "%2F", "."]
)
PATTERNS = st.builds(
    lambda begin, pieces, end: begin + "".join(pieces) + end,
    st.sampled_from(["^/", "^", ""]),
    st.lists(PIECES, max_size=4),
    st.sampled_from(["$", ""]),
)


@given(
    st.lists(PATTERNS, max_size=2),
    st.lists(PATTERNS, max_size=3),
    st.lists(st.text("/ab%2Fx", max_size=6), max_size=6),
)
def test_what_is_found_is_such_a_path_and_none_is_none(
    wanted: list[str], unwanted: list[str], tried: list[str]
) -> None:
    try:
        path = find_path(wanted, unwanted, RAW)
    except Undecided:
        return

    def is_one(candidate: bytes) -> bool:
        return all(compile_alone(each)(candidate) for each in wanted) and not any(
            compile_alone(each)(candidate) for each in unwanted
        )

    if path is not None:
        assert is_one(path)
        RequestHead(method="GET", target=path)
        return
    for text in tried:
        candidate = b"/" + text.encode()
        try:
            RequestHead(method="GET", target=candidate)
        except ProxyError:
            continue
        assert not is_one(candidate)


def test_a_readable_byte_of_a_set() -> None:
    assert readable(mask_of(b"\x00/x")) == ord("x")
    assert readable(mask_of(b"/-")) == ord("-")
    assert readable(mask_of(b"\x80\xff")) == 0x80
