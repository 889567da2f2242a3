from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import ConfigError, InvalidPattern, ProxyError
from router.request import RequestHead
from router.routing import matcher as matcher_module
from router.routing.matcher import Matcher
from router.routing.pattern import SMALLEST_BUDGET
from router.routing.trace import Verdict, trace
from router.table import UNMATCHED, Condition, PathForm, Route
from tests.routing.tables import head, route, table

RAW, NORMALISED = PathForm.RAW, PathForm.NORMALISED


def first(routes: list[Route], asked: RequestHead) -> int:
    return Matcher(table(routes).routes).first(asked)


def test_the_smallest_index_wins_however_the_set_orders_them() -> None:
    routes = [route(f"^/{'a' * length}") for length in range(40, 0, -1)]
    random.Random(2).shuffle(routes)
    for length in range(1, 41):
        path = "/" + "a" * length
        expected = next(i for i, each in enumerate(routes) if len(each.pattern.text) <= len(path) + 1)
        assert first(routes, head(path)) == expected


def test_leftmost_does_not_win_over_first() -> None:
    assert first([route("b$"), route("^/a")], head("/a/b")) == 0


def test_no_answer_from_re2_is_an_internal_error() -> None:
    broken = Matcher(table([route("^/a")]).routes)
    broken._raw._match = lambda _: []
    with pytest.raises(ProxyError, match="no answer") as raised:
        broken.first(head("/a"))
    assert raised.value.status == 500


def test_nothing_but_the_last_route_is_an_answer() -> None:
    assert first([route("^/a")], head("/b")) == 1


@pytest.mark.parametrize("byte", ["%80", "%C3%A9", "%FF", "%0A"])
def test_patterns_see_bytes_and_not_characters(byte: str) -> None:
    asked = head(f"/a{byte}/b")
    expected = 1 if byte == "%0A" else 0  # only a line feed is not `.`
    assert (
        first([route("^/a.+/b$", form=NORMALISED), route("^/a[^/]+/b$", form=NORMALISED)], asked) == expected
    )
    assert first([route("^/a[^/]+/b$", form=NORMALISED)], asked) == 0


def test_an_invalid_pattern_is_told_with_its_reason_and_line() -> None:
    with pytest.raises(InvalidPattern, match=r"routes\.yaml:12: .*missing"):
        first([route("^/a"), route("^/(b", line=12)], head("/a"))


@pytest.mark.parametrize(
    ("method", "methods", "taken"),
    [
        ("GET", ["GET"], True),
        ("HEAD", ["GET"], True),
        ("OPTIONS", ["GET"], True),
        ("OPTIONS", ["PUT"], True),
        ("HEAD", ["PUT"], False),
        ("PUT", ["GET"], False),
        ("PUT", [], True),
    ],
)
def test_methods(method: str, methods: list[str], *, taken: bool) -> None:
    assert first([route("^/", methods=methods)], head("/a", method)) == (0 if taken else 1)


@pytest.mark.parametrize(
    ("target", "taken"),
    [
        ("/sync", 0),
        ("/sync?", 0),
        ("/sync?sinc=1", 0),
        ("/sync?xsince=1", 0),
        ("/sync?since", 0),  # Twisted drops an item without `=`
        ("/sync?since=", 1),
        ("/sync?timeout=1&since=s1", 1),
        ("/sync?timeout=1;since=s1", 1),
        ("/sync?%73in%63e=s1", 1),
    ],
)
def test_query_predicates(target: str, taken: int) -> None:
    routes = [route("^/sync$", absent="since"), route("^/sync$", present="since")]
    assert first(routes, head(target)) == taken


