from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.shadow import Fate, Shadows, takes_everything
from router.errors import ProxyError
from router.request import RequestHead
from router.routing.matcher import Matcher
from router.table import UNMATCHED, Condition, PathForm, Pattern, Presence, QueryPredicate, Route

SINCE = (QueryPredicate(name="since", presence=Presence.PRESENT),)
NO_SINCE = (QueryPredicate(name="since", presence=Presence.ABSENT),)
FROM = (QueryPredicate(name="from", presence=Presence.PRESENT),)


def route(
    text: str, *methods: str, query: tuple[QueryPredicate, ...] = (), form: PathForm = PathForm.RAW
) -> Route:
    return Route(
        name=text,
        pattern=Pattern(text=text, form=form),
        methods=frozenset(methods) or None,
        query=query,
        upstream="main",
    )


def verdicts(*routes: Route) -> list[Fate]:
    shadows = Shadows(routes, Matcher((*routes, UNMATCHED)))
    return [shadows.verdict(index).fate for index in range(len(routes))]


LIVE, SHADOWED, SUSPECTED, UNKNOWN = Fate.LIVE, Fate.SHADOWED, Fate.SUSPECTED, Fate.UNKNOWN
NORMALISED = PathForm.NORMALISED


@pytest.mark.parametrize(
    ("routes", "last"),
    [
        ([route("^/a/"), route("^/a/b$")], SHADOWED),
        ([route("^/a/"), route("^/a")], LIVE),
        ([route("^/a$"), route("^/a$")], SHADOWED),
        ([route("^/a$", "GET"), route("^/a$")], LIVE),
        ([route("^/a$"), route("^/a$", "GET")], SHADOWED),
        ([route("^/a$", "GET"), route("^/a$", "HEAD")], SHADOWED),
        ([route("^/a$", "HEAD"), route("^/a$", "GET")], LIVE),
        ([route("^/a$", "GET"), route("^/a$", "OPTIONS")], SHADOWED),
        ([route("^/a$", "GET", "PUT"), route("^/a$", "GET", "PUT", "POST")], LIVE),
        ([route("^/a$", "GET"), route("^/a$", "PUT"), route("^/a$", "GET", "PUT")], SHADOWED),
        ([route("^/a$", query=NO_SINCE), route("^/a$")], LIVE),
        ([route("^/a$", query=NO_SINCE), route("^/a$", query=SINCE)], LIVE),
        ([route("^/a$", query=NO_SINCE), route("^/a$", query=NO_SINCE + FROM)], SHADOWED),
        ([route("^/a$", query=NO_SINCE + FROM), route("^/a$", query=NO_SINCE)], LIVE),
        ([route("^/a$", query=NO_SINCE), route("^/a$", query=SINCE), route("^/a$")], SHADOWED),
        ([route("^/(r0|v3)/s$"), route("^/v3/s$")], SHADOWED),
        ([route("^/r0/s$"), route("^/v3/s$"), route("^/(r0|v3)/s$")], SHADOWED),
        ([route("^/r0/s$"), route("^/(r0|v3)/s$")], LIVE),
        ([route("^/rooms/.*/send"), route("^/rooms/[^/]+/send/[^/]+$")], SHADOWED),
        ([route("^/rooms/[^/]+/send"), route("^/rooms/.*/send$")], LIVE),
        ([route("^/.*/tags"), route("^/user/.*/tags$")], SHADOWED),
        ([route("^/a", form=NORMALISED), route("^/a$")], SUSPECTED),
        ([route("^/a", form=NORMALISED), route("^/a")], SUSPECTED),
        ([route("^/a b", form=NORMALISED), route("^/a b c", form=NORMALISED)], SHADOWED),
        ([route("^/a b c", form=NORMALISED), route("^/a b", form=NORMALISED)], LIVE),
        ([route(r"^/a\b"), route("^/a$")], SUSPECTED),
        ([route("^/b$"), route(r"^/a\b")], UNKNOWN),
    ],
)
def test_the_fate_of_the_last_route(routes: list[Route], last: Fate) -> None:
    assert verdicts(*routes)[-1] is last


