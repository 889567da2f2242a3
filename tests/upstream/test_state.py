"""What is remembered of endpoints."""

from __future__ import annotations

from router.table import Upstream
from router.upstream.state import EndpointStates
from tests.wire import tcp

ONE, OTHER = tcp(8101), tcp(8102)


def test_only_a_change_is_news_and_moves_the_time() -> None:
    clock = [10.0]
    states = EndpointStates(lambda: clock[0])
    assert states.is_up(ONE)
    assert states.state(ONE).up
    clock[0] = 20.0
    assert not states.mark_up(ONE)
    assert states.state(ONE).since == 10.0
    assert states.mark_down(ONE, "refused")
    clock[0] = 30.0
    assert not states.mark_down(ONE, "refused again")
    state = states.state(ONE)
    assert (state.up, state.since, state.reason) == (False, 20.0, "refused again")
    assert states.is_up(OTHER)
    assert states.mark_up(ONE)
    assert (state.up, state.since, state.reason) == (True, 30.0, "")


def test_a_state_is_known_by_its_address_and_outlives_the_endpoint() -> None:
    states = EndpointStates(lambda: 0.0)
    states.mark_down(ONE, "x")
    assert not states.is_up(tcp(8101, weight=5))


def test_a_rotation_begins_anew_when_the_endpoints_change() -> None:
    states = EndpointStates(lambda: 0.0)
    two = Upstream(name="main", endpoints=(ONE, OTHER))
    assert states.rotation(two) == (0, 0)
    states.rotate(two, (-1, 1))
    assert states.rotation(two) == (-1, 1)
    assert states.rotation(Upstream(name="main", endpoints=(ONE,))) == (0,)


def test_a_rotation_is_forgotten_with_the_endpoints_that_it_was_of() -> None:
    states = EndpointStates(lambda: 0.0)
    two = Upstream(name="main", endpoints=(ONE, OTHER))
    states.rotate(two, (-1, 1))
    states.begin_anew("main")
    states.begin_anew("unknown")
    assert states.rotation(two) == (0, 0)


def test_who_is_gone_is_forgotten_once_its_last_request_has_ended() -> None:
    states = EndpointStates(lambda: 0.0)
    for endpoint in (ONE, OTHER):
        states.mark_down(endpoint, "refused")
    states.state(ONE).in_flight = 1
    states.keep({OTHER.name})
    assert not states.is_up(ONE)
    states.state(ONE).in_flight -= 1
    states.keep({OTHER.name})
    assert states.is_up(ONE), "nothing is known of it"
    assert not states.is_up(OTHER)
