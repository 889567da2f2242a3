"""The router with an imported nginx.conf, against a real nginx with the same file, on generated requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.comparison import ON_PURPOSE, SHAPES, compare

pytestmark = [pytest.mark.nginx, pytest.mark.xdist_group("nginx")]

SEED = 20261124
NAMES = sorted(each.name for each in SHAPES.iterdir())
REQUESTS = {"reference": 6000}
LEAST = 20_000


def test_an_imported_table_decides_as_nginx_does(tmp_path: Path, conformance: Callable[[str], None]) -> None:
    """All shapes in one test: the figures are of the whole, and each class of refusals has to occur."""
    compared = 0
    refused = Counter[str]()
    for shape in NAMES:
        folder = tmp_path / shape
        folder.mkdir()
        tally = compare(shape, folder, count=REQUESTS.get(shape, 1000), seed=SEED)
        assert tally.disagreements == []
        assert len(tally.upstreams) == tally.expected, "an upstream that no request came to shows nothing"
        compared += tally.compared
        refused += tally.refused
        conformance(
            f"  {shape:<20} {tally.compared:>6,} requests, {len(tally.upstreams)} upstreams, "
            f"0 disagreements, {sum(tally.refused.values())} refused on purpose\n"
        )
    assert compared >= LEAST
    assert refused.keys() == ON_PURPOSE.keys()
    conformance(f"  in all {compared:,} requests over {len(NAMES)} configurations, 0 disagreements\n")
    for name, count in refused.most_common():
        conformance(f"  {count:>6,} refused on purpose, {name}: {ON_PURPOSE[name].reason}\n")
