from __future__ import annotations

import gc
from pathlib import Path

from benchmarks.inmemory import lane
from benchmarks.mix import MIX
from router.config.loader import load_or_raise

SHIPPED = Path(__file__).parents[2] / "routes.yaml"


def test_a_request_leaves_nothing_for_the_garbage_collector() -> None:
    # The process freezes what it began with because of that: collections would find nothing.
    with lane(load_or_raise(SHIPPED)) as opened:
        sent = [request.raw("ada") for request in MIX]
        for request in sent:
            opened.serve(request)
        gc.collect()
        gc.disable()
        try:
            for request in sent * 3:
                opened.serve(request)
            assert gc.collect() == 0
        finally:
            gc.enable()
