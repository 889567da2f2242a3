"""What is remembered of endpoints, and who may be sent a request: by nginx's rules, and by checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.settings import Health
from router.table import Endpoint, Upstream
from router.upstream.state import EndpointState, EndpointStates
from tests.wire import tcp

ONE, OTHER = tcp(8101), tcp(8102)
TWICE = tcp(8101, max_fails=2, fail_timeout=10.0)
BY_CONNECT, BY_PATH = Health(), Health(path="/health")


@dataclass
class Scene:
    """States whose clocks stand until they are moved, and what was told of them."""

    now: float = 1000.0
    told: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.states = EndpointStates(lambda: self.now + 1e9, self._note, clock=lambda: self.now)

    def _note(self, state: EndpointState) -> None:
        self.told.append((state.name, state.word))

    def fail(self, endpoint: Endpoint = ONE, *, unreachable: bool = False, counts: bool = True) -> None:
        self.states.attempt_failed(endpoint, "refused", counts=counts, unreachable=unreachable)

    def word(self, endpoint: Endpoint = ONE) -> str:
        return self.states.state(endpoint).word


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_only_a_change_is_news_and_moves_the_time(scene: Scene) -> None:
    states = scene.states
    assert states.is_up(ONE)
    state = states.state(ONE)
    scene.now += 10
    states.mark_up(ONE)
    assert (state.up, state.since, state.changes) == (True, 1e9 + 1000, 0)
    states.mark_down(ONE, "refused")
    scene.now += 10
    states.mark_down(ONE, "refused again")
    assert (state.up, state.since, state.reason) == (False, 1e9 + 1010, "refused again")
    assert states.is_up(OTHER)
    states.mark_up(ONE)
    assert (state.up, state.since, state.reason, state.changes) == (True, 1e9 + 1020, "", 2)
    assert scene.told == [(ONE.name, "down"), (ONE.name, "up")]


def test_a_state_is_known_by_its_address_and_outlives_the_endpoint(scene: Scene) -> None:
    scene.states.mark_down(ONE, "x")
    assert not scene.states.is_up(tcp(8101, weight=5))


def test_a_rotation_begins_anew_when_the_endpoints_change(scene: Scene) -> None:
    states = scene.states
    two = Upstream(name="main", endpoints=(ONE, OTHER))
    assert states.rotation(two) == (0, 0)
    states.rotate(two, (-1, 1))
    assert states.rotation(two) == (-1, 1)
    assert states.rotation(Upstream(name="main", endpoints=(ONE,))) == (0,)


def test_a_rotation_is_forgotten_with_the_endpoints_that_it_was_of(scene: Scene) -> None:
    states = scene.states
    two = Upstream(name="main", endpoints=(ONE, OTHER))
    states.rotate(two, (-1, 1))
    states.begin_anew("main")
    states.begin_anew("unknown")
    assert states.rotation(two) == (0, 0)


def test_who_is_gone_is_forgotten_once_its_last_request_has_ended(scene: Scene) -> None:
    states = scene.states
    for endpoint in (ONE, OTHER):
        scene.fail(endpoint)
    states.state(ONE).in_flight = 1
    states.keep({OTHER.name})
    assert not states.is_up(ONE)
    states.state(ONE).in_flight -= 1
    states.keep({OTHER.name})
    assert states.is_up(ONE), "nothing is known of it"
    assert not states.is_up(OTHER)
    assert states.troubled == {OTHER.name}


def test_one_failure_is_enough_by_default_and_lasts_ten_seconds(scene: Scene) -> None:
    states = scene.states
    scene.fail()
    assert (scene.word(), states.is_up(ONE), states.passes_checks(ONE)) == ("out", False, True)
    assert scene.told == [(ONE.name, "out")]
    scene.now += 10.0
    assert (states.is_up(ONE), states.out_for(ONE)) == (False, 0.0)
    scene.now += 0.1
    assert states.is_up(ONE), "it may be tried"
    assert scene.word() == "out", "nobody has seen it work"


def test_one_request_tries_an_endpoint_and_keeps_others_away(scene: Scene) -> None:
    states = scene.states
    scene.fail()
    scene.now += 11
    states.begin_attempt(ONE)
    assert (states.is_up(ONE), states.out_for(ONE)) == (False, 10.0)
    scene.now += 3
    states.attempt_answered(ONE)
    assert (scene.word(), states.is_up(ONE), states.state(ONE).brought_back) == ("up", True, "request")
    assert [word for _, word in scene.told] == ["out", "up"]


def test_a_try_that_fails_takes_it_out_again_without_news(scene: Scene) -> None:
    scene.fail()
    scene.now += 11
    scene.states.begin_attempt(ONE)
    scene.now += 1
    scene.fail()
    assert scene.states.out_for(ONE) == 10.0
    assert len(scene.told) == 1


def test_a_try_that_comes_to_nothing_is_followed_by_another(scene: Scene) -> None:
    scene.fail()
    scene.now += 11
    scene.states.begin_attempt(ONE)
    scene.now += 11
    assert scene.states.is_up(ONE)


def test_answers_of_the_same_fail_timeout_end_no_trouble(scene: Scene) -> None:
    """As on a real nginx: a worker that fails every other request is out after `max_fails` of them."""
    states = scene.states
    scene.fail(TWICE)
    assert (scene.word(), states.is_up(TWICE)) == ("failing", True)
    scene.now += 5
    states.begin_attempt(TWICE)
    states.attempt_answered(TWICE)
    assert scene.word() == "failing"
    scene.fail(TWICE)
    assert scene.word() == "out"


def test_a_later_answer_ends_the_trouble(scene: Scene) -> None:
    scene.fail(TWICE)
    scene.now += 11
    scene.states.begin_attempt(TWICE)
    scene.states.attempt_answered(TWICE)
    assert (scene.word(), scene.states.troubled) == ("up", set())
    assert scene.told == []
    scene.fail(TWICE)
    assert scene.word() == "failing"


def test_max_fails_0_is_never_out(scene: Scene) -> None:
    never = tcp(8101, max_fails=0)
    for _ in range(5):
        scene.fail(never)
    assert scene.states.is_up(never)
    assert (scene.word(), scene.states.state(never).failures) == ("up", 5)


def test_what_does_not_count_is_only_counted(scene: Scene) -> None:
    scene.fail(counts=False)
    assert (scene.word(), scene.states.is_up(ONE), scene.states.state(ONE).failures) == ("up", True, 1)


def test_who_is_alone_is_judged_by_checks_only(scene: Scene) -> None:
    scene.fail()
    alone, two = (Upstream(name="u", endpoints=each) for each in ((ONE,), (ONE, OTHER)))
    assert (scene.states.serves(ONE, alone), scene.states.serves(ONE, two)) == (True, False)
    scene.states.mark_down(ONE, "refused")
    assert not scene.states.serves(ONE, alone)
    assert scene.states.serves(OTHER, two)


@given(st.lists(st.tuples(st.sampled_from(["fail", "try", "answer", "wait"]), st.floats(0, 8))))
def test_it_is_as_in_nginx_whatever_happens(steps: list[tuple[str, float]]) -> None:
    """ngx_http_upstream_round_robin.c's three fields, beside ours: fails, accessed and checked."""
    scene = Scene()
    fails, accessed, checked = 0, 0.0, 0.0
    for step, seconds in steps:
        scene.now += seconds
        may = not (fails >= 2 and scene.now - checked <= 10.0)
        assert scene.states.is_up(TWICE) is may
        if step == "fail":
            fails += 1
            accessed = checked = scene.now
            scene.fail(TWICE)
        elif step == "try" and may:
            checked = scene.now if scene.now - checked > 10.0 else checked
            scene.states.begin_attempt(TWICE)
        elif step == "answer":
            fails = 0 if accessed < checked else fails
            scene.states.attempt_answered(TWICE)
    assert scene.states.state(TWICE).fails == fails


