from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.document import parse
from router.config.findings import Findings
from router.config.json_text import json_text


def read(text: str) -> str:
    findings = Findings()
    root = parse(text.encode(), file="f", findings=findings).root
    assert root is not None, list(findings)
    return json_text(root)


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("a: 1", {"a": 1}),
        ("a: '1'", {"a": "1"}),
        ("a: -1.5e3", {"a": -1500.0}),
        ("a: 01", {"a": "01"}),
        ("a: 1_000", {"a": "1_000"}),
        ("a: .5", {"a": ".5"}),
        ("a: 0x10", {"a": "0x10"}),
        ("a: .inf", {"a": ".inf"}),
        ("a: true", {"a": True}),
        ("a: 'true'", {"a": "true"}),
        ("a: yes", {"a": "yes"}),
        ("a: ~", {"a": None}),
        ("a: null", {"a": None}),
        ("a:", {"a": None}),
        ("a: ''", {"a": ""}),
        ("1: [x, [], {}, {b: c}]", {"1": ["x", [], {}, {"b": "c"}]}),
        ('a: "é\\"\\n<"', {"a": 'é"\n<'}),
        ('{"m.homeserver": {"base_url": "https://x"}}', {"m.homeserver": {"base_url": "https://x"}}),
    ],
)
def test_what_is_written_as_json(yaml: str, expected: object) -> None:
    text = read(yaml)
    assert json.loads(text) == expected
    assert text.isascii()


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Co", "Zl", "Zp"]), max_size=8
    )
)
KEYS = st.text("abc.-", min_size=1, max_size=5)


@given(
    st.dictionaries(
        KEYS,
        st.recursive(
            LEAVES,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
            max_leaves=8,
        ),
        max_size=4,
    )
)
def test_json_is_yaml_and_stays_what_it_is(value: dict[str, object]) -> None:
    assert json.loads(read(json.dumps(value))) == value


def test_a_number_stays_as_it_is_written() -> None:
    assert (
        read("[1.10, 1e999, 123456789012345678901234567890]")
        == "[1.10, 1e999, 123456789012345678901234567890]"
    )