def test_more_query_parameters_than_can_be_combined_prove_nothing() -> None:
    many = [route("^/a$", query=(QueryPredicate(name=f"p{n}", presence=Presence.ABSENT),)) for n in range(6)]
    all_present = tuple(QueryPredicate(name=f"p{n}", presence=Presence.PRESENT) for n in range(6))
    assert verdicts(*many, route("^/a$"))[-1] is SUSPECTED
    assert verdicts(*many, route("^/a$", query=all_present))[-1] is LIVE


def test_the_witness_goes_to_the_winner() -> None:
    routes = (route("^/a/", "GET"), route("^/a/b$", "GET"))
    verdict = Shadows(routes, Matcher((*routes, UNMATCHED))).verdict(1)
    assert verdict.request is not None
    assert (verdict.request.method, verdict.request.target) == ("GET", b"/a/b")
    assert verdict.winners == (routes[0],)
    assert verdict.alone


def test_all_winners_are_named_where_it_takes_several() -> None:
    routes = (route("^/a$", query=NO_SINCE), route("^/a$", query=SINCE), route("^/a$"))
    verdict = Shadows(routes, Matcher((*routes, UNMATCHED))).verdict(2)
    assert verdict.winners == routes[:2]
    assert not verdict.alone


@pytest.mark.parametrize(
    ("one", "everything"),
    [
        (route("^/"), True),
        (route("/"), True),
        (route("^/.*$"), True),
        (route("^/", "GET"), False),
        (route("^/", query=SINCE), False),
        (route("^/."), False),
        (route("^/", form=NORMALISED), True),
        (route(r"\B"), False),
        (route("^/.*$", form=NORMALISED), False),
    ],
)
def test_what_takes_everything(one: Route, everything: bool) -> None:
    assert takes_everything(one) is everything


TEXTS = st.builds(
    lambda pieces, end: "^/" + "".join(pieces) + end,
    st.lists(st.sampled_from(["a", "b", "/", ".*", "[^/]+", "(a|b)", "b?"]), max_size=4),
    st.sampled_from(["$", ""]),
)
METHODS = st.sets(st.sampled_from(["GET", "PUT", "HEAD"]), max_size=2).map(tuple)
QUERIES = st.sampled_from([(), SINCE, NO_SINCE, FROM, FROM + NO_SINCE])
FORMS = st.sampled_from([PathForm.RAW, PathForm.RAW, NORMALISED])
ROUTES = st.lists(
    st.builds(
        lambda text, methods, query, form: route(text, *methods, query=query, form=form),
        TEXTS,
        METHODS,
        QUERIES,
        FORMS,
    ),
    min_size=1,
    max_size=4,
)
TARGETS = st.builds(
    lambda path, query: ("/" + path + query).encode(),
    st.text("ab/", max_size=5) | st.sampled_from(["%61", "a%2Fb", "a%0A"]),
    st.sampled_from(["", "?since=1", "?from=1", "?since=1&from=2"]),
)


@given(
    ROUTES,
    st.lists(st.tuples(st.sampled_from(["GET", "PUT", "HEAD", "OPTIONS", "POST"]), TARGETS), max_size=20),
)
def test_no_request_goes_to_a_route_that_is_called_shadowed(
    routes: list[Route], requests: list[tuple[str, bytes]]
) -> None:
    matcher = Matcher((*routes, UNMATCHED))
    shadows = Shadows(routes, matcher)
    fates = [shadows.verdict(index).fate for index in range(len(routes))] + [LIVE]
    for method, target in requests:
        try:
            head = RequestHead(method=method, target=target)
        except ProxyError:
            continue
        assert fates[matcher.first(head)] is not SHADOWED


def test_a_route_with_conditions_neither_shadows_nor_is_suspected() -> None:
    conditioned = (Condition(kind="argument", name="since", pattern="^$"),)
    first = replace(route("^/sync$"), conditions=conditioned)
    assert verdicts(first, route("^/sync$")) == [LIVE, LIVE]
    assert verdicts(first, replace(first, name="again")) == [LIVE, LIVE]
    assert verdicts(route("^/sync"), first) == [LIVE, SHADOWED]
    assert not takes_everything(replace(route("^/"), conditions=conditioned))
