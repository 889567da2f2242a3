from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.answers import FRAMED_HERE, Redirect, Response

X = ("X-A", "1")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"status": 599, "fields": (X, ("Set-Cookie", "a=b; Path=/\tx"))},
        {"status": 404, "media_type": "text/plain; charset=utf-8", "body": b"\r\n\0\xff"},
        {"fields": (("X-Content-Length", "1"), ("Dates", "1"))},
        {"status": 204},
    ],
)
def test_what_can_be_sent(fields: dict[str, object]) -> None:
    response = Response(**fields)  # type: ignore[arg-type] # each is right in its value
    assert {name: getattr(response, name) for name in fields} == fields


@pytest.mark.parametrize(
    "fields",
    [
        {"status": 199},
        {"status": 600},
        {"status": 204, "body": b"x"},
        {"status": 304, "body": b"x"},
        {"fields": (("", "1"),)},
        {"fields": (("A B", "1"),)},
        {"fields": (("A:", "1"),)},
        {"fields": (("A\r\nB", "1"),)},
        {"fields": (("A", ""),)},
        {"fields": (("A", " 1"),)},
        {"fields": (("A", "1\t"),)},
        {"fields": (("A", "1\r\nB: 2"),)},
        {"fields": (("A", "1\nB: 2"),)},
        {"fields": (("A", "1\0"),)},
        {"fields": (("A", "é"),)},
        {"fields": (X, ("x-a", "2"))},
        {"media_type": "a\r\nb"},
        *({"fields": ((name.title(), "1"),)} for name in sorted(FRAMED_HERE)),
    ],
)
def test_what_cannot_be_sent(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Response(**fields)  # type: ignore[arg-type] # each is wrong in its value


@pytest.mark.parametrize(
    ("to", "place"),
    [
        ("https://$host$request_uri", "https://h.example/a//b?c=%2F"),
        ("https://$host:8448$request_uri", "https://h.example:8448/a//b?c=%2F"),
        ("https://$host/app/", "https://h.example/app/"),
        ("https://other.example$request_uri", "https://other.example/a//b?c=%2F"),
        ("https://other.example/old$request_uri", "https://other.example/old/a//b?c=%2F"),
        ("https://other.example", "https://other.example"),
        ("http://[::1]:80/x?y=z#w", "http://[::1]:80/x?y=z#w"),
        ("/", "/"),
        ("/app/?a=%20", "/app/?a=%20"),
    ],
)
def test_where_a_redirect_leads(to: str, place: str) -> None:
    response = Redirect(to=to, status=308).response(host="h.example", target=b"/a//b?c=%2F")
    assert response == Response(status=308, fields=(("Location", place),))


@pytest.mark.parametrize(
    "to",
    [
        "",
        "//evil.example",
        "//$host/",
        "///x",
        "$request_uri",
        "/$request_uri",
        "/a$request_uri",
        "https://a?x=$request_uri",
        "https://a/?x=$request_uri",
        "https://a/#$request_uri",
        "https://a$request_uri$request_uri",
        "https://a$request_uri/b",
        "https://a$uri",
        "https://$host.example/",
        "https://a.$host/",
        "https://$http_host/",
        "https://",
        "https:///x",
        "https://u@h/",
        "https://h:80:80/",
        "https://h/a b",
        "https://h/\r\nSet-Cookie: a=1",
        "https://h/\n",
        "https://h/\\x",
        "https://h/é",
        "https://h/%0",
        "ftp://h/",
        "javascript:alert(1)",
        "x",
        "\\\\evil.example",
        "/\\evil.example",
    ],
)
def test_where_none_leads(to: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Redirect(to=to)


@pytest.mark.parametrize("status", [200, 300, 304, 305, 309, 404])
def test_a_redirect_has_a_redirect_s_status(status: int) -> None:
    with pytest.raises(ValueError, match="status"):
        Redirect(to="/", status=status)


VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=30)
HOSTS = st.from_regex(r"[a-z0-9.$_-]{1,12}", fullmatch=True)


@given(target=VISIBLE, host=HOSTS)
def test_a_client_chooses_neither_host_nor_fields(target: str, host: str) -> None:
    response = Redirect(to="https://other.example:1$request_uri").response(
        host=host, target=f"/{target}".encode()
    )
    ((name, place),) = response.fields
    assert name == "Location"
    assert place == f"https://other.example:1/{target}"
    assert urlsplit(place).netloc == "other.example:1" or "[" in target or "]" in target
    own = Redirect(to="https://$host$request_uri").response(host=host, target=f"/{target}".encode())
    assert own.fields == (("Location", f"https://{host}/{target}"),)
