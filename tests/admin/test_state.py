from __future__ import annotations

from tests.admin.processes import GENERIC1, GENERIC2, MAIN, Process


def test_endpoints_are_told_for_each_upstream() -> None:
    process = Process()
    process.states.mark_down(GENERIC1, "refused")
    assert process.state.endpoints_up() == [
        ("main", "127.0.0.1:8008", True),
        ("generic-worker", "127.0.0.1:8101", False),
        ("generic-worker", "127.0.0.1:8102", True),
        ("generic-worker-user", "127.0.0.1:8101", False),
        ("generic-worker-user", "127.0.0.1:8102", True),
    ]


def test_an_upstream_is_down_with_its_last_endpoint() -> None:
    process = Process()
    assert process.state.upstreams_down() == []
    process.states.mark_down(GENERIC1, "refused")
    assert process.state.upstreams_down() == []
    process.states.mark_down(GENERIC2, "refused")
    process.states.mark_down(MAIN, "refused")
    assert process.state.upstreams_down() == ["main", "generic-worker", "generic-worker-user"]
    process.states.mark_up(GENERIC2)
    assert process.state.upstreams_down() == ["main"]
