"""All fuzz targets by name: a room adds a module with its own and a line here."""

from __future__ import annotations

from tests.fuzz import http1, synapse

TARGETS = {target.name: target for target in (*http1.TARGETS, *synapse.TARGETS)}
