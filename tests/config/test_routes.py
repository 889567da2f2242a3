from __future__ import annotations

import pytest

from router.config.loader import load_bytes
from router.table import PathForm, Presence, QueryPredicate, Refusal, Route
from tests.config.files import UPSTREAMS, fix, marked, places


def table(*routes: str, head: str = "") -> str:
    lines = "".join(f"  - {route}\n" for route in routes)
    return (
        head
        + UPSTREAMS
        + "routes:\n"
        + lines
        + "  - {path: '^/_', upstream: w}\n  - {path: '^/', upstream: main}\n"
    )


def routes_of(text: str) -> tuple[Route, ...]:
    loaded = load_bytes(text.encode())
    assert loaded.config is not None, loaded.findings
    return loaded.config.table.routes


def test_every_key_of_a_route() -> None:
    text = table(
        "{name: sync, path: ['^/a$', '^/b$'], methods: [GET, PUT], query: {since: absent, x: present}, "
        "match: normalised, upstream: w, first_byte: 10m, max_body: 50MiB, upgrade: websocket, "
        "wait_for_worker: 15s}"
    )
    first, second, *_ = routes_of(text)
    assert first == Route(
        name="sync",
        pattern=first.pattern,
        methods=frozenset({"GET", "PUT"}),
        query=(
            QueryPredicate(name="since", presence=Presence.ABSENT),
            QueryPredicate(name="x", presence=Presence.PRESENT),
        ),
        upstream="w",
        first_byte=600.0,
        wait_for_worker=15.0,
        max_body=52_428_800,
        upgrade=("websocket",),
    )
    assert (first.pattern.text, first.pattern.form) == ("^/a$", PathForm.NORMALISED)
    assert (second.pattern.text, second.name) == ("^/b$", "sync")
    assert first.source is not None
    assert second.source is not None
    assert (first.source.line, first.source.column, second.source.column) == (3, 25, 33)


def test_a_route_of_several_lines_has_a_source_for_each_pattern() -> None:
    text = (
        UPSTREAMS
        + "routes:\n  - upstream: w\n    path:\n      - ^/a$\n      - ^/b$\n"
        + "  - {path: '^/', upstream: main}\n"
    )
    assert [route.source.line for route in routes_of(text) if route.source] == [5, 6, 7]


def test_names_are_made_of_upstream_and_line() -> None:
    assert [route.name for route in routes_of(table("{path: '^/a', refuse: {status: 403}}"))] == [
        "refuse-3",
        "w-4",
        "main-5",
        "unmatched",
    ]
    one_line = (
        UPSTREAMS
        + "routes: [{path: '^/a', upstream: w}, {path: '^/b', upstream: w}, {path: '^/', upstream: main}]\n"
    )
    assert [route.name for route in routes_of(one_line)][:3] == ["w-2", "w-2-2", "main-2"]


def test_refusals() -> None:
    text = table(
        "{path: '^/a', refuse: {}}",
        "{path: '^/b', refuse: {status: 403, errcode: M_FORBIDDEN, error: Not here}}",
    )
    assert [route.refusal for route in routes_of(text)][:2] == [
        Refusal(),
        Refusal(status=403, errcode="M_FORBIDDEN", error="Not here"),
    ]


def test_match_is_the_default_of_all_routes() -> None:
    routes = routes_of(table("{path: '^/a', match: raw, upstream: w}", head="match: normalised\n"))
    assert [route.pattern.form.value for route in routes] == ["raw", "normalised", "normalised", "raw"]


