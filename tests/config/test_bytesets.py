from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.config.bytesets import ALL, CLASSES, NAMED, mask_of, span


@given(st.binary())
def test_a_set_has_the_bytes_that_it_was_made_of(content: bytes) -> None:
    mask = mask_of(content)
    assert {byte for byte in range(256) if mask >> byte & 1} == set(content)


@given(st.integers(0, 255), st.integers(0, 255))
def test_a_span_is_inclusive(one: int, other: int) -> None:
    first, last = sorted((one, other))
    assert span(first, last) == mask_of(bytes(range(first, last + 1)))


def test_a_class_and_its_capital_are_everything() -> None:
    for name in "dsw":
        assert CLASSES[name] | CLASSES[name.upper()] == ALL
        assert not CLASSES[name] & CLASSES[name.upper()]
    assert NAMED["word"] == CLASSES["w"]
