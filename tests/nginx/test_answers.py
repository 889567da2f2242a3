from __future__ import annotations

from pathlib import Path

import pytest

from router.answers import Redirect, Response
from router.nginx.answers import TEXT, Answer, returned, static_json
from router.nginx.locations import Location, find_locations
from router.nginx.pcre import NotCarried
from router.table import Refusal
from tests.nginx.files import tree


def location(folder: Path, inner: str) -> Location:
    (server,) = tree(folder, f"server {{ {inner} }}")
    return find_locations(server)[0][1]


def answer(folder: Path, inner: str) -> Answer:
    there = location(folder, f"location / {{ {inner} }}")
    directive = there.directive.last("return")
    assert directive is not None
    return returned(directive, there)


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ("return 404;", Refusal(status=404, errcode="M_UNRECOGNIZED", error="Not Found")),
        ("return 403;", Refusal(status=403, errcode="M_FORBIDDEN", error="Forbidden")),
        ("return 502;", Refusal(status=502, errcode="M_UNKNOWN", error="Bad Gateway")),
        ("return 301 https://$host$request_uri;", Redirect(to="https://$host$request_uri", status=301)),
        ("return https://a.org/;", Redirect(to="https://a.org/", status=302)),
        ("return 204;", Response(status=204)),
        (
            "default_type application/json; return 200 '{}';",
            Response(fields=(("Content-Type", "application/json"),), media_type=TEXT, body=b"{}"),
        ),
        (
            "add_header X-A b; return 200 ok;",
            Response(fields=(("X-A", "b"), ("Content-Type", "text/plain")), media_type=TEXT, body=b"ok"),
        ),
        (
            "add_header X-A b; add_header X-B c always; return 403 no;",
            Response(
                status=403, fields=(("X-B", "c"), ("Content-Type", "text/plain")), media_type=TEXT, body=b"no"
            ),
        ),
    ],
)
def test_what_return_answers(tmp_path: Path, inner: str, expected: Answer) -> None:
    assert answer(tmp_path, inner) == expected


@pytest.mark.parametrize(
    "inner",
    ["return 444;", "return 200 $uri;", "return 301 $scheme://a;", "add_header X $host; return 200 ok;"],
)
def test_what_cannot_be_carried_over(tmp_path: Path, inner: str) -> None:
    with pytest.raises(NotCarried):
        answer(tmp_path, inner)


@pytest.mark.parametrize(
    "inner",
    [
        "root {0}; location = /m.json {{ }}",
        "location = /.well-known/matrix/server {{ alias {0}/m.json; }}",
        "location = /x {{ root {0}; try_files /m.json =404; default_type application/json; }}",
    ],
)
def test_a_file_of_json_is_read_when_it_is_imported(tmp_path: Path, inner: str) -> None:
    (tmp_path / "m.json").write_text('{"m.server": "a:443"}')
    found = static_json(location(tmp_path, inner.format(tmp_path)))
    assert found is not None
    assert (found.body, dict(found.fields)["Content-Type"]) == (b'{"m.server": "a:443"}', "application/json")
    (tmp_path / "m.json").unlink()
    with pytest.raises(NotCarried, match=r"m\.json cannot be read"):
        static_json(location(tmp_path, inner.format(tmp_path)))


@pytest.mark.parametrize(
    "inner", ["location /m { root /x; }", "location = /m { }", "location = /m.html { root /x; }"]
)
def test_other_files_are_none(tmp_path: Path, inner: str) -> None:
    assert static_json(location(tmp_path, inner)) is None
