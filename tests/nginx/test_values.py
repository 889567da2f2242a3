from __future__ import annotations

from pathlib import Path

import pytest

from router.nginx.pcre import NotCarried
from router.nginx.values import Values, fact_of
from router.table import HashKey
from tests.nginx.files import tree

DOCUMENTED = r"""
map $arg_access_token $from_query { default $arg_access_token; "~syt_(?<username>.*?)_.*" $username; }
map $http_authorization $mxid {
  default $http_authorization; "~Bearer syt_(?<username>.*?)_.*" $username; "" $from_query;
}
"""


def values(folder: Path, text: str) -> Values:
    return Values({each.args[1].removeprefix("$"): each for each in tree(folder, text)})


def cases(folder: Path, text: str, of: str) -> list[str]:
    return [
        " & ".join(map(str, case.conditions)) + " -> " + (case.text or str(case.key))
        for case in values(folder, text).cases(of)
    ]


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("uri", HashKey(kind="normalised")),
        ("http_x_forwarded_for", HashKey(kind="header", name="x-forwarded-for")),
        ("arg_Since", HashKey(kind="argument", name="since")),
        ("cookie_sid", HashKey(kind="cookie", name="sid")),
        ("arg_", None),
        ("upstream_addr", None),
    ],
)
def test_which_variables_are_facts(name: str, fact: HashKey | None) -> None:
    assert fact_of(name) == fact


@pytest.mark.parametrize(
    ("text", "of", "expected"),
    [
        ("", "main", [" -> main"]),
        (
            "map $uri $to { default m; ~^/b w; /A x; }",
            "$to",
            [r"normalised has (?i)\A/A\z -> x", "normalised has ^/b -> w", " -> m"],
        ),
        (
            "map $arg_a $x { '' none; default some; } map $x $to { none m; ~so w; }",
            "${to}1",
            [r"argument a has \A\z -> m1", " -> w1"],
        ),
        (
            "map $uri $to { ~^/a $by; } map $request_method $by { GET r; default w; }",
            "$to",
            [r"normalised has ^/a & method has (?i)\AGET\z -> r", "normalised has ^/a -> w", " -> None"],
        ),
        (
            'map "$request_method:$uri" $to { "~^(PUT|POST):/a/" w; default m; }',
            "$to",
            [r"method has ^(?:(PUT|POST))\z & normalised has ^/a/ -> w", " -> m"],
        ),
    ],
)
def test_what_a_text_can_be_and_when(tmp_path: Path, text: str, of: str, expected: list[str]) -> None:
    assert cases(tmp_path, text, of) == expected


def test_set_is_a_value_too(tmp_path: Path) -> None:
    known = values(tmp_path, "map $uri $to { default m; }").setting("chosen", "$to")
    assert [case.text for case in known.cases("$chosen")] == ["m"]


def test_the_documented_way_to_a_user_is_a_chain_of_keys(tmp_path: Path) -> None:
    header = HashKey(kind="header", name="authorization")
    argument = HashKey(kind="argument", name="access_token")
    assert values(tmp_path, DOCUMENTED).key("$mxid") == (
        HashKey(kind="header", name="authorization", pattern="Bearer syt_(.*?)_.*"),
        header,
        HashKey(kind="argument", name="access_token", pattern="syt_(.*?)_.*"),
        argument,
    )
    assert values(tmp_path, "").key("$remote_addr") == (HashKey(kind="client"),)


@pytest.mark.parametrize(
    ("text", "of"),
    [
        ("", "$upstream_addr"),
        ("map $a $b { default $a; } map $b $a { default $b; }", "$a"),
        ("map $uri $to { ~(?=x) w; }", "$to"),
        ("map $uri $to { default m; }", "$to$uri"),
        ('map "$uri:$args" $to { ~a w; }', "$to"),
        ('map "$request_method:$uri" $to { "~.*:/a" w; }', "$to"),
        ("map $host $to { hostnames; default m; }", "$to"),
    ],
)
def test_what_cannot_be_unfolded(tmp_path: Path, text: str, of: str) -> None:
    with pytest.raises(NotCarried):
        values(tmp_path, text).cases(of)


@pytest.mark.parametrize(
    ("text", "of"),
    [
        ("", "$uri$args"),
        ("", "constant"),
        ("map $uri $k { default x; }", "$k"),
        ("map $uri $k { /a $args; default $uri; }", "$k"),
        ("map $uri $k { ~a $args; default $uri; }", "$k"),
        ("map $http_a$http_b $k { default $uri; }", "$k"),
    ],
)
def test_what_cannot_be_a_key(tmp_path: Path, text: str, of: str) -> None:
    with pytest.raises(NotCarried):
        values(tmp_path, text).key(of)
