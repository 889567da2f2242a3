"""All fuzz targets by name: a room adds a module with its own and a line here."""

from __future__ import annotations

from tests.fuzz import answers, clients, differential, http1, paths, preambles, routes, synapse

TARGETS = {
    target.name: target
    for room in (differential, http1, preambles, paths, clients, answers, routes, synapse)
    for target in room.TARGETS
}
