from __future__ import annotations

import pytest

from router.table import Condition, HashKey
from tests.config.files import fix, loaded, marked

TWO = "endpoints: [127.0.0.1:8101, 127.0.0.1:8102]"


def file(*, key: str = "user", when: str = "", path: str = "^/") -> str:
    condition = f", when: {when}" if when else ""
    return (
        f"upstreams: {{u: {{policy: hash, key: {key}, {TWO}}}}}\n"
        f"routes: [{{path: '{path}', upstream: u{condition}}}]\n"
    )


@pytest.mark.parametrize(
    ("written", "keys"),
    [
        ("room", [HashKey(kind="room")]),
        ("{fact: target}", [HashKey(kind="target")]),
        ("{cookie: Sid}", [HashKey(kind="cookie", name="sid")]),
        ("{argument: access_token}", [HashKey(kind="argument", name="access_token")]),
        (
            "[{header: Authorization, pattern: 'syt_(.*?)_'}, user]",
            [HashKey(kind="header", name="authorization", pattern="syt_(.*?)_"), HashKey(kind="user")],
        ),
    ],
)
def test_keys(written: str, keys: list[HashKey]) -> None:
    assert list(loaded(file(key=written)).upstreams["u"].policy.keys) == keys


def test_a_capture_is_of_every_route_that_goes_there() -> None:
    config = loaded(file(key="{capture: Room}", path="^/rooms/(?P<Room>[^/]*)"))
    assert config.config is not None
    assert marked(file(key="{capture: Room}", path="^/rooms/(?P<room>[^/]*)"), "R119")
    assert marked(file(key="{capture: 2}", path="^/rooms/(a)"), "R119")


@pytest.mark.parametrize(
    ("written", "conditions"),
    [
        ("{argument: Since, has: '^$'}", [Condition(kind="argument", name="since", pattern="^$")]),
        (
            "[{fact: host, lacks: 'a'}, {header: X-A, has: ''}]",
            [
                Condition(kind="host", pattern="a", negated=True),
                Condition(kind="header", name="x-a", pattern=""),
            ],
        ),
    ],
)
def test_conditions(written: str, conditions: list[Condition]) -> None:
    assert list(loaded(file(when=written)).routes[0].conditions) == conditions


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("since", "S009"),
        ("[]", "S010"),
        ("{has: a}", "S010"),
        ("{fact: user_id, has: a}", "S012"),
        ("{capture: a, has: a}", "S008"),
        ("{header: 'a b', has: a}", "S014"),
        ("{argument: 'a&b', has: a}", "S014"),
        ("{header: a}", "R104"),
        ("{header: a, has: b, lacks: c}", "R104"),
        ("{header: a, cookie: b, has: c}", "S012"),
        ("{header: a, has: '(?=b)'}", "R101"),
        ("{header: a, has: 'ä'}", "R108"),
    ],
)
def test_what_is_wrong_with_a_condition(written: str, code: str) -> None:
    found = [each for each in loaded(file(when=written)).findings if each.code == code]
    assert found
    assert found[0].source is not None


def test_a_named_fact_needs_its_name() -> None:
    assert "{cookie: NAME}" in fix(file(key="cookie"), "S010")
