"""Plugins and settings of the whole suite."""

import pytest
from hypothesis import settings

from router.modules import PURE, running

pytest_plugins = ("tests.deployment", "tests.tally", "tests.evidence")

# Machines are shared and slow at times: how long one example takes says nothing about the code.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


def pytest_report_header() -> str:
    """Which of the router's hot modules are tested, and why these."""
    return f"hot modules: {running().modules} ({running().reason})"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves to the run on pure modules what can be seen in those alone."""
    if running().modules == PURE:
        return
    left = [item for item in items if item.get_closest_marker("pure")]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]
