from __future__ import annotations

from dataclasses import replace

from router.admin.shadow import shadow_of
from router.routing.decision import decide
from router.routing.view import EveryEndpointUp
from router.settings import Listener, ListenerRole
from router.shadow.compare import Comparison
from router.table import TcpAddress
from tests.admin.processes import Process
from tests.routing.tables import head


def test_nothing_is_told_where_no_listener_is_for_mirrored_requests() -> None:
    process = Process()
    comparison = Comparison(lambda _: "/*", lambda: process.now)
    assert shadow_of(replace(process.state, comparison=comparison)) is None
    assert shadow_of(process.state) is None


def test_what_is_told_where_one_is() -> None:
    process = Process()
    mirror = Listener(address=TcpAddress(host="127.0.0.1", port=8083), role=ListenerRole.SHADOW)
    process.config = replace(process.config, settings=replace(process.config.settings, listen=(mirror,)))
    comparison = Comparison(lambda _: "/*", lambda: process.now)
    for theirs in ("main", "other", "more", ""):
        asked = head("/_matrix/media/x")
        comparison.decided(asked, decide(process.snapshot, asked, EveryEndpointUp()), theirs)
    comparison.refused("no")
    told = shadow_of(replace(process.state, comparison=comparison))
    assert told is not None
    assert (told.requests, told.agreed, told.disagreed, told.refused, told.unlabelled) == (5, 1, 2, 1, 1)
    assert (told.by_route, told.refusals) == ({"media": 2}, {"no": 1})
    assert [each.theirs for each in told.last] == ["more", "other"]
    assert told.last[0].reason.startswith("route media")
