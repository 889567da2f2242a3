from __future__ import annotations

import random

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from router.observe.redaction import redact, signs_of_secrets

SECRET = b"s3cr3t-VALUE_42"


def spelled(text: bytes, seed: int) -> bytes:
    """The text with letters in either case and some of them percent-encoded, once or twice."""
    chance = random.Random(seed)
    spelling = b""
    for byte in text:
        letter = bytes([byte])
        letter = chance.choice((letter, letter.upper()))
        once = b"%%%02x" % letter[0]
        spelling += chance.choice((letter, letter, once, once.upper(), once.replace(b"%", b"%25")))
    return spelling


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"/sync?access_token=%b&since=s1" % SECRET, b"/sync?access_token=<redacted>&since=s1"),
        (b"/login?loginToken=%b" % SECRET, b"/login?loginToken=<redacted>"),
        (b"/x?ACCESS_TOKEN=%b" % SECRET, b"/x?ACCESS_TOKEN=<redacted>"),
        (b"/x?%%61ccess%%5ftoken=%b" % SECRET, b"/x?%61ccess%5ftoken=<redacted>"),
        (b"/x?access_%%74oken=%b" % SECRET, b"/x?access_%74oken=<redacted>"),
        (b"/x?access_%%2574oken=%b" % SECRET, b"/x?access_%2574oken=<redacted>"),
        (
            b"https://a/?next=%%2Fx%%3Faccess_token%%3D%b" % SECRET,
            b"https://a/?next=%2Fx%3Faccess_token%3D<redacted>",
        ),
        (b"/validity?token=%b&x=y" % SECRET, b"/validity?token=<redacted>&x=y"),
        (b"/submit_token?client_secret=%b&sid=1" % SECRET, b"/submit_token?client_secret=<redacted>&sid=1"),
        (b"/cas/ticket?ticket=ST-%b" % SECRET, b"/cas/ticket?ticket=<redacted>"),
        (b"/oidc/callback?code=%b&state=z" % SECRET, b"/oidc/callback?code=<redacted>&state=z"),
        (b"/x?password=%b" % SECRET, b"/x?password=<redacted>"),
        (b"/sync/syt_YWxpY2U_%b" % SECRET, b"/sync/syt_<redacted>"),
        (b"/x?q=%%20mat_%b" % SECRET, b"/x?q=%20mat_<redacted>"),
        (b"client/1 (Bearer %b)" % SECRET, b"client/1 (Bearer <redacted>"),
        (
            b"?a=1&access_token=%b&access_token=%b" % (SECRET, SECRET),
            b"?a=1&access_token=<redacted>&access_token=<redacted>",
        ),
    ],
)
def test_a_secret_is_replaced(text: bytes, expected: bytes) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        b"/_matrix/client/v3/sync?since=s72594_4483_1934&timeout=30000",
        b"/_matrix/client/v3/sync?filter=%7B%22room%22%3A%7B%22timeline%22%3A%7B%22limit%22%3A20%7D%7D%7D",
        b"/_matrix/client/v3/rooms/%21abc%3Aexample.org/messages?dir=b",
        b"/_matrix/client/v1/register/m.login.registration_token/validity",
        b"/x?access_token",
        b"/x?access_token=&since=s1",
        b"/x?format_version=1",
        b"/_matrix/client/v3/openid/request_token",
    ],
)
def test_what_is_no_secret_stays(text: bytes) -> None:
    assert redact(text) == text


@given(
    name=st.sampled_from([b"access_token", b"logintoken", b"client_secret", b"refresh_token"]),
    secret=st.from_regex(rb"[A-Za-z0-9_.~%+/-]{12,40}", fullmatch=True),
    before=st.binary(max_size=20),
    seed=st.integers(),
)
def test_no_spelling_saves_a_secret(name: bytes, secret: bytes, before: bytes, seed: int) -> None:
    text = before + spelled(name, seed) + b"=" + secret
    assert secret not in redact(text)
    assert signs(text)


@given(
    st.binary(max_size=60)
    | st.from_regex(rb"(?i)(%(25)?[4-7][0-9a-f]|[token=&syt_mabr ]|%3d){1,30}", fullmatch=True)
)
def test_what_shows_no_sign_is_not_changed(text: bytes) -> None:
    assert signs(text) or redact(text) == text


def signs(text: bytes) -> bool:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.case_sensitive = False
    return re2.search(signs_of_secrets(), text, options=options) is not None
