from __future__ import annotations

import pytest

from router.config.regex import parse
from router.config.samples import is_anchored, sample_paths
from router.routing.pattern import compile_alone


@pytest.mark.parametrize(
    ("pattern", "some"),
    [
        ("^/_matrix/client/(r0|v3)/sync$", {b"/_matrix/client/r0/sync", b"/_matrix/client/v3/sync"}),
        ("^/rooms/.*/send", {b"/rooms/x/send", b"/rooms//send", b"/rooms/xx/send"}),
        ("^/a/?$", {b"/a", b"/a/"}),
        ("typing$", {b"/typing"}),
    ],
)
def test_each_alternative_comes_up(pattern: str, some: set[bytes]) -> None:
    paths = list(sample_paths(parse(pattern)))
    assert some <= set(paths)
    assert len(paths) == len(set(paths))
    assert all(compile_alone(pattern)(path) for path in paths)


@pytest.mark.parametrize(
    ("pattern", "anchored"),
    [
        ("^/a", True),
        (r"\A/a", True),
        ("(^/a|^/b)", True),
        ("^/a|^/b", True),
        ("()^/a", True),
        ("(^)+/a", True),
        ("(?i)^/a", True),
        ("/a", False),
        ("^/a|/b", False),
        ("(^)?/a", False),
        ("", False),
        (".*^/a", False),
        ("(^/a|b)c", False),
        ("$", False),
    ],
)
def test_anchored_on_every_way(pattern: str, anchored: bool) -> None:
    assert is_anchored(parse(pattern)) is anchored
