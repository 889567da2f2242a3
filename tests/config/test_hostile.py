from __future__ import annotations

from itertools import count

from router.config.hostile import slowest
from router.routing.matcher import Matcher
from router.table import UNMATCHED, Pattern, Route


def routes(*patterns: str) -> tuple[Route, ...]:
    return tuple(Route(name=text, pattern=Pattern(text=text), upstream="main") for text in patterns)


class Clock:
    """Each look at it is a second later than the one before."""

    def __init__(self) -> None:
        self._seconds = count()

    def __call__(self) -> float:
        return float(next(self._seconds))


def tried(*patterns: str, length: int = 200) -> bytes:
    table = routes(*patterns)
    found = slowest(table, Matcher((*table, UNMATCHED)), length=length, clock=Clock())
    assert found is not None
    assert found.seconds == 1.0
    return found.path


def test_a_path_is_strewn_with_what_the_patterns_look_for() -> None:
    path = tried("^/x/.*/state$", "^/x/.*/send/.*/y$", "^/z$")
    assert path.startswith(b"/x/")
    assert len(path) == 200
    assert all(word in path for word in (b"/state", b"/send/", b"/y"))


def test_the_largest_group_is_taken() -> None:
    assert tried("^/a/.*/s$", "^/b/.*/s$", "^/b/.*/t$").startswith(b"/b/")


def test_the_same_table_has_the_same_paths() -> None:
    assert tried("^/x/.*/state$") == tried("^/x/.*/state$")


def test_without_endless_repetitions_there_is_nothing_to_try() -> None:
    table = routes("^/x$", "^/y/a{3}$", r"^/.*\b")
    assert slowest(table, Matcher((*table, UNMATCHED)), length=100, clock=Clock()) is None


def test_a_path_that_no_client_can_send_is_not_timed() -> None:
    table = routes("^/x y/.*")
    assert slowest(table, Matcher((*table, UNMATCHED)), length=100, clock=Clock()) is None
