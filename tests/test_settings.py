from __future__ import annotations

import dataclasses

from router.config.loader import load_bytes
from router.settings import Health, Limits, Settings, Timeouts

SMALLEST = b"upstreams: {main: {endpoints: [127.0.0.1:8008]}}\nroutes: [{path: '^/', upstream: main}]\n"

TWISTED_HEADER_BYTES = 16_384
TWISTED_IDLE_SECONDS = 60
SYNAPSE_REQUEST_BYTES = 200 * 65_536


def test_the_smallest_file_has_the_defaults() -> None:
    loaded = load_bytes(SMALLEST)
    assert loaded.config is not None
    assert loaded.config.settings == Settings()


def test_defaults_stay_below_what_synapse_takes() -> None:
    forwarded = len("X-Forwarded-For: \r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: \r\n") + 45 + 255
    assert Limits().headers + forwarded <= TWISTED_HEADER_BYTES
    assert Limits().body == SYNAPSE_REQUEST_BYTES
    assert Timeouts().upstream_idle < TWISTED_IDLE_SECONDS


def test_every_limit_and_time_is_positive() -> None:
    for section in (Limits(), Timeouts()):
        values = [getattr(section, field.name) for field in dataclasses.fields(section)]
        assert all(value > 0 for value in values if value is not None)
    assert Health().interval > 0