@pytest.mark.parametrize(
    ("route", "code", "caret"),
    [
        ("5", "S009", "5"),
        ("{upstream: w}", "S010", "{upstream: w}"),
        ("{path: [], upstream: w}", "S010", "[]"),
        ("{path: '', upstream: w}", "S010", "''"),
        ("{path: {a: 1}, upstream: w}", "S009", "{a: 1}"),
        ("{path: [[a]], upstream: w}", "S009", "[a]"),
        ("{path: '^/a'}", "R107", "{path: '^/a'}"),
        ("{path: '^/a', upstream: w, refuse: {}}", "R107", "refuse"),
        ("{path: '^/a', upstream: [w]}", "S009", "[w]"),
        ("{path: '^/a', upstream: W}", "R102", "W"),
        ("{path: '^/a', upstream: zzz}", "R102", "zzz"),
        ("{path: '^/a', upstream: w, methods: [get]}", "R103", "get"),
        ("{path: '^/a', upstream: w, methods: FETCH}", "R103", "FETCH"),
        ("{path: '^/a', upstream: w, methods: [CONNECT]}", "R103", "CONNECT"),
        ("{path: '^/a', upstream: w, methods: []}", "S010", "[]"),
        ("{path: '^/a', upstream: w, query: since}", "R104", "since"),
        ("{path: '^/a', upstream: w, query: {}}", "R104", "{}"),
        ("{path: '^/a', upstream: w, query: {since: }}", "R104", "since"),
        ("{path: '^/a', upstream: w, query: {since: s1}}", "R104", "s1"),
        ("{path: '^/a', upstream: w, query: {'': present}}", "R104", "''"),
        ("{path: '^/a', upstream: w, match: decoded}", "S012", "decoded"),
        ("{path: '^/a', upstream: w, first_byte: 10}", "S011", "10"),
        ("{path: '^/a', upstream: w, wait_for_worker: 0s}", "S011", "0s"),
        ("{path: '^/a', upstream: w, max_body: 0}", "S011", "0"),
        ("{path: '^/a', upstream: w, name: a b}", "S014", "a b"),
        ("{path: '^/a', upstream: w, name: unmatched}", "R106", "unmatched"),
        ("{path: '^/a', refuse: 404}", "S009", "404"),
        ("{path: '^/a', refuse: {status: 302}}", "S011", "302"),
        ("{path: '^/a', refuse: {errcode: 'a b'}}", "S014", "'a b'"),
    ],
)
def test_what_is_wrong_is_marked(route: str, code: str, caret: str) -> None:
    assert marked(table(route), code) == caret
    assert load_bytes(table(route).encode()).config is None


def test_two_routes_with_one_name() -> None:
    text = table("{name: a, path: '^/a', upstream: w}", "{name: a, path: '^/b', upstream: w}")
    (finding,) = load_bytes(text.encode()).findings
    assert finding.code == "R105"
    assert [related.source.line for related in finding.related] == [3]


@pytest.mark.parametrize(("written", "fixed"), [("get", "`GET`"), ("DELET", "`DELETE`"), ("QQ", "remove it")])
def test_a_method_that_was_meant(written: str, fixed: str) -> None:
    assert fixed in fix(table(f"{{path: '^/a', upstream: w, methods: [{written}]}}"), "R103")


def test_an_upstream_that_was_meant_is_not_called_unused() -> None:
    text = (
        "upstreams: {generic-worker: {endpoints: [h:1]}}\nroutes: [{path: '^/', upstream: generic-wroker}]\n"
    )
    assert places(text) == ["R102 2:33"]
    assert "`generic-worker`" in fix(text, "R102")


def test_an_upstream_that_cannot_be_named_is_not_offered() -> None:
    text = (
        "upstreams: {'': {endpoints: [h:1]}, 'zz z': {endpoints: [h:2]}, main: {endpoints: [h:3]}}\n"
        "routes: [{path: '^/', upstream: zzz}]\n"
    )
    assert fix(text, "R102") == "define it below `upstreams:`; the file defines main"


@pytest.mark.parametrize("routes", ["5", "{}", "[]", ""])
def test_no_routes_at_all(routes: str) -> None:
    assert load_bytes((UPSTREAMS + f"routes: {routes}\n").encode()).config is None
