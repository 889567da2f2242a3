"""The real deployment for tests, brought up once: a pytest plugin with the fixture `deployment`.

Every test that asks for it, itself or through another fixture, is marked `synapse`, runs on one and the same
xdist worker, unless it names another group, and has time for the start of seven processes. Those that kill
processes are a group with a deployment of its own. No test may leave a process ended or stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from router.local.deployment import Deployment
from router.local.layout import Layout

ROUTES = Path(__file__).parents[1] / "routes.yaml"
"""The shipped table; the deployment serves it with its own ports."""

TIMEOUT = 180
"""Seconds for a test with a real Synapse; the first one waits for the start."""


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Seven Synapse processes, PostgreSQL, Valkey and the router on free ports, in a folder of their own."""
    layout = Layout.free(tmp_path_factory.mktemp("deployment"))
    with Deployment(layout, routes=ROUTES, durable=False) as running:
        yield running


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what needs the deployment."""
    for item in items:
        if isinstance(item, pytest.Function) and "deployment" in item.fixturenames:
            item.add_marker(pytest.mark.synapse)
            if item.get_closest_marker("xdist_group") is None:
                item.add_marker(pytest.mark.xdist_group("synapse"))
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(TIMEOUT))