def test_raw_and_normalised_patterns_keep_one_order() -> None:
    routes = [
        route("^/n/(a|b)$", form=NORMALISED),
        route("^/n/a%2Fc$", form=RAW),
        route("^/n/a/c$", form=NORMALISED),
        route("^/n/", form=RAW),
        route("^/", form=NORMALISED),
    ]
    asked = {"/n/a": 0, "/n/%61": 0, "/n/a%2Fc": 1, "/n/a%2fc": 2, "/n/a/c": 2, "/n/c": 3, "/m/../x": 4}
    assert {target: first(routes, head(target)) for target in asked} == asked


def test_a_table_of_normalised_patterns_only() -> None:
    routes = [route("^/a b$", form=NORMALISED)]
    assert first(routes, head("/a%20b")) == 0
    assert first(routes, head("/a+b")) == 1


def test_many_patterns_fit_since_memory_follows_the_table() -> None:
    routes = [route(f"^/_matrix/client/(r0|v3)/route{number}/[^/]+/event$") for number in range(4000)]
    large = Matcher(table(routes).routes)
    for number in (0, 1999, 3999):
        assert large.first(head(f"/_matrix/client/v3/route{number}/x/event")) == number
    assert large.first(head("/" + "x/" * 4000)) == 4000


def test_a_table_that_never_fits_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matcher_module, "LARGEST_BUDGET", SMALLEST_BUDGET)
    monkeypatch.setattr(matcher_module, "BYTES_PER_PATTERN", 0)
    wide = [route(f"^/{letter}(.{{1,300}}x){{1,3}}$") for letter in "abcdefghijklmnopqrstuvwxyz" * 4]
    with pytest.raises(ConfigError, match="MiB"):
        Matcher(table(wide).routes)


ATOMS = [
    "a",
    "b",
    "/",
    "%2F",
    ".",
    "[^/]",
    "[^/]+",
    ".*",
    "(a|b)",
    "\\xff",
    "[\\x80-\\xff]",
    "\\.",
    "é",
    "\\n",
]
PATTERNS = st.builds(
    lambda start, atoms, end: start + "".join(atoms) + end,
    st.sampled_from(["^/", "^", "", "(?i)^/"]),
    st.lists(st.sampled_from(ATOMS), max_size=5),
    st.sampled_from(["$", "", "/", "(/|$)"]),
)
CONDITIONS = (
    Condition(kind="argument", name="since", pattern="^$"),
    Condition(kind="method", pattern="^(GET|PUT)$", negated=True),
)
ROUTES = st.builds(
    lambda path, form, methods, absent, present, conditions: replace(
        route(path, form=form, methods=methods, absent=absent, present=present), conditions=conditions
    ),
    PATTERNS,
    st.sampled_from(PathForm),
    st.sampled_from([(), (), ("GET",), ("PUT", "POST")]),
    st.sampled_from(["", "", "since"]),
    st.sampled_from(["", "", "a b"]),
    st.sampled_from([(), (), (), *((each,) for each in CONDITIONS), CONDITIONS]),
)
PIECES = [
    "a",
    "b",
    "A",
    "/",
    "%2F",
    "%2f",
    ".",
    "..",
    "%FF",
    "%80",
    "%C3%A9",
    "%0A",
    "%25",
    "%2Fa",
    "%2E",
    "//",
]
TARGETS = st.builds(
    lambda pieces, query: "/" + "".join(pieces) + query,
    st.lists(st.sampled_from(PIECES), max_size=8),
    st.sampled_from(["", "?since=1", "?a+b=1&%73ince=", "?since"]),
)


@given(
    st.lists(ROUTES, min_size=1, max_size=12),
    TARGETS,
    st.sampled_from(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]),
)
def test_the_matcher_and_the_trace_are_equal(routes: list[Route], target: str, method: str) -> None:
    try:
        asked = head(target, method)
    except ProxyError:
        return  # above the root
    every = table(routes).routes
    steps = trace(every, asked)
    taken = [index for index, step in enumerate(steps) if step.verdict is Verdict.TAKEN]
    assert [Matcher(every).first(asked)] == taken
    assert every[-1] is UNMATCHED
