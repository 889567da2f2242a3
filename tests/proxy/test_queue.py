"""In which order those who wait are given their turns."""

from __future__ import annotations

import pytest

from router.proxy.queue import LOOK_AHEAD, PATIENCE, Queues


class Waiting:
    """One that waits, and knows only who it prefers and whether it can go on."""

    def __init__(self, queues: Queues, upstream: str, *, prefers: str = "", needs: str = "") -> None:
        self._queues = queues
        self._upstream = upstream
        self._prefers = prefers
        self.needs = needs
        self.turns: list[str] = []
        self.gone = False
        queues.enter(upstream, self)

    def prefers(self, endpoint: str) -> bool:
        return self._prefers == endpoint

    def on_turn(self, freed: str) -> bool:
        self.turns.append(freed)
        if self.needs not in ("", freed):
            return False
        self.gone = True
        self._queues.leave(self._upstream, self)
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_turns_go_by_arrival_across_queues() -> None:
    clock, order = Clock(), []
    queues = Queues(clock)

    class Noting(Waiting):
        def on_turn(self, freed: str) -> bool:
            order.append(self)
            return super().on_turn(freed)

    arrived = []
    for upstream in ("a", "b", "a", "b"):
        clock.now += 1
        arrived.append(Noting(queues, upstream))
    queues.serve()
    assert order == arrived
    assert queues.waiting == {}


def test_a_queue_that_cannot_go_on_does_not_stop_another() -> None:
    queues = Queues(Clock())
    stuck, behind, other = Waiting(queues, "a", needs="x"), Waiting(queues, "a"), Waiting(queues, "b")
    queues.serve("y")
    assert (stuck.gone, behind.gone, other.gone) == (False, False, True)
    assert behind.turns == [], "nobody overtakes the first of a queue that has no room for it"
    assert (queues.length("a"), queues.length("b")) == (2, 0)
    queues.serve("x")
    assert (stuck.gone, behind.gone) == (True, True)


def test_a_free_endpoint_goes_to_whom_it_was_meant_for() -> None:
    queues = Queues(Clock())
    others = [Waiting(queues, "a", prefers="y", needs="none") for _ in range(LOOK_AHEAD - 1)]
    meant = Waiting(queues, "a", prefers="x")
    queues.serve("x")
    assert meant.gone
    assert [each.turns for each in others[1:]] == [[]] * (len(others) - 1)


def test_nobody_is_looked_for_too_far_behind() -> None:
    queues = Queues(Clock())
    first, *_ = [Waiting(queues, "a", prefers="y", needs="none") for _ in range(LOOK_AHEAD)]
    meant = Waiting(queues, "a", prefers="x")
    queues.serve("x")
    assert not meant.gone
    assert first.turns == ["x"]


def test_nobody_is_passed_over_for_long() -> None:
    clock = Clock()
    queues = Queues(clock)
    first = Waiting(queues, "a", prefers="y")
    clock.now = PATIENCE
    meant = Waiting(queues, "a", prefers="x")
    meant.needs = "nothing more once the first has gone"
    queues.serve("x")
    assert first.gone
    assert not meant.gone


def test_who_has_left_gets_no_turn() -> None:
    queues = Queues(Clock())
    first, second = Waiting(queues, "a"), Waiting(queues, "a")
    queues.leave("a", first)
    assert queues.length("a") == 1
    queues.serve()
    assert (first.turns, second.turns) == ([], [""])


def test_a_turn_that_ends_another_request_gives_one_more() -> None:
    """As a request that is answered at once where it goes: nothing is called again from within."""
    queues = Queues(Clock())
    depth = 0

    class Ending(Waiting):
        def on_turn(self, freed: str) -> bool:
            nonlocal depth
            depth += 1
            assert depth == 1
            went = super().on_turn(freed)
            queues.serve("x")
            depth -= 1
            return went

    ending = [Ending(queues, "a") for _ in range(3)]
    queues.serve("x")
    assert all(each.gone for each in ending)


def test_a_turn_that_raises_does_not_end_all_turns() -> None:
    queues = Queues(Clock())

    class Broken(Waiting):
        def on_turn(self, freed: str) -> bool:
            super().on_turn(freed)
            raise LookupError("broken")

    Broken(queues, "a")
    with pytest.raises(LookupError, match="broken"):
        queues.serve()
    after = Waiting(queues, "a")
    queues.serve()
    assert after.gone
