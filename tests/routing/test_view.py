from __future__ import annotations

from router.routing.view import EveryEndpointUp
from tests.routing.tables import upstream


def test_every_endpoint_is_up_and_none_has_been_used() -> None:
    view = EveryEndpointUp()
    workers = upstream("workers", 8101, 8102, 8103)
    assert view.is_up(workers.endpoints[0])
    assert view.rotation(workers) == (0, 0, 0)