def test_three_checks_take_it_down_and_two_bring_it_back(scene: Scene) -> None:
    states = scene.states
    for missed in range(3):
        assert scene.word() == "up", missed
        states.check_failed(ONE, "late", BY_PATH, at_once=False)
    assert (scene.word(), states.is_up(ONE), states.passes_checks(ONE)) == ("down", False, False)
    states.check_passed(ONE, BY_PATH)
    assert not states.is_up(ONE)
    states.check_passed(ONE, BY_PATH)
    state = states.state(ONE)
    assert (state.word, state.brought_back, state.checks_passed, state.checks_failed) == ("up", "check", 2, 3)
    assert state.checked == 1e9 + 1000


def test_only_checks_in_a_row_count(scene: Scene) -> None:
    states = scene.states
    for passes in (False, False, True, False, False):
        if passes:
            states.check_passed(ONE, BY_PATH)
        else:
            states.check_failed(ONE, "late", BY_PATH, at_once=False)
    assert scene.word() == "up"
    states.mark_down(ONE, "late")
    for passes in (True, False, True):
        if passes:
            states.check_passed(ONE, BY_PATH)
        else:
            states.check_failed(ONE, "late", BY_PATH, at_once=False)
    assert scene.word() == "down"


def test_a_refusal_takes_it_down_at_once(scene: Scene) -> None:
    scene.states.check_failed(ONE, "refused", BY_CONNECT, at_once=True)
    assert (scene.word(), scene.states.state(ONE).reason) == ("down", "refused")


@pytest.mark.parametrize(
    ("health", "unreachable", "back"),
    [(BY_PATH, False, True), (BY_PATH, True, True), (BY_CONNECT, True, True), (BY_CONNECT, False, False)],
)
def test_checks_bring_back_from_out_what_they_have_seen_working(
    scene: Scene, health: Health, unreachable: bool, back: bool
) -> None:
    """Who took every connection and answered none has shown nothing by taking one more."""
    scene.fail(unreachable=unreachable)
    for _ in range(2):
        assert scene.word() == "out"
        scene.states.check_passed(ONE, health)
    assert (scene.word() == "up") is back
    assert scene.states.is_up(ONE) is back


def test_checks_that_passed_before_a_failure_do_not_count(scene: Scene) -> None:
    for _ in range(5):
        scene.states.check_passed(ONE, BY_PATH)
    scene.fail()
    scene.states.check_passed(ONE, BY_PATH)
    assert scene.word() == "out"


def test_an_answer_does_not_bring_back_who_is_down(scene: Scene) -> None:
    """It was asked before: what counts is that nobody can be sent there now."""
    scene.fail()
    scene.now += 11
    scene.states.begin_attempt(ONE)
    scene.states.check_failed(ONE, "refused", BY_CONNECT, at_once=True)
    scene.states.attempt_answered(ONE)
    assert (scene.word(), scene.states.state(ONE).reason) == ("down", "refused")


def test_a_passed_check_shows_that_it_can_be_reached(scene: Scene) -> None:
    scene.fail(counts=False, unreachable=True)
    scene.fail(counts=False)
    assert scene.states.state(ONE).unreachable
    scene.states.check_passed(ONE, BY_CONNECT)
    assert not scene.states.state(ONE).unreachable


def test_an_endpoint_has_room_below_its_max_requests(scene: Scene) -> None:
    bounded = tcp(8101, max_requests=2)
    state = scene.states.state(bounded)
    for in_flight, has_room in ((0, True), (1, True), (2, False), (3, False)):
        state.in_flight = in_flight
        assert (scene.states.has_room(bounded), scene.states.has_room(ONE)) == (has_room, True)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["fail", "try", "answer", "wait", "down", "up", "pass", "miss", "keep"]),
            st.sampled_from([OTHER, TWICE]),
            st.floats(0, 8),
        )
    )
)
def test_when_all_are_up_each_one_is(steps: list[tuple[str, Endpoint, float]]) -> None:
    scene = Scene()
    states = scene.states
    acts: dict[str, Callable[[Endpoint], object]] = {
        "fail": scene.fail,
        "try": states.begin_attempt,
        "answer": states.attempt_answered,
        "down": lambda endpoint: states.mark_down(endpoint, "refused"),
        "up": states.mark_up,
        "pass": lambda endpoint: states.check_passed(endpoint, BY_CONNECT),
        "miss": lambda endpoint: states.check_failed(endpoint, "refused", BY_CONNECT, at_once=False),
        "keep": lambda endpoint: states.keep({endpoint.name}),
    }
    assert states.all_up()
    for step, endpoint, seconds in steps:
        scene.now += seconds
        if step != "wait":
            acts[step](endpoint)
        if states.all_up():
            assert all(states.is_up(each) and states.passes_checks(each) for each in (OTHER, TWICE))
    for each in (OTHER, TWICE):
        states.mark_up(each)
    assert states.all_up()
